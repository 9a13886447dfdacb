"""Writing a checkpoint folder shard by shard, whole or not at all, with a report of what was done."""

import json
import os
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.utils import logging

from biomedgpt_hf.conversion.checkpoint import SAFETENSORS_DTYPES, StoredTensor
from biomedgpt_hf.conversion.errors import ConversionError
from biomedgpt_hf.disk.replacing import write_json
from biomedgpt_hf.disk.space import missing_space

REPORT_NAME = "conversion.json"
UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


@dataclass(frozen=True)
class ConversionReport:
    """What a conversion did; the same is in `conversion.json` beside the checkpoint.

    Attributes:
        output: the folder that was written.
        kind: "biomedgpt", "graphmvp", "esm" or "language-model".
        parameters: of the model, by transformers' count (no statistics, tied weights once).
        dtypes: elements written of each data type, by the type's name.
        sources: name ("file"), "bytes" and "sha256" of every file read.
        dropped: key and reason of each tensor that has no home in the new model.
        added: key and description of each tensor that the source does not have.
        assumed: settings that neither a config nor a tensor's shape told, with their values.
        notes: what a person should know before using the folder.
    """

    output: Path
    kind: str
    parameters: int
    dtypes: dict[str, int]
    sources: list[dict[str, str | int]]
    dropped: dict[str, str] = field(default_factory=dict)
    added: dict[str, str] = field(default_factory=dict)
    assumed: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def save(self, folder: Path) -> None:
        content = asdict(self)
        del content["output"]  # the folder may be moved or published
        write_json(folder / REPORT_NAME, content, default=str)


@dataclass(frozen=True)
class NewTensor:
    """A tensor to write: pieces that follow one another along the first dimension, in one data type."""

    key: str
    pieces: tuple[StoredTensor | torch.Tensor, ...]
    dtype: torch.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        first = tuple(self.pieces[0].shape)
        return (sum(piece.shape[0] for piece in self.pieces), *first[1:]) if first else first

    @property
    def elements(self) -> int:
        return torch.Size(self.shape).numel()

    @property
    def nbytes(self) -> int:
        return self.elements * self.dtype.itemsize

    def chunks(self) -> Iterator[torch.Tensor]:
        """Its elements in row-major order and its data type.

        Raises:
            ConversionError: if a value is NaN or infinite, or becomes infinite in the new data type.
        """
        for piece in self.pieces:
            for chunk in piece.chunks() if isinstance(piece, StoredTensor) else [piece]:
                name = piece.name if isinstance(piece, StoredTensor) else self.key
                if not _finite(chunk):
                    raise ConversionError(f"{name} holds NaN or infinity: the checkpoint is damaged or diverged.")
                converted = chunk.to(self.dtype)
                if converted.dtype != chunk.dtype and not _finite(converted):
                    raise ConversionError(
                        f"{name} has values up to {chunk.abs().max().item():.3g}, beyond {self.dtype}'s range: "
                        "convert to bfloat16 or float32 instead."
                    )
                yield converted.contiguous()


def _finite(values: torch.Tensor) -> bool:
    return not values.dtype.is_floating_point or bool(torch.isfinite(values).all())


def write_weights(folder: Path, tensors: Sequence[NewTensor], max_shard_size: int | str = "5GB") -> None:
    """Write `model.safetensors`, or numbered shards with an index, a chunk of a tensor at a time.

    Raises:
        ConversionError: if the disk is too full, or a tensor is not finite.
    """
    total = sum(tensor.nbytes for tensor in tensors)
    if missing := missing_space(folder, total):
        raise ConversionError(
            f"The weights have no room: {missing}. Make space, or choose an --output on another disk."
        )
    shards = _shards(tensors, parse_size(max_shard_size))
    names = ["model.safetensors"]
    if len(shards) > 1:
        names = [f"model-{number:05d}-of-{len(shards):05d}.safetensors" for number in range(1, len(shards) + 1)]
    with logging.tqdm(total=total, unit="B", unit_scale=True, desc="Writing") as progress:
        for name, shard in zip(names, shards, strict=True):
            for count in _write_safetensors(folder / name, shard):
                progress.update(count)
    if len(shards) > 1:
        weight_map = {tensor.key: name for name, shard in zip(names, shards, strict=True) for tensor in shard}
        index = {
            "metadata": {"total_parameters": sum(tensor.elements for tensor in tensors), "total_size": total},
            "weight_map": dict(sorted(weight_map.items())),
        }
        write_json(folder / "model.safetensors.index.json", index)


def parse_size(size: int | str) -> int:
    """Bytes of `5GB`, `500 MiB` or a plain number."""
    match = re.fullmatch(r"\s*(\d+)\s*([a-zA-Z]*)\s*", str(size))
    if match is None or match.group(2).upper() not in UNITS or not int(match.group(1)):
        raise ConversionError(f"max_shard_size={size!r} is no size: give bytes, or a text like '5GB' or '500MB'.")
    return int(match.group(1)) * UNITS[match.group(2).upper()]


def _shards(tensors: Sequence[NewTensor], limit: int) -> list[list[NewTensor]]:
    """Tensors in order, cut before the limit is passed; a larger tensor gets its own shard."""
    shards: list[list[NewTensor]] = [[]]
    filled = 0
    for tensor in tensors:
        if shards[-1] and filled + tensor.nbytes > limit:
            shards.append([])
            filled = 0
        shards[-1].append(tensor)
        filled += tensor.nbytes
    return shards


def _write_safetensors(path: Path, tensors: Sequence[NewTensor]) -> Iterator[int]:
    """Write one file in the safetensors format, yielding the bytes of each step.

    The library's own writer takes whole tensors in memory; this one takes chunks. Wide types come first, so that every
    tensor is aligned.
    """
    codes = {dtype: code for code, dtype in SAFETENSORS_DTYPES.items()}
    ordered = sorted(tensors, key=lambda tensor: -tensor.dtype.itemsize)
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for tensor in ordered:
        offsets = [offset, offset + tensor.nbytes]
        header[tensor.key] = {"dtype": codes[tensor.dtype], "shape": list(tensor.shape), "data_offsets": offsets}
        offset = offsets[1]
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in ordered:
            for chunk in tensor.chunks():
                if chunk.numel():
                    data: Any = chunk.view(-1).view(torch.uint8).numpy()  # mypy knows no buffers in arrays
                    file.write(data)
                yield chunk.numel() * chunk.element_size()
        file.flush()
        os.fsync(file.fileno())


def make_report(
    output: str | Path, kind: str, model: PreTrainedModel, tensors: Sequence[NewTensor], **facts: Any
) -> ConversionReport:
    """Report whose counts follow from the model (on the meta device) and the tensors written."""
    dtypes = {str(dtype).removeprefix("torch."): count for dtype, count in count_elements(tensors).items()}
    return ConversionReport(Path(output), kind, model.num_parameters(), dtypes, **facts)


def count_elements(tensors: Sequence[NewTensor]) -> dict[torch.dtype, int]:
    """Elements of each data type."""
    counts: dict[torch.dtype, int] = {}
    for tensor in tensors:
        counts[tensor.dtype] = counts.get(tensor.dtype, 0) + tensor.elements
    return counts


def resolve_dtype(dtype: torch.dtype | str | None) -> torch.dtype | None:
    """`torch.bfloat16` of "bfloat16".

    Raises:
        ConversionError: if it is no floating-point type that checkpoints have.
    """
    if isinstance(dtype, str):
        resolved = getattr(torch, dtype.removeprefix("torch."), None)
    else:
        resolved = dtype
    if dtype is not None and resolved not in (torch.float32, torch.float16, torch.bfloat16, torch.float64):
        raise ConversionError(f"dtype={dtype!r} is none of float32, bfloat16, float16, float64.")
    return resolved


def save_around(folder: Path, model: PreTrainedModel, tensors: Sequence[NewTensor]) -> None:
    """Save all of a model but its weights: config, code, card, generation config.

    Args:
        folder: where the weights lie already.
        model: on the meta device; its `save_pretrained` is told to save no tensor.
        tensors: those written, for the config's data type: that of most elements.
    """
    counts = count_elements(tensors)
    model.to(max((dtype for dtype in counts if dtype.is_floating_point), key=lambda dtype: counts[dtype]))
    shows_progress = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # of no weights
    try:
        with TemporaryDirectory(dir=folder) as around:
            model.save_pretrained(around, state_dict={})
            for path in Path(around).iterdir():
                if path.suffix != ".safetensors":
                    path.rename(folder / path.name)
    finally:
        if shows_progress:
            logging.enable_progress_bar()
