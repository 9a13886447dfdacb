"""Writing and opening the folder of an index.

INDEX/index.json              what it was built from and how: sources, settings, versions, counts, checksums
INDEX/items.zip               the items with their texts, molecules first: JSON Lines, some items in each member
INDEX/molecules.safetensors   what molecules are compared by, see `similarity.molecules`
INDEX/proteins.safetensors    what proteins are compared by, see `similarity.proteins` or `similarity.embeddings`
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from biomedgpt_hf.disk.checksums import sha256_of
from biomedgpt_hf.disk.replacing import write_json

if TYPE_CHECKING:
    from biomedgpt_hf.neighbours.known_items import KnownItem

FORMAT, VERSION = "biomedgpt_hf nearest known items", 3
MANIFEST, ITEMS = "index.json", "items.zip"
TENSORS = {"molecule": "molecules.safetensors", "protein": "proteins.safetensors"}
ITEMS_PER_MEMBER = 64  # items that are read for one hit. Another number makes another version of the format
MEMBERS_KEPT = 32  # members that memory holds after they were read


class NeighbourIndexError(ValueError):
    """A folder that is not an index, is not complete, or cannot be read by this version.

    Attributes:
        path: the folder or a file in it.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} {reason}")
        self.path = path


def write_items(path: Path, items: Sequence[KnownItem], names: Mapping[str, str]) -> None:
    """Write the items in their order, each with its name where there is one."""
    with zipfile.ZipFile(path, "w") as file:
        for start in range(0, len(items), ITEMS_PER_MEMBER):
            rows = [_to_row(one, names) for one in items[start : start + ITEMS_PER_MEMBER]]
            lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            member = zipfile.ZipInfo(_member(start))  # of no date: the same items make the same file
            text = lines.encode("utf-8", "surrogatepass")
            file.writestr(member, text, compress_type=zipfile.ZIP_DEFLATED, compresslevel=9)


def _member(start: int) -> str:
    return f"{start}.jsonl"


def _to_row(known: KnownItem, names: Mapping[str, str]) -> dict[str, Any]:
    id, name = _name_of(known.ids, names) or (next(iter(known.ids)), "")
    return {
        "modality": known.modality,
        "item": known.item,
        "id": id,
        "name": name,
        "source": ", ".join(known.sources),
        "license": " AND ".join(known.licenses),  # how SPDX joins licences that all apply
        "texts": list(known.texts),
    }


def _name_of(ids: Iterable[str], names: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the first of some ids that has a name, and the name; None if none has one.

    The id of a row may end in its task, and in the kind of its source, as P12345:names:SGD does.
    """
    for one in ids:
        parts = one.split(":")
        for known_as in (":".join(parts[:end]) for end in range(len(parts), 0, -1)):
            if found := names.get(known_as):
                return known_as, found
    return None


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
    """The file `items.zip`. Only the members of found items are read.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines = lru_cache(MEMBERS_KEPT)(self._read_member)

    def read(self, positions: Iterable[int]) -> dict[int, dict[str, Any]]:
        """Return the rows at these positions.

        Raises:
            NeighbourIndexError: the file is corrupt.
        """
        try:
            return {
                place: json.loads(self._lines(place // ITEMS_PER_MEMBER)[place % ITEMS_PER_MEMBER])
                for place in positions
            }
        except (zipfile.BadZipFile, zlib.error, KeyError, IndexError, ValueError, EOFError, OSError) as error:
            reason = " ".join(str(error).split())
            raise NeighbourIndexError(self._path, f"cannot be read ({reason}). Build the index again.") from error

    def _read_member(self, number: int) -> list[str]:
        return self._file.read(_member(number * ITEMS_PER_MEMBER)).decode("utf-8", "surrogatepass").split("\n")

    @cached_property
    def _file(self) -> zipfile.ZipFile:
        return zipfile.ZipFile(self._path)
