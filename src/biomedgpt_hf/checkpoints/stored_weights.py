"""Which weight files a checkpoint has, and the shapes that they hold, without reading the weights."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open

from biomedgpt_hf.checkpoints.faults import AGAIN, InvalidCheckpointError, blamed_on, in_words, read_json_object
from biomedgpt_hf.checkpoints.finding import find_file

SAFETENSORS, TORCH = "model.safetensors", "pytorch_model.bin"


class StoredWeights(NamedTuple):
    """The tensors of a checkpoint, by name.

    Attributes:
        files: where they lie; the first one is named in messages.
        shapes: of the tensors.
        bytes: size of the files.
    """

    files: list[Path]
    shapes: dict[str, tuple[int, ...]]
    bytes: int

    @property
    def elements(self) -> int:
        """Number of elements of all tensors."""
        return sum(map(math.prod, self.shapes.values()))


def find_weights(
    checkpoint: str, declared: Any = None, revision: str | None = None, variant: str | None = None, **hub: Any
) -> list[Path]:
    """Return a checkpoint's weight files, in the order in which transformers looks for them.

    Args:
        checkpoint: folder or Hub id.
        declared: `transformers_weights` of its configuration, the name of a weight file.
        revision: branch, tag or commit on the Hub.
        variant: part of the files' names, see transformers.
        hub: further options of `cached_file`.

    Raises:
        OSError: if there are none.
        InvalidCheckpointError: if an index is broken, or names a file that does not lie beside it.
    """
    names = [_with_variant(name, variant) for name in (SAFETENSORS, TORCH)]
    if declared is not None:
        if not isinstance(declared, str) or not is_plain_name(declared) or not declared.endswith(".safetensors"):
            raise InvalidCheckpointError(
                f"The config.json of {checkpoint} names {declared!r} as its transformers_weights, which is no "
                f".safetensors file beside it. {AGAIN}"
            )
        names = [declared]
    for name in names:
        if (file := find_file(checkpoint, name, revision, **hub)) is not None:
            return [file]
        index = find_file(checkpoint, f"{name}.index.json", revision, **hub)
        if index is not None:
            shards = [(shard, find_file(checkpoint, shard, revision, **hub)) for shard in shard_names(index)]
            if missing := [shard for shard, file in shards if file is None]:
                raise FileNotFoundError(f"{index} names {missing[0]!r}, which is not there. {AGAIN}")
            return [file for _, file in shards if file is not None]
    raise FileNotFoundError(f"{checkpoint} has no weights: {names[0]} does not exist in it. {AGAIN}")


def _with_variant(name: str, variant: str | None) -> str:
    stem, dot, suffix = name.rpartition(".")
    return f"{stem}.{variant}{dot}{suffix}" if variant else name


def shard_names(index: Path) -> list[str]:
    """Return the names of the files that an index of weights spreads over.

    Raises:
        InvalidCheckpointError: if it is broken, or names a file that does not lie beside it.
    """
    content = read_json_object(index)
    if not isinstance(content.get("metadata"), dict):
        raise InvalidCheckpointError(f"{index} has no metadata, or none that is an object. {AGAIN}")
    places = content.get("weight_map")
    if not isinstance(places, Mapping) or not places:
        raise InvalidCheckpointError(f"{index} has no weight_map that says where the tensors are. {AGAIN}")
    for tensor, name in places.items():
        if not isinstance(name, str) or not is_plain_name(name):
            raise InvalidCheckpointError(
                f"{index} says that {tensor!r} is in {name!r}, which is no name of a file beside it: files elsewhere "
                "are not read."
            )
    return sorted(set(places.values()))


def is_plain_name(name: str) -> bool:
    """Whether a name is that of a file in the same folder."""
    return name not in ("", ".", "..") and not set(name) & set("/\\:\0")


def stored_weights(files: list[Path]) -> StoredWeights:
    """Return the shapes in weight files: of safetensors by their headers, of torch's by their directory.

    Raises:
        OSError: if a file is damaged.
        InvalidCheckpointError: if a file holds more than tensors.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for file in files:
        shapes |= _header(file) if file.suffix == ".safetensors" else _torch_shapes(file)
    return StoredWeights(files, shapes, sum(file.stat().st_size for file in files))


def _header(file: Path) -> dict[str, tuple[int, ...]]:
    try:
        with safe_open(file, "pt") as tensors:
            return {name: tuple(tensors.get_slice(name).get_shape()) for name in tensors.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, OverflowError, ValueError) as error:
        raise OSError(
            f"The weights in {file} are damaged or cut off ({in_words(error)}): copy or download the checkpoint again."
        ) from error


def _torch_shapes(file: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes in a file of torch's, which is a pickle: tensors alone are read, and nothing is run."""
    if zipfile.is_zipfile(file):
        with blamed_on(file), zipfile.ZipFile(file) as archive:
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                raise InvalidCheckpointError(f"{file} is compressed, as torch.save writes nothing. {AGAIN}")
    try:
        content = torch.load(file, map_location="meta", weights_only=True)
    except Exception as error:  # torch's own text tells how to switch the safety off
        raise InvalidCheckpointError(
            f"{file} is damaged, or a pickle of more than tensors, which could run code and is not read: take a "
            "checkpoint in safetensors."
        ) from error
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise InvalidCheckpointError(f"{file} holds something else than tensors by name. {AGAIN}")
    return {str(name): tuple(tensor.shape) for name, tensor in content.items()}
