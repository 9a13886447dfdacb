"""Finding a checkpoint by folder or Hub id."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from transformers import AutoConfig
from transformers.utils.peft_utils import find_adapter_config_file

from biomedgpt_hf import register_auto_classes

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

ADAPTER = "adapter_config.json"


def find_config(checkpoint: str, revision: str | None = None) -> PreTrainedConfig:
    """Read a checkpoint's configuration, so that a wrong name fails once, soon and in one line.

    A folder with an adapter (PEFT's) has the configuration of the checkpoint that the adapter is of.

    Args:
        checkpoint: folder or Hub id.
        revision: branch, tag or commit on the Hub.

    Raises:
        ValueError: if it is of an unknown kind.
        OSError: if there is no such folder and no such repository, or it cannot be reached or read.
    """
    register_auto_classes()
    path = Path(checkpoint)
    if path.is_dir():
        if not any((path / name).is_file() for name in ("config.json", ADAPTER)):
            raise FileNotFoundError(f"The folder {checkpoint!r} holds no checkpoint: it has no config.json.")
    elif path.is_absolute() or checkpoint.startswith((".", "~")) or checkpoint.count("/") > 1:
        raise FileNotFoundError(f"There is no checkpoint folder {checkpoint!r}: check the path.")
    try:
        return AutoConfig.from_pretrained(checkpoint, revision=revision)
    except (KeyError, OSError, ValueError) as error:
        if (base := adapter_base(checkpoint, revision)) is not None:
            return find_config(base)
        reason = " ".join(str(error).split())
        if isinstance(error, OSError):
            raise OSError(f"Cannot load {checkpoint!r}, as a folder or from the Hub or its cache: {reason}") from error
        raise ValueError(  # of an unknown model type transformers says much
            f"Cannot load {checkpoint!r}: {reason.split('. ')[0][:200]}. If one of its parts is of your own making, "
            "import the module that registers it first."
        ) from error


def adapter_base(checkpoint: str, revision: str | None = None) -> str | None:
    """Return the checkpoint that an adapter is of, or None for what is no adapter.

    Raises:
        ValueError: if the adapter does not say.
    """
    try:
        settings = find_adapter_config_file(checkpoint, revision=revision)
    except OSError:
        settings = None
    if settings is None:
        return None
    try:
        return str(json.loads(Path(settings).read_text("utf-8"))["base_model_name_or_path"])
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{settings} does not say of which checkpoint the adapter is: copy it again.") from error
