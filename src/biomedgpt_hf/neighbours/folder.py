"""Writing and opening the folder of an index.

INDEX/index.json              what it was built from and how: sources, settings, versions, counts, checksums
INDEX/items.parquet           the items with their texts, molecules first
INDEX/molecules.safetensors   what molecules are compared by, see `similarity.molecules`
INDEX/proteins.safetensors    what proteins are compared by, see `similarity.proteins` or `similarity.embeddings`
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from biomedgpt_hf.disk.checksums import sha256_of
from biomedgpt_hf.disk.parquet import ParquetWriter
from biomedgpt_hf.disk.replacing import write_json
from biomedgpt_hf.neighbours.known_items import KnownItem, Text

FORMAT, VERSION = "biomedgpt_hf nearest known items", 2
MANIFEST, ITEMS = "index.json", "items.parquet"
TENSORS = {"molecule": "molecules.safetensors", "protein": "proteins.safetensors"}
ITEMS_PER_GROUP = 256  # rows in a row group of items.parquet, which is read for one hit
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("modality", "item", "id", "source", "license")),
        ("texts", pa.list_(pa.struct([(name, pa.string()) for name in Text._fields]))),
    ]
)


class NeighbourIndexError(ValueError):
    """A folder that is not an index, is not complete, or cannot be read by this version.

    Attributes:
        path: the folder or a file in it.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} {reason}")
        self.path = path


def write_items(path: Path, items: Sequence[KnownItem]) -> None:
    """Write the items in their order."""
    with ParquetWriter(path, SCHEMA, compression="zstd") as file:
        for start in range(0, len(items), ITEMS_PER_GROUP):
            rows = [_to_row(one) for one in items[start : start + ITEMS_PER_GROUP]]
            file.write_table(pa.Table.from_pylist(rows, schema=SCHEMA))


def _to_row(known: KnownItem) -> dict[str, Any]:
    return {
        "modality": known.modality,
        "item": known.item,
        "id": known.id,
        "source": ", ".join(known.sources),
        "license": " AND ".join(known.licenses),  # how SPDX joins licences that all apply
        "texts": [text._asdict() for text in known.texts],
    }


def write_manifest(folder: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Write `index.json` with the size and checksum of each file beside it, and return its content."""
    files = {path.name: {"bytes": path.stat().st_size, "sha256": sha256_of(path)} for path in sorted(folder.iterdir())}
    manifest = {"format": FORMAT, "version": VERSION, **facts, "files": files}
    write_json(folder / MANIFEST, manifest)
    return manifest


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the content of `index.json`, with the sha256 of that file, which identifies the whole index.

    Raises:
        OSError: the folder is missing.
        NeighbourIndexError: it is not an index, has another version, or a file is missing or has another size.
    """
    path = folder / MANIFEST
    if not folder.exists():
        raise FileNotFoundError(f"{folder}: there is no such folder.")
    if not path.is_file():
        raise NeighbourIndexError(folder, f"is not an index: it has no {MANIFEST}. `biomedgpt data index` builds one.")
    try:
        manifest = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise NeighbourIndexError(path, f"cannot be read ({error}). Build the index again.") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise NeighbourIndexError(folder, f"is not an index of {FORMAT}. `biomedgpt data index` builds one.")
    if manifest.get("version") != VERSION:
        found = manifest.get("version")
        raise NeighbourIndexError(folder, f"has version {found}, but this program reads {VERSION}. Build it again.")
    _check_files(folder, manifest)
    return {**manifest, "sha256": sha256_of(path)}


def _check_files(folder: Path, manifest: Mapping[str, Any]) -> None:
    try:
        sizes = {folder / name: int(file["bytes"]) for name, file in manifest["files"].items()}
        known = {"counts", "measures", "settings", "sources", "splits", "created"} <= manifest.keys()
    except (KeyError, TypeError, ValueError, AttributeError):
        known = False
    if not known or folder / ITEMS not in sizes:
        raise NeighbourIndexError(folder / MANIFEST, "is not complete. Build the index again.")
    for path, size in sizes.items():
        if not path.is_file():
            raise NeighbourIndexError(path, "is missing. Build the index again, or copy the whole folder.")
        if path.stat().st_size != size:
            found = f"{path.stat().st_size:,} bytes, but was written with {size:,}"
            raise NeighbourIndexError(path, f"has {found}. Build the index again, or copy the whole folder.")


class ItemFile:
    """The file `items.parquet`. Only the row groups of found items are read.

    Args:
        path: the file.

    Raises:
        NeighbourIndexError: the file is corrupt.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._errors():
            self._metadata = pq.read_metadata(path)

    def read(self, positions: Iterable[int]) -> dict[int, dict[str, Any]]:
        """Return the rows at these positions. Only the row groups around them are read.

        Raises:
            NeighbourIndexError: the file is corrupt.
        """
        rows: dict[int, dict[str, Any]] = {}
        wanted = sorted(set(positions))
        with self._errors(), pq.ParquetFile(self._path, metadata=self._metadata) as file:
            size = self._metadata.row_group(0).num_rows  # the size of all row groups but the last
            for group, chosen in groupby(wanted, key=lambda position: position // size):
                table = file.read_row_group(group)
                for position in chosen:
                    rows[position] = table.slice(position % size, 1).to_pylist()[0]
        return rows

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, OSError, IndexError) as error:
            reason = " ".join(str(error).split())
            raise NeighbourIndexError(self._path, f"cannot be read ({reason}). Build the index again.") from error
