"""Counting how many features sets have in common with each of many known sets.

`BitTable` counts features that are small numbers and that many of the sets have, such as the bits of
fingerprints; `Postings` counts any numbers, where most sets have nothing in common, such as 5-mers.

Shape letters:  N known sets   B sets that are asked about, a block of them   F features of one set
                V distinct features   P features of all known sets together
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Protocol, TypeAlias

import numpy as np
from scipy.sparse import csr_array

from biomedgpt_hf.similarity.hashing import distinct

CELLS = 2**18  # numbers in a block's table [B, N]. It then fits into a processor's cache
BYTES = 2**12  # bytes of a bit's row that are counted at a time. Each byte stands for eight known sets
FEATURES = 2**20  # features that are gathered and looked up at a time, which limits the memory
POSTINGS = 2**22  # postings that are counted at a time, which limits the memory if all sets are similar

Shared: TypeAlias = "np.ndarray | csr_array"  # the number of shared features, int32 [B, N]


class KnownSets(Protocol):
    """Known sets of features, prepared for comparison with others.

    Attributes:
        sizes: number of features of each set, int32 [N].
    """

    sizes: np.ndarray

    def count(self, sets: Iterable[np.ndarray]) -> Iterator[tuple[int, Shared]]:
        """Yield, block by block, the place of the block's first set and how many features are shared [B, N]."""


class BitTable:
    """Sets of small numbers. For each number, one bit for each set tells whether the set has it.

    Make one with `BitTable.of`, or out of its own tensors.

    Args:
        tensors: "table" uint8 [V, N / 8], the bits of eight sets in a byte, and "sizes" int32 [N].
    """

    def __init__(self, tensors: Mapping[str, np.ndarray]) -> None:
        self._table, self.sizes = tensors["table"], tensors["sizes"]

    @classmethod
    def of(cls, sets: Sequence[np.ndarray], bits: int) -> BitTable:
        """Return the table of some sets.

        Args:
            sets: N arrays of distinct unsigned integers below `bits` [F]; none is empty.
            bits: V.
        """
        table = np.empty((bits, -(-len(sets) // 8)), np.uint8)
        for start in range(0, table.shape[1], BYTES // 8):
            block = sets[8 * start : 8 * (start + BYTES // 8)]
            rows = np.zeros((bits, len(block)), bool)
            for number, features in enumerate(block):
                rows[features, number] = True
            table[:, start : start + BYTES // 8] = np.packbits(rows, axis=1)
        return cls({"table": table, "sizes": np.array([len(features) for features in sets], np.int32)})

    @property
    def tensors(self) -> dict[str, np.ndarray]:
        """The tensors out of which the table can be made again."""
        return {"table": self._table, "sizes": self.sizes}

    def count(self, sets: Iterable[np.ndarray]) -> Iterator[tuple[int, np.ndarray]]:
        """Yield blocks of at most `CELLS` numbers, or of one set; see `KnownSets.count`."""
        sets, known = list(sets), len(self.sizes)
        size = max(1, CELLS // max(1, known))
        for first in range(0, len(sets) if known else 0, size):
            block = sets[first : first + size]
            shared = np.empty((len(block), known), np.int32)
            for row, features in enumerate(block):
                smallest = np.uint8 if len(features) < 256 else np.uint16  # a type that is large enough for every sum
                for start in range(0, self._table.shape[1], BYTES):
                    bits = np.unpackbits(self._table[features, start : start + BYTES], axis=1)
                    to = shared[row, 8 * start : 8 * (start + BYTES)]
                    to[:] = np.add.reduce(bits, axis=0, dtype=smallest)[: len(to)]
            yield first, shared


class Postings:
    """Sets of any numbers. For each number, there is a list of the sets that have it.

    Make them with `Postings.of`, or out of their own tensors.

    Args:
        tensors: "features" uint64 [V], in order; "starts" [V + 1], where the sets of each begin in "owners"
            [P], int32 up to 2³¹ postings, then int64; "sizes" int32 [N].
    """

    def __init__(self, tensors: Mapping[str, np.ndarray]) -> None:
        self._features, self.sizes = tensors["features"], tensors["sizes"]
        shape = (len(self._features), len(self.sizes))
        ones = np.ones(len(tensors["owners"]), np.int8)
        self._sets = csr_array((ones, tensors["owners"], tensors["starts"]), shape=shape)

    @classmethod
    def of(cls, sets: Iterable[np.ndarray]) -> Postings:
        """Return the postings of some sets.

        Args:
            sets: N arrays of distinct numbers, uint64 [F]; none is empty. Memory holds a block of them at a time.
        """
        sizes: list[int] = []
        blocks: list[tuple[np.ndarray, np.ndarray]] = [(np.empty(0, np.uint64), np.empty(0, np.int32))]
        for block in _blocks(sets):
            sizes += map(len, block)
            features, columns = np.unique(np.concatenate(block), return_inverse=True)
            blocks.append((features, columns.astype(np.int32)))
        known = distinct(np.concatenate([features for features, _ in blocks]))
        # It is many times faster to look up distinct features in order than the features of each set.
        places = [np.searchsorted(known, features).astype(np.int32)[columns] for features, columns in blocks]
        by_feature = _incidence(np.concatenate(places), sizes, len(known), np.int8).tocsc()
        owners, starts = by_feature.indices, by_feature.indptr
        return cls({"features": known, "starts": starts, "owners": owners, "sizes": np.array(sizes, np.int32)})

    @property
    def tensors(self) -> dict[str, np.ndarray]:
        """The tensors out of which the postings can be made again."""
        starts, owners = self._sets.indptr, self._sets.indices
        return {"features": self._features, "starts": starts, "owners": owners, "sizes": self.sizes}

    def count(self, sets: Iterable[np.ndarray]) -> Iterator[tuple[int, csr_array]]:
        """Yield blocks of at most `POSTINGS` numbers, or of one set; see `KnownSets.count`."""
        before = 0
        for block in _blocks(sets):
            asked, known = self._look_up(block)
            # How many numbers the sets up to each one give.
            most = np.cumsum(asked @ np.diff(known.indptr).astype(np.int64))
            cuts = np.flatnonzero(np.diff(most // POSTINGS)) + 1
            for first, last in pairwise([0, *cuts.tolist(), len(block)]):
                yield before + first, asked[first:last] @ known
            before += len(block)

    def _look_up(self, block: Sequence[np.ndarray]) -> tuple[csr_array, csr_array]:
        """Return which known features each of a block has, and which known sets have these features."""
        features, columns = np.unique(np.concatenate(block), return_inverse=True)
        places = np.searchsorted(self._features, features)
        places[places == len(self._features)] = 0
        found = self._features[places] == features if len(self._features) else np.zeros(len(features), bool)
        kept = found[columns]
        rows = np.repeat(np.arange(len(block)), [len(features) for features in block])[kept]
        columns = (np.cumsum(found) - 1)[columns[kept]]
        asked = _incidence(columns, np.bincount(rows, minlength=len(block)), found.sum(), np.int32)
        return asked, self._sets[places[found]].astype(np.int32)


def _incidence(columns: np.ndarray, sizes: Sequence[int] | np.ndarray, width: int, dtype: type) -> csr_array:
    """Return a matrix of ones and zeros. `columns` names the places of the ones, row after row, `sizes` of each row.

    Like scipy, it uses small integers for the places as long as these are not too many.
    """
    starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    small = np.int32 if starts[-1] < 2**31 else np.int64
    ones: np.ndarray = np.ones(len(columns), dtype)
    return csr_array((ones, columns.astype(small, copy=False), starts.astype(small)), shape=(len(sizes), width))


def _blocks(sets: Iterable[np.ndarray]) -> Iterator[list[np.ndarray]]:
    """Gather sets into blocks until a block is full. A set with more features is a block of its own."""
    block: list[np.ndarray] = []
    filled = 0
    for features in sets:
        if block and filled + len(features) > FEATURES:
            yield block
            block, filled = [], 0
        block.append(features)
        filled += len(features)
    if block:
        yield block
