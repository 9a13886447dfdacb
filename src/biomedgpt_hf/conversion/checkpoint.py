"""Opening checkpoints: what each file is, whether it is intact, and where its tensors lie.

Nothing is read into memory but names and shapes: a tensor's bytes are read when it is written elsewhere, some rows at
a time. Pickles are read by `torch.load(weights_only=True)` alone.
"""

import argparse
import hashlib
import json
import math
import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, cast

import torch
from transformers.utils.logging import tqdm

from biomedgpt_hf.conversion.errors import ConversionError
from biomedgpt_hf.conversion.files import SpannedFile, absent_names, natural_key, neighbour_name
from biomedgpt_hf.conversion.parts import LOCAL_HEADER, archive_records, is_whole_archive, order_parts

CHUNK = 4 << 20  # bytes of a tensor in memory at once
LEGACY_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # torch.save before 1.6: not a zip
SAFETENSORS_DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
    "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip
WRAPPERS = ("model", "state_dict", "model_state_dict")


@dataclass(frozen=True)
class StoredTensor:
    """A tensor that stays on disk until its chunks are read.

    Attributes:
        name: file and key, for messages.
        file: where its bytes are; None for the old torch format, whose tensors are in `data`.
        offset: of its first element in the file, in bytes.
        stride: in elements; other than row-major for tensors that were saved transposed.
    """

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    file: SpannedFile | None = None
    offset: int = 0
    stride: tuple[int, ...] | None = None
    data: torch.Tensor | None = None

    def first_rows(self, count: int) -> "StoredTensor":
        """Return the same tensor cut to its first rows."""
        shape = (count, *self.shape[1:])
        return replace(self, shape=shape, data=None if self.data is None else self.data[:count])

    def chunks(self) -> Iterator[torch.Tensor]:
        """Its elements in row-major order, [rows, elements of a row], a few rows at a time."""
        width = math.prod(self.shape[1:])
        rows = self.shape[0] if self.shape else 1
        step = max(1, CHUNK // max(1, width * self.dtype.itemsize))
        if self.data is not None:
            for start in range(0, rows, step):
                yield self.data.reshape(rows, width)[start : start + step]
        elif self.file is not None and self.stride is not None:
            extent = 1 + sum((size - 1) * stride for size, stride in zip(self.shape, self.stride, strict=True))
            yield self._read(self.file, 0, extent).as_strided(self.shape, self.stride).reshape(rows, width)
        elif self.file is not None:
            for start in range(0, rows, step):
                count = min(step, rows - start)
                yield self._read(self.file, start * width, count * width).view(count, width)

    def tensor(self) -> torch.Tensor:
        """All of it in memory: for small tensors."""
        return torch.cat(list(self.chunks())).reshape(self.shape)

    def _read(self, file: SpannedFile, first: int, count: int) -> torch.Tensor:
        buffer = bytearray(count * self.dtype.itemsize)
        file.seek(self.offset + first * self.dtype.itemsize)
        if file.readinto(buffer) != len(buffer):
            raise ConversionError(f"{self.name} is cut off: the file is truncated. Download it again.")
        return torch.frombuffer(buffer, dtype=self.dtype)


@dataclass
class Checkpoint:
    """The tensors of one or several files, by key, with what else was found.

    Attributes:
        extra: entries beside the state dict of a wrapped one, such as `cfg`.
        sources: name, bytes and SHA-256 of each file.
        opened: the files to close at the end.
        absent_parts: names that the given files' numbering leaves out, to be mentioned if something is missing.
    """

    tensors: dict[str, StoredTensor] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    sources: list[dict[str, str | int]] = field(default_factory=list)
    opened: list[SpannedFile] = field(default_factory=list)
    absent_parts: list[str] = field(default_factory=list)

    @property
    def names(self) -> str:
        return ", ".join(str(source["file"]) for source in self.sources)

    def __enter__(self) -> "Checkpoint":
        return self

    def __exit__(self, *error: object) -> None:
        for file in self.opened:
            file.close()


def open_checkpoint(files: str | Path | Iterable[str | Path]) -> Checkpoint:
    """Open a checkpoint given as one file, several files with some keys each, or the byte pieces of one file.

    Reads every file once, for its SHA-256 and, in torch's zip format, for the CRC-32 of each record.

    Args:
        files: .pth, .pt, .bin or .safetensors, or parts under any name, in any order.

    Raises:
        FileNotFoundError: if a file does not exist or is a folder.
        ConversionError: if a file is empty, truncated, damaged, foreign, or holds more than tensors; if a part is
            missing; if two files hold the same key.
    """
    paths = [Path(files)] if isinstance(files, str | Path) else [Path(file) for file in files]
    kinds = {path: _kind(path) for path in _checked(paths)}
    checkpoint = Checkpoint()
    pieces = [path for path, kind in kinds.items() if kind == "piece"]
    try:
        if pieces:
            _check_pieces(pieces, kinds)
            if "old torch" in kinds.values():  # no directory to tell the order: names must
                pieces = sorted(kinds, key=lambda path: (kinds[path] != "old torch", natural_key(path)))
                kinds = {}
                _add(checkpoint, SpannedFile(pieces), "old torch")
            else:
                _add(checkpoint, order_parts(pieces), "torch")
        for path, kind in kinds.items():
            if kind != "piece":
                _add(checkpoint, SpannedFile([path]), kind)
        checkpoint.absent_parts = absent_names(paths)
    except BaseException:
        checkpoint.__exit__()
        raise
    return checkpoint


def _checked(paths: list[Path]) -> list[Path]:
    if not paths:
        raise ConversionError("No checkpoint file was given.")
    for path in paths:
        if path.is_dir():
            raise FileNotFoundError(f"{path} is a folder: give the checkpoint files in it.")
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist.")
        if path.stat().st_size == 0:
            raise ConversionError(f"{path.name} is empty: download it again.")
    resolved = [path.resolve() for path in paths]
    for path in paths:
        if resolved.count(path.resolve()) > 1:
            raise ConversionError(f"{path.name} is given twice.")
    return paths


def _kind(path: Path) -> str:
    """Return what a file is: "torch", "old torch", "safetensors", or else "piece"."""
    with SpannedFile([path]) as file:
        start = file.read_at(0, 64)
        if start.startswith(LEGACY_MAGIC):
            return "old torch"
        if start.startswith(LOCAL_HEADER):
            return "torch" if is_whole_archive(file) else "piece"
        length = struct.unpack_from("<Q", start.ljust(8, b"\0"))[0]
        if start[8:9] == b"{" and length < 100 << 20:
            return "safetensors"
    return "piece"


def _check_pieces(pieces: list[Path], kinds: dict[Path, str]) -> None:
    """Names files that cannot be pieces, and a lone piece."""
    for path in pieces:
        with path.open("rb") as file:
            start = file.read(64)
        foreign = {
            b"version https://git-lfs": "is a Git LFS pointer, not the file: run `git lfs pull`",
            b"<": "is a web page, so the download failed: download it again",
            b"{": "is JSON, not weights",
            b"\x80": "is a bare pickle, which can run code when it is read: save it by torch.save or as safetensors",
            b"\x89HDF": "is an HDF5 file: convert it to safetensors first",
        }
        for magic, reason in foreign.items():
            if start.startswith(magic) and len(pieces) == 1:
                raise ConversionError(f"{path.name} {reason}.")
    if len(pieces) == 1 and "old torch" not in kinds.values():
        path = pieces[0]
        with path.open("rb") as file:
            whole_start = file.read(4) == LOCAL_HEADER
        guess = neighbour_name(path, 1 if whole_start else -1)
        reason = (
            "is truncated or damaged, or only the first part of a file that was split"
            if whole_start
            else "is no checkpoint that torch.save or safetensors wrote, or a later part of a file that was split"
        )
        raise ConversionError(
            f"{path.name} {reason}: download it again, or give all parts{f' ({guess}, …)' if guess else ''}."
        )


def _add(checkpoint: Checkpoint, file: SpannedFile, kind: str) -> None:
    """Verify a file and add its tensors."""
    checkpoint.opened.append(file)
    label = " + ".join(path.name for path in file.paths(0, file.size))
    digests = _verify(file, archive_records(file) if kind == "torch" else [])
    for path, digest in digests.items():
        checkpoint.sources.append({"file": path.name, "bytes": path.stat().st_size, "sha256": digest})
    if kind == "safetensors":
        tensors = _safetensors_entries(file, label)
    else:
        tensors, extra = _torch_entries(file, label, on_disk=kind == "torch")
        checkpoint.extra.update(extra)
    for key, tensor in tensors.items():
        if key in checkpoint.tensors:
            raise ConversionError(f"{key} is in two files: {checkpoint.tensors[key].name} and {tensor.name}.")
        checkpoint.tensors[key] = tensor


def _verify(file: SpannedFile, records: list[tuple[int, int, int]]) -> dict[Path, str]:
    """SHA-256 of each part; compares the CRC-32 of each record on the way.

    Torch writes 0 for a CRC that it was told not to compute.
    """
    digests = {path: hashlib.sha256() for path in file.paths(0, file.size)}
    remaining = iter(sorted(records))
    record, crc = next(remaining, None), 0
    with tqdm(total=file.size, unit="B", unit_scale=True, desc="Verifying") as progress:
        for path, offset, block in file.blocks():
            digests[path].update(block)
            end = offset + len(block)
            while record is not None and record[0] < end:
                crc = zlib.crc32(block[max(0, record[0] - offset) : record[1] - offset], crc)
                if record[1] > end:
                    break
                if crc != record[2] and record[2]:
                    damaged = " or ".join(part.name for part in file.paths(record[0], record[1]))
                    raise ConversionError(
                        f"{damaged} is damaged: bytes {record[0]:,} to {record[1]:,} do not match their checksum. "
                        "Download it again."
                    )
                record, crc = next(remaining, None), 0
            progress.update(len(block))
    return {path: digest.hexdigest() for path, digest in digests.items()}


def _safetensors_entries(file: SpannedFile, label: str) -> dict[str, StoredTensor]:
    """Tensors by key, from the file's header (https://github.com/huggingface/safetensors, "Format")."""
    length = struct.unpack("<Q", file.read_at(0, 8))[0]
    try:
        header = json.loads(file.read_at(8, length))
    except (ValueError, RecursionError) as error:
        raise ConversionError(f"{label} is truncated or damaged: its header is not JSON ({error}).") from None
    if not isinstance(header, dict):
        raise ConversionError(f"{label} is damaged: its header is no JSON object. Download it again.")
    header.pop("__metadata__", None)
    for key, entry in header.items():
        if not _is_whole_entry(entry):
            raise ConversionError(
                f"{label} is damaged: its header does not say where {key!r} is and how large. Download it again."
            )
    entries = {}
    expected = 8 + length + max((entry["data_offsets"][1] for entry in header.values()), default=0)
    if file.size != expected:
        raise ConversionError(
            f"{label} is truncated or damaged: it has {file.size:,} bytes and its header speaks of {expected:,}. "
            "Download it again."
        )
    for key, entry in header.items():
        if entry["dtype"] not in SAFETENSORS_DTYPES:
            raise ConversionError(f"{key} in {label} is {entry['dtype']}: only plain floats and integers are known.")
        offset = 8 + length + entry["data_offsets"][0]
        dtype = SAFETENSORS_DTYPES[entry["dtype"]]
        entries[key] = StoredTensor(f"{key} in {label}", tuple(entry["shape"]), dtype, file, offset)
    return entries


def _is_whole_entry(entry: Any) -> bool:
    """Whether an entry of a safetensors header has the type, the shape and the place of a tensor, which agree."""
    if not isinstance(entry, dict) or not isinstance(entry.get("dtype"), str):
        return False
    shape, place = numbers = [entry.get("shape", ()), entry.get("data_offsets", ())]
    if not all(isinstance(part, list) and all(type(value) is int and value >= 0 for value in part) for part in numbers):
        return False
    dtype = SAFETENSORS_DTYPES.get(entry["dtype"])
    return len(place) == 2 and (dtype is None or math.prod(shape) * dtype.itemsize == place[1] - place[0])


def _torch_entries(file: SpannedFile, label: str, on_disk: bool) -> tuple[dict[str, StoredTensor], dict[str, Any]]:
    """Tensors by key and what lay beside the state dict.

    In the zip format, `torch.load` to the meta device reads no data and tells each storage's place in the file.
    """
    file.seek(0)
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):  # fair-esm's settings
            content = torch.load(cast(IO[bytes], file), map_location="meta" if on_disk else "cpu", weights_only=True)
    except Exception as error:  # whatever torch raises, the file is at fault
        found = re.search(r"GLOBAL ([\w.]+)", str(error))
        if found:
            raise ConversionError(
                f"{label} holds {found.group(1)}, which is no tensor and could run code when it is read: save its "
                "state_dict alone."
            ) from None
        raise ConversionError(f"{label} is truncated or damaged: torch cannot read it.") from error
    state, extra = _unwrap(content, label)
    entries = {}
    for key, value in state.items():
        if not isinstance(value, torch.Tensor) or value.layout != torch.strided:
            raise ConversionError(f"{key!r} in {label} is {type(value).__name__}, not a dense tensor.")
        name, shape, value = f"{key} in {label}", tuple(value.shape), value.detach()
        if on_disk:
            offset = _place_in_file(value) + int(value.storage_offset()) * value.dtype.itemsize
            stride = None if value.is_contiguous() else value.stride()
            entries[key] = StoredTensor(name, shape, value.dtype, file, offset, stride)
        else:
            entries[key] = StoredTensor(name, shape, value.dtype, data=value)
    return entries, extra


def _place_in_file(tensor: torch.Tensor) -> int:
    """Where a storage begins (https://docs.pytorch.org/docs/stable/notes/serialization.html)."""
    offset = getattr(tensor.untyped_storage(), "_checkpoint_offset", None)
    if offset is None:
        raise ConversionError(
            f"torch {torch.__version__} does not tell where tensors lie in a file: use torch 2.13, or convert the "
            "checkpoint to safetensors first."
        )
    return offset


def _unwrap(content: object, label: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the state dict, which may lie under "model" or "state_dict", and the entries beside it."""
    if not isinstance(content, dict):
        raise ConversionError(f"{label} holds a {type(content).__name__}, not a state dict.")
    for key in WRAPPERS:
        if isinstance(content.get(key), dict):
            return content[key], {name: value for name, value in content.items() if name != key}
    return content, {}
