"""Finding a checkpoint by folder or Hub id, and reading its configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig
from transformers.utils import cached_file
from transformers.utils.peft_utils import find_adapter_config_file

from biomedgpt_hf import register_auto_classes
from biomedgpt_hf.checkpoints.faults import AGAIN, InvalidCheckpointError, blamed_on, in_words, read_json_object

CONFIG = "config.json"
ADAPTER = "adapter_config.json"
# Fields that configurations count up to when they are read, and models when they are built. No model has as many
# layers, experts or labels, and what they say is compared with the weights before anything else is built.
COUNTS = re.compile(r"(layers?|blocks?|experts|labels|depths?|stages?|heads)$")
LARGEST_COUNT = 1 << 16


def find_file(checkpoint: str, name: str, revision: str | None = None, **hub: Any) -> Path | None:
    """Return where a checkpoint's file is, fetched from the Hub if it lies there, or None if there is no such file.

    Raises:
        OSError: if there is no such repository, or it cannot be reached.
    """
    if Path(checkpoint).is_dir():
        file = Path(checkpoint, hub.get("subfolder") or "", name)
        return file if file.is_file() else None
    found = cached_file(checkpoint, name, revision=revision, _raise_exceptions_for_missing_entries=False, **hub)
    return None if found is None else Path(found)


def find_config(checkpoint: str, revision: str | None = None) -> Any:
    """Read a checkpoint's configuration, so that a wrong name fails once, soon and in one line.

    A folder with an adapter (PEFT's) has the configuration of the checkpoint that the adapter is of. No code that lies
    in the checkpoint is run.

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
        if not any((path / name).is_file() for name in (CONFIG, ADAPTER)):
            raise FileNotFoundError(f"The folder {checkpoint!r} holds no checkpoint: it has no config.json.")
    elif path.is_absolute() or checkpoint.startswith((".", "~")) or checkpoint.count("/") > 1:
        raise FileNotFoundError(f"There is no checkpoint folder {checkpoint!r}: check the path.")
    try:
        file = find_file(checkpoint, CONFIG, revision)
        if file is None and (base := adapter_base(checkpoint, revision)) is not None:
            return find_config(base)
        content = {} if file is None else read_json_object(file)
        if file is not None:
            check_config_fields(content, file)
        with blamed_on(file or checkpoint):
            return AutoConfig.from_pretrained(checkpoint, revision=revision, trust_remote_code=False)
    except OSError as error:
        reason = in_words(error.__cause__ or error)
        raise OSError(f"Cannot load {checkpoint!r}, as a folder or from the Hub or its cache: {reason}") from error
    except InvalidCheckpointError as error:
        cause = error.__cause__
        if isinstance(cause, ValueError) and "trust_remote_code" in str(cause):
            raise InvalidCheckpointError(
                f"{file} names code in the checkpoint for its model type {content.get('model_type')!r}, which is not "
                "run: take a checkpoint of a type that transformers knows."
            ) from cause
        if "model type" in str(cause) or "model_type" in str(cause):  # of an unknown one transformers says much
            raise InvalidCheckpointError(
                f"Cannot load {checkpoint!r}: {in_words(cause or error).split('. ')[0][:200]} ({file}). If one of its "
                "parts is of your own making, import the module that registers it first."
            ) from cause
        raise


def check_config_fields(content: dict[str, Any], file: Path) -> None:
    """Check the fields that do harm before a configuration is compared with the weights.

    Raises:
        InvalidCheckpointError: if the mere reading or building could fill the memory, or a dtype is none of torch's.
    """
    for name, key, value in _fields(content):
        if key in ("dtype", "torch_dtype"):
            known = isinstance(value, str) and getattr(torch, value.removeprefix("torch."), None)
            if value not in (None, "auto") and not isinstance(known, torch.dtype):
                raise InvalidCheckpointError(f"{file} says {name} = {value!r}, which is no dtype of torch. {AGAIN}")
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number and COUNTS.search(key) and value > LARGEST_COUNT:
            raise InvalidCheckpointError(
                f"{file} says {name} = {value}, more than the {LARGEST_COUNT} that any model has: correct it, or take "
                "another checkpoint."
            )


def _fields(content: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield the fields at any depth: where they stand, their names and their plain values."""
    left: list[tuple[str, str, Any]] = [(key, key, value) for key, value in content.items()]
    while left:  # a loop, since a stranger's nesting may be deeper than Python's stack
        path, key, value = left.pop()
        if isinstance(value, dict):
            left += [(f"{path}.{name}", name, part) for name, part in value.items()]
        elif isinstance(value, list):
            left += [(path, key, part) for part in value]
        else:
            yield path, key, value


def adapter_base(checkpoint: str, revision: str | None = None) -> str | None:
    """Return the checkpoint that an adapter is of, or None for what is no adapter.

    Raises:
        ValueError: if the adapter does not say, or names itself or another adapter.
    """
    try:
        settings = find_adapter_config_file(checkpoint, revision=revision)
    except OSError:
        settings = None
    if settings is None:
        return None
    base = read_json_object(Path(settings)).get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        raise InvalidCheckpointError(f"{settings} does not say of which checkpoint the adapter is: copy it again.")
    if Path(base).is_dir() and not Path(base, CONFIG).is_file() and Path(base, ADAPTER).is_file():
        raise InvalidCheckpointError(
            f"{settings} says that the adapter is of {base!r}, which is an adapter itself: name the whole model there."
        )
    return base
