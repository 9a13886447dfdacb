"""Loading a checkpoint's model and processor, and telling one checkpoint from another."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from safetensors import safe_open

from biomedgpt_hf.checkpoints import find_config, load_model, load_processor
from biomedgpt_hf.checkpoints.adapters import WEIGHTS as ADAPTER_WEIGHTS
from biomedgpt_hf.checkpoints.faults import InvalidCheckpointError, blamed_on
from biomedgpt_hf.checkpoints.finding import find_file
from biomedgpt_hf.checkpoints.stored_weights import find_weights
from biomedgpt_hf.confidence.calibration_file import NAME as CALIBRATION
from biomedgpt_hf.device import best_device, check_device
from biomedgpt_hf.mini import mini_checkpoint

if TYPE_CHECKING:
    from biomedgpt_hf.modeling.configuration_biomedgpt import BioMedGPTConfig
    from biomedgpt_hf.modeling.modeling_biomedgpt import BioMedGPTForConditionalGeneration
    from biomedgpt_hf.processors.processing_biomedgpt import BioMedGPTProcessor

LONG_PROTEINS = ("report", "crop")  # what is done with proteins beyond the encoder's limit
ROWS_IN_DIGEST = 4  # rows of each tensor that the digest reads
# Files beside weights that change none of a checkpoint's words.
LEFT_BY_RUNS = ("run.json", "metrics.json", "*.manifest.json", CALIBRATION)
SCORES = "evaluation"  # the entry of a configuration that holds the scores of these weights
DTYPES = ("auto", "float32", "bfloat16", "float16")


class Opened(NamedTuple):
    """All of a checkpoint but its weights, which is enough to tell whether a question can be asked.

    Attributes:
        config: the model's configuration.
        processor: the processor, which fits it.
    """

    config: BioMedGPTConfig
    processor: BioMedGPTProcessor


def open_checkpoint(
    checkpoint: str | PathLike | None = None,
    device: str | torch.device | None = None,
    dtype: str = "auto",
    revision: str | None = None,
) -> Opened:
    """Read a checkpoint's configuration and processor, and check everything that `load` needs beside the weights.

    The last checkpoint is kept in memory. The arguments are those of `load`.

    Raises:
        OSError, ValueError: see `load`.
    """
    check_machine(device, dtype)
    return _open(str(checkpoint or mini_checkpoint()), revision)


def check_machine(device: str | torch.device | None, dtype: str) -> None:
    """Raise a ValueError where there is no such device, or a dtype is none of those that a model can be loaded in."""
    check_choice("dtype", dtype, DTYPES)
    check_device(device or best_device())


def load(
    checkpoint: str | PathLike | None = None,
    device: str | torch.device | None = None,
    dtype: str = "auto",
    revision: str | None = None,
) -> tuple[BioMedGPTForConditionalGeneration, BioMedGPTProcessor]:
    """Load a checkpoint's model, in evaluation mode, and its processor, and check that they fit together.

    The last checkpoint is kept in memory.

    Args:
        checkpoint: folder or Hub id; None is the embedded demonstration.
        device: where to run; None is the first of cuda, mps, cpu.
        dtype: "float32", "bfloat16", "float16", or "auto" for the precision that the checkpoint was saved in.
        revision: branch, tag or commit of a checkpoint on the Hub.

    Raises:
        OSError: if there is no such checkpoint.
        ValueError: if a file of the checkpoint cannot be used or files do not fit together, or there is no such dtype
            or device.
    """
    open_checkpoint(checkpoint, device, dtype, revision)
    return _load(str(checkpoint or mini_checkpoint()), str(device or best_device()), dtype, revision)


def forget() -> None:
    """Keep no checkpoint in memory: its folder may hold other weights now."""
    _open.cache_clear()
    _load.cache_clear()


@lru_cache(maxsize=1)
def _open(checkpoint: str, revision: str | None) -> Opened:
    config = find_config(checkpoint, revision)
    if config.model_type != "biomedgpt":
        raise ValueError(
            f"{checkpoint} is a {config.model_type!r}, not a BioMedGPT: `biomedgpt init` makes one of it and encoders. "
            "Without them, `biomedgpt predict` and `evaluate` ask it about items that are written out as text."
        )
    return Opened(config, load_processor(checkpoint, revision))


@lru_cache(maxsize=1)
def _load(
    checkpoint: str, device: str, dtype: str, revision: str | None
) -> tuple[BioMedGPTForConditionalGeneration, BioMedGPTProcessor]:
    processor = _open(checkpoint, revision).processor
    find_config(checkpoint, revision)  # the folder may have changed since it was opened
    model: Any = load_model(checkpoint, revision, dtype=dtype)
    processor.check_model(model.config)
    return ready(model, device, dtype), processor


def ready(model: Any, device: str | torch.device, dtype: str) -> Any:
    """Return a model that was loaded, in evaluation mode on its device.

    Args:
        model: on the CPU.
        device: where it is to run.
        dtype: what was asked for. "auto" becomes float32 where half precision is two orders of magnitude slower.
    """
    if dtype == "auto" and torch.device(device).type == "cpu" and model.dtype == torch.float16:
        model = model.float()
    return model.to(device).eval()


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Raise a ValueError unless a value is one of some choices."""
    if value not in choices:
        raise ValueError(f"{name} is {value!r}. Choose one of {', '.join(choices)}.")


def identify(checkpoint: str | PathLike | None, model: BioMedGPTForConditionalGeneration | None) -> dict[str, str]:
    """Return what tells one checkpoint from another: its name, and its commit (Hub) or digest (folder).

    The digest covers the small files and the beginning of each tensor, so not all weights are read. A copy of a folder
    has the same digest, and so has a folder that was trained or evaluated into: other checkpoints below it, notes of
    runs, scores and a calibration do not count, nor do scores in `config.json`.

    Args:
        checkpoint: as for `load`.
        model: what `load` returned for it; a folder is told without it.
    """
    folder = Path(checkpoint or mini_checkpoint())
    name = str(checkpoint or "mini")
    if not folder.is_dir():
        config = getattr(model, "config", None)
        return {"checkpoint": name, "commit": str(getattr(config, "_commit_hash", None))}
    digest = hashlib.sha256()
    for file in _own_files(folder):
        if file.suffix in (".json", ".jinja", ".model", ".txt"):
            digest.update(file.name.encode() + _content(file))
        elif file.suffix == ".safetensors":
            _add_tensors(digest, file)
    return {"checkpoint": name, "digest": digest.hexdigest()}


def weights_digest(checkpoint: str | PathLike, revision: str | None = None) -> str:
    """Return a digest of a checkpoint's weights alone, of the beginning of each tensor, whatever lies beside them.

    Args:
        checkpoint: folder or Hub id; of an adapter, its own weights are read.
        revision: branch, tag or commit on the Hub.

    Raises:
        OSError: there are no weights, or they cannot be read.
        InvalidCheckpointError: they are not in safetensors, or damaged.
    """
    name = str(checkpoint)
    adapter = find_file(name, ADAPTER_WEIGHTS[0], revision)
    digest = hashlib.sha256()
    for file in find_weights(name, revision=revision) if adapter is None else [adapter]:
        if file.suffix != ".safetensors":
            raise InvalidCheckpointError(f"{file} is no safetensors file. Save the checkpoint with `save_pretrained`.")
        with blamed_on(file):
            _add_tensors(digest, file)
    return digest.hexdigest()


def _add_tensors(digest: Any, file: Path) -> None:
    """Add the names and the beginning of all tensors of a file to a digest."""
    with safe_open(file, "pt") as tensors:
        for tensor in sorted(tensors.keys()):
            values = tensors.get_slice(tensor)
            sample = values[:ROWS_IN_DIGEST] if values.get_shape() else tensors.get_tensor(tensor)
            digest.update(tensor.encode() + sample.flatten().view(torch.uint8).numpy().tobytes())


def _own_files(folder: Path) -> list[Path]:
    """Return the files of a checkpoint: beside its weights, and in folders with settings of a part but no weights."""
    folders = [folder]
    for below in sorted(path for path in folder.iterdir() if path.is_dir()):
        if any(below.glob("*config.json")) and not any(below.glob("*.safetensors")):
            folders.append(below)
    files = (file for one in folders for file in sorted(one.iterdir()) if file.is_file())
    return [file for file in files if not any(file.match(name) for name in LEFT_BY_RUNS)]


def _content(file: Path) -> bytes:
    """Return what a file says; of a configuration without the scores that an evaluation wrote there."""
    content = file.read_bytes()
    if file.name != "config.json":
        return content
    told = json.loads(content)
    return json.dumps({name: value for name, value in told.items() if name != SCORES}, sort_keys=True).encode()
