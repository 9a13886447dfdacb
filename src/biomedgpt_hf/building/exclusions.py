"""What a set must not hold: the molecules and proteins of other files, such as a benchmark's."""

from __future__ import annotations

import logging
from array import array
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from biomedgpt_hf.building.exclusion_sources import Candidate, read_candidates
from biomedgpt_hf.disk.workers import map_in_order
from biomedgpt_hf.files.items.molecule_lists import Structure, molecule_text
from biomedgpt_hf.files.records import RejectedRecord
from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.files.uniprot.formats import parse_entry
from biomedgpt_hf.similarity.hashing import digest
from biomedgpt_hf.similarity.structure_key import structure_key

CHUNK = 500  # candidates read together
PENDING = 2**20  # digests gathered before repeated ones among them are dropped

logger = logging.getLogger(__name__)


class ExcludedKeys:
    """A set of keys that can be asked `key in keys`; 8 bytes for each.

    Digests of 64 bits stand for the keys: of ten million, one in a million millions of other keys is
    taken for one of them.

    Attributes:
        unreadable: how many molecules and proteins could not be read, and so exclude nothing.
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
    """What a chunk of candidates gave: digests of keys, number of unreadable ones, the first one's line and why."""

    digests: array[int]
    unreadable: int
    first: tuple[int, RejectedRecord] | None


def excluded_keys(paths: Iterable[Path], *, processes: int = 1) -> ExcludedKeys:
    """Return the keys of all molecules and proteins in some files; see `exclusion_sources` for what they may be.

    The keys are those of `records.Example`. What cannot be read is counted and told in a warning.

    Args:
        paths: files, or folders of sets built here.
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
    for keys in map_in_order(_read_keys, chunks, processes):
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
        detail = f"line {first[0]}: {_in_words(first[1])}" if first else "it has none"
        raise SourceError(path, 0, "nothing to exclude", f"holds no molecule or protein that can be read ({detail}).")
    if first:
        line, problem = first
        logger.warning(
            "%s: %d of %d molecules and proteins cannot be read and exclude nothing. The first: line %d, %s",
            *(path, unreadable, read, line, _in_words(problem)),
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
    """Return the key of a candidate.

    Raises:
        RejectedRecord: it cannot be read.
    """
    if candidate.problem:
        raise candidate.problem
    content = candidate.content
    if candidate.kind == "molecule":
        try:
            return structure_key(molecule_text(content) if isinstance(content, Structure) else content.strip())
        except ValueError as error:
            raise RejectedRecord("unreadable molecule", str(error)) from error
    sequence = parse_entry(content).sequence if candidate.kind == "entry" else content
    sequence = "".join(sequence.split()).upper().removesuffix("*")
    if not (sequence.isascii() and sequence.isalpha()):
        raise RejectedRecord("not a protein sequence", repr(sequence[:60]))
    return sequence


def _in_words(problem: RejectedRecord) -> str:
    return f"{problem.reason}: {problem.detail}" if problem.detail else problem.reason
