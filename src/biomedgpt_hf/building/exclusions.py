"""The items that a set must not contain, such as those of a benchmark."""

from __future__ import annotations

import logging
from array import array
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from biomedgpt_hf.building.exclusion_sources import ENTRY, Candidate, read_candidates
from biomedgpt_hf.disk.workers import map_in_order
from biomedgpt_hf.files.items.cells import item_key
from biomedgpt_hf.files.items.molecule_lists import Structure, molecule_text
from biomedgpt_hf.files.items.residues import clean_sequence
from biomedgpt_hf.files.records import RejectedRecord
from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.files.uniprot.formats import parse_entry
from biomedgpt_hf.modalities import MODALITIES, MOLECULE, PROTEIN, KnowingModalities, item_columns
from biomedgpt_hf.similarity.hashing import digest
from biomedgpt_hf.similarity.structure_key import structure_key

CHUNK = 500  # candidates that are read together
PENDING = 2**20  # digests that are gathered before repeated ones are removed

logger = logging.getLogger(__name__)


class ExcludedKeys:
    """A set of keys for `key in keys`. Each key takes 8 bytes.

    Digests of 64 bits stand for the keys. With ten million keys, one in a million millions of other keys is
    mistaken for one of them.

    Attributes:
        unreadable: how many items could not be read, so that they exclude nothing.
    """

    def __init__(self) -> None:
        self.unreadable = 0
        self._digests = np.array([], dtype=np.uint64)

    def __len__(self) -> int:
        return len(self._digests)

    def __contains__(self, key: str) -> bool:
        wanted = np.uint64(digest(key))
        place = self._digests.searchsorted(wanted)
        return bool(place < len(self._digests) and self._digests[place] == wanted)

    def add_digests(self, digests: array[int]) -> None:
        """Add keys by their digests (type code "Q")."""
        self._digests = np.union1d(self._digests, np.frombuffer(digests, dtype=np.uint64))


class _Keys(NamedTuple):
    """The result of a chunk of candidates: digests, number of unreadable ones, and line and reason of the first."""

    digests: array[int]
    unreadable: int
    first: tuple[int, RejectedRecord] | None


def excluded_keys(paths: Iterable[Path], *, processes: int = 1) -> ExcludedKeys:
    """Return the keys of all items in some files (see `exclusion_sources` for the formats).

    The keys are those of `examples.Example`. Items that cannot be read are counted and reported in a warning.

    Args:
        paths: files, or folders of data sets of this package.
        processes: worker processes.

    Raises:
        OSError: a file is missing or unreadable.
        SourceError: a file is empty, truncated, corrupt, of an unknown format, or gives no key.
    """
    excluded = ExcludedKeys()
    for path in map(Path, paths):
        _add_file(path, excluded, processes)
    return excluded


def _add_file(path: Path, excluded: ExcludedKeys, processes: int) -> None:
    candidates = read_candidates(path)
    chunks = iter(lambda: list(islice(candidates, CHUNK)), [])
    pending, read, unreadable, first = array("Q"), 0, 0, None
    for keys in map_in_order(KnowingModalities(_read_keys), chunks, processes):
        pending.extend(keys.digests)
        read += len(keys.digests) + keys.unreadable
        unreadable += keys.unreadable
        first = first or keys.first
        if len(pending) >= PENDING:
            excluded.add_digests(pending)
            pending = array("Q")
    excluded.add_digests(pending)
    excluded.unreadable += unreadable
    if read == unreadable:
        detail = f"line {first[0]}: {first[1].in_words}" if first else "it has none"
        wanted = " or ".join(MODALITIES)
        raise SourceError(path, 0, "nothing to exclude", f"holds no {wanted} that can be read ({detail}).")
    if first:
        line, problem = first
        logger.warning(
            "%s: %d of %d %s cannot be read and exclude nothing. The first: line %d, %s",
            *(path, unreadable, read, " and ".join(item_columns().values()), line, problem.in_words),
        )


def _read_keys(candidates: list[Candidate]) -> _Keys:
    digests, unreadable, first = array("Q"), 0, None
    for candidate in candidates:
        try:
            digests.append(digest(_key(candidate)))
        except RejectedRecord as problem:
            unreadable += 1
            first = first or (candidate.line, problem)
    return _Keys(digests, unreadable, first)


def _key(candidate: Candidate) -> str:
    """Return the key of a candidate. For a modality without a rule of its own, it is the item's text.

    Raises:
        RejectedRecord: it cannot be read.
    """
    if candidate.problem:
        raise candidate.problem
    if candidate.kind in KEYS:
        return KEYS[candidate.kind](candidate.content)
    return item_key(candidate.content, candidate.kind)


def _molecule_key(content: str | Structure) -> str:
    try:
        return structure_key(molecule_text(content) if isinstance(content, Structure) else content.strip())
    except ValueError as error:
        raise RejectedRecord("unreadable molecule", str(error)) from error


KEYS: Mapping[str, Callable[[Any], str]] = {
    MOLECULE.name: _molecule_key,
    PROTEIN.name: clean_sequence,
    ENTRY: lambda content: clean_sequence(parse_entry(content).sequence),
}
