"""Comparing a set's splits for one kind of item, as a stream. `leakage_report` writes the report.

Shape letters:  N distinct keys held out   S of them in the sample   V values of a row group
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from biomedgpt_hf.disk.workers import map_in_order
from biomedgpt_hf.rows.row_items import ItemBlock, read_item_blocks
from biomedgpt_hf.similarity.hashing import digest
from biomedgpt_hf.similarity.kinds import ComparedKind
from biomedgpt_hf.similarity.nearest import nearest_of
from biomedgpt_hf.similarity.shared_features import KnownSets


class SplitItems(NamedTuple):
    """The files of a split, and how its items are read.

    Attributes:
        files: its Parquet files, in order.
        kind: the kind of item that is compared.
        seed: salt of the keys' digests, whose order chooses the sample.
        processes: worker processes.
        tell: called with the number of further items that were read.
    """

    files: Sequence[Path]
    kind: ComparedKind
    seed: int
    processes: int
    tell: Callable[[int], object]


class HeldOut(NamedTuple):
    """The held-out items, prepared for the search.

    Attributes:
        keys: digests of the distinct keys, uint64 [N], in order. The first S are the sample.
        numbers: for each key, the number of the first item with it in its split, int64 [N].
        outlines: the distinct outlines of the items, uint64, in order.
        sample: the features of the first S items.
        unreadable: how many items have no key.
    """

    keys: np.ndarray
    numbers: np.ndarray
    outlines: np.ndarray
    sample: KnownSets
    unreadable: int


class FoundItems(NamedTuple):
    """What was found of a `HeldOut` in another part.

    Attributes:
        same: for each key, the number of the first item of the part that has it too, or -1, int64 [N].
        scores: for each item of the sample, the highest similarity, float64 [S]; 1 where `same` has an item.
        nearest: number of the first item of the part with this similarity, or -1, int64 [S].
    """

    same: np.ndarray
    scores: np.ndarray
    nearest: np.ndarray


class _Values(NamedTuple):
    """The distinct values of a row group [V], the first number of each, and how often each occurs."""

    values: list[str]
    numbers: np.ndarray
    counts: list[int]


def read_held_out(part: SplitItems, sample: int) -> HeldOut:
    """Read a split that is held out. Memory keeps 24 bytes of each distinct value."""
    work = partial(_identify, kind=part.kind, seed=part.seed)
    found = list(map_in_order(work, _read_values(part), part.processes))
    table = np.concatenate([np.empty((3, 0), np.uint64), *(columns for columns, _ in found)], axis=1)
    keys, first = np.unique(table[0], return_index=True)
    numbers = table[1, first].astype(np.int64)
    chosen = pick_items(part, numbers[:sample])
    features = [part.kind.features(part.kind.read(chosen[number][0])) for number in numbers[:sample].tolist()]
    unreadable = sum(missed for _, missed in found)
    return HeldOut(keys, numbers, np.unique(table[2]), part.kind.known(features), unreadable)


def find_in(part: SplitItems, sides: Sequence[HeldOut]) -> tuple[list[FoundItems], int]:
    """Search another part for the held-out items. The part is read once.

    Returns:
        What was found of each held-out split, and how many items of the part are unreadable.
    """
    results = [
        FoundItems(np.full(len(side.keys), -1), np.zeros(len(side.sample.sizes)), np.full(len(side.sample.sizes), -1))
        for side in sides
    ]
    unreadable = 0
    work = partial(_match, kind=part.kind, seed=part.seed, sides=sides)
    for matches, missed in map_in_order(work, _read_values(part), part.processes):
        unreadable += missed
        for result, (places, numbers, scores, nearest) in zip(results, matches, strict=True):
            new = result.same[places] < 0
            # In reverse order: where several are written to one place, the last one stays, which is the first item.
            result.same[places[new][::-1]] = numbers[new][::-1]
            better = scores > result.scores
            result.scores[better], result.nearest[better] = scores[better], nearest[better]
    for result in results:
        exact = result.same[: len(result.scores)] >= 0
        result.scores[exact] = 1
    return results, unreadable


def pick_items(part: SplitItems, numbers: Sequence[int] | np.ndarray) -> dict[int, tuple[str, str]]:
    """Return (value, id of its row) of the items with these numbers."""
    wanted = np.unique(np.array(numbers, dtype=np.int64))
    items = {}
    for block in read_item_blocks(part.files, part.kind.name) if len(wanted) else ():
        first, last = np.searchsorted(wanted, [block.start, block.start + len(block.values)])
        for number in wanted[first:last].tolist():
            items[number] = block.values[number - block.start], block.ids[number - block.start].as_py()
    return items


def _read_values(part: SplitItems) -> Iterator[_Values]:
    for block in read_item_blocks(part.files, part.kind.name):
        part.tell(len(block.values))
        yield _distinct(block)


def _distinct(block: ItemBlock) -> _Values:
    counts = Counter(block.values)  # in the order of first occurrence
    first: dict[str, int] = {}
    for number, value in enumerate(block.values, block.start):
        first.setdefault(value, number)
    return _Values(list(counts), np.array(list(first.values())), list(counts.values()))


def _identify(block: _Values, kind: ComparedKind, seed: int) -> tuple[np.ndarray, int]:
    """Return keys' digests, numbers and outlines, uint64 [3, V], and how many items are unreadable."""
    rows, unreadable = [], 0
    for value, number, count in zip(*block, strict=True):
        item = kind.read(value)
        if item is None:
            unreadable += count
        else:
            rows.append((_key_digest(kind, value, seed), number, kind.outline(item)))
    return np.array(rows, dtype=np.uint64).reshape(-1, 3).T, unreadable


def _match(
    block: _Values, kind: ComparedKind, seed: int, sides: Sequence[HeldOut]
) -> tuple[list[tuple[Any, ...]], int]:
    """Search a row group for the items of each held-out split.

    Returns:
        For each held-out split: places of the found keys, numbers of the items that have them, and for each item of
        the sample its highest score and the number of the item that has it. Then how many items are unreadable.
    """
    read = [kind.read(value) for value in block.values]
    places = [place for place, item in enumerate(read) if item is not None]
    unreadable = sum(count for count, item in zip(block.counts, read, strict=True) if item is None)
    numbers = np.append(block.numbers[places], -1)  # -1 stands for nothing found, as in an empty row group
    outlines = np.array([kind.outline(read[place]) for place in places], dtype=np.uint64)
    features = [kind.features(read[place]) for place in places]
    alike = np.flatnonzero(np.logical_or.reduce([_find(side.outlines, outlines)[0] for side in sides]))
    keys = np.array([_key_digest(kind, block.values[places[place]], seed) for place in alike], dtype=np.uint64)
    matches = []
    for side in sides:
        known, at = _find(side.keys, keys)
        scores, which = nearest_of(features, side.sample, kind.score)
        matches.append((at[known], numbers[alike[known]], scores, numbers[which]))
    return matches, unreadable


def _key_digest(kind: ComparedKind, value: str, seed: int) -> int:
    return digest(f"{seed}\n{kind.key(value)}")


def _find(ordered: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which numbers are in an ordered array, and where they are or would be."""
    places = np.searchsorted(ordered, wanted)
    return ordered[np.minimum(places, len(ordered) - 1)] == wanted, places
