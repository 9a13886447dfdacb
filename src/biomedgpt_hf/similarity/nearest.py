"""Which of a few thousand sets of features each comes nearest to another one, of any number that stream by.

Shape letters:  S indexed sets   B sets that stream by, a block of them   F features of one set
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np

CELLS = 2**18  # of a block's [B, S] table: what a processor's cache holds
POSTINGS = 2**22  # looked up at once; bounds the memory where all sets are alike

Score = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def tanimoto(shared: np.ndarray, passing: np.ndarray, indexed: np.ndarray) -> np.ndarray:
    """Return shared features / features of either, from the numbers shared and of each of the two sets."""
    return shared / (passing + indexed - shared)


def containment(shared: np.ndarray, passing: np.ndarray, indexed: np.ndarray) -> np.ndarray:
    """Return the share of the smaller set that is in the larger one."""
    return shared / np.minimum(passing, indexed)


def coverage(shared: np.ndarray, passing: np.ndarray, indexed: np.ndarray) -> np.ndarray:
    """Return the share of the indexed set that is in the other one."""
    return shared / indexed


class SetIndex:
    """Sets of features, ready to be compared with others by the number of features they share.

    It remembers, for each feature, in which sets it is.

    Args:
        sets: S arrays of distinct features, uint64 [F]; none is empty.
        score: `tanimoto`, `containment` or `coverage`.
    """

    def __init__(self, sets: Sequence[np.ndarray], score: Score) -> None:
        self._keep(sets, score)
        features = np.concatenate([*sets, np.array([], np.uint64)])
        owners = np.repeat(np.arange(len(sets), dtype=np.int32), self.sizes)
        order = np.argsort(features, kind="stable")
        self._owners = owners[order]
        self._features, self._starts, self._counts = np.unique(features[order], return_index=True, return_counts=True)

    def _keep(self, sets: Sequence[np.ndarray], score: Score) -> None:
        self.sizes = np.array([len(features) for features in sets], dtype=np.int64)
        self.score = score
        self._block = max(1, CELLS // max(1, len(sets)))

    def best(self, sets: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Return for each indexed set its highest score among `sets` and which of them has it, the first if several.

        Returns:
            scores, float64 [S], 0 where nothing is shared, and positions in `sets`, int64 [S].
        """
        scores = np.zeros(len(self.sizes))
        which = np.zeros(len(self.sizes), dtype=np.int64)
        sizes = np.array([len(features) for features in sets])
        for start, shared in self._shared(sets):
            passing = sizes[start : start + len(shared), None]
            # 32 bits to find the winners, five times as fast, and 64 for their scores.
            table = self.score(shared.astype(np.float32), passing.astype(np.float32), self.sizes.astype(np.float32))
            better = np.flatnonzero(table.max(axis=0) > scores.astype(np.float32))
            winners = table[:, better].argmax(axis=0)
            scores[better] = self.score(shared[winners, better], passing[winners, 0], self.sizes[better])
            which[better] = winners + start
        return scores, which

    def _shared(self, sets: Sequence[np.ndarray]) -> Iterator[tuple[int, np.ndarray]]:
        """Yield blocks (position of the first set, number of features shared with each indexed set [B, S])."""
        if not sets or not len(self.sizes):
            return
        features = np.concatenate(sets)
        rows = np.repeat(np.arange(len(sets)), [len(set_) for set_ in sets])
        # A search in order stays in the processor's cache: four times as fast.
        order = np.argsort(features)
        places = np.empty_like(order)
        places[order] = np.searchsorted(self._features, features[order])
        places[places == len(self._features)] = 0
        known = self._features[places] == features
        places, rows = places[known], rows[known]
        postings = np.bincount(rows, self._counts[places], minlength=len(sets)).cumsum()
        many = np.flatnonzero(np.diff(postings // POSTINGS)) + 1
        starts = np.union1d(many, np.arange(0, len(sets), self._block)).astype(int).tolist()
        for first, last in pairwise([*starts, len(sets)]):
            chosen = slice(*np.searchsorted(rows, [first, last]))
            yield first, self._count(places[chosen], rows[chosen] - first, last - first)

    def _count(self, places: np.ndarray, rows: np.ndarray, size: int) -> np.ndarray:
        """Count for each row how many of its features are in each indexed set, int64 [size, S]."""
        counts = self._counts[places]
        ends = counts.cumsum()
        postings = np.arange(ends[-1] if len(ends) else 0)
        postings += np.repeat(self._starts[places] - (ends - counts), counts)
        cells = np.repeat(rows * len(self.sizes), counts) + self._owners[postings]
        return np.bincount(cells, minlength=size * len(self.sizes)).reshape(size, len(self.sizes))


class BitIndex(SetIndex):
    """The same for features that are small numbers, such as a fingerprint's bits, and in many of the sets each.

    Args:
        sets: S arrays of distinct bits, uint64 [F]; none is empty.
        score: see `SetIndex`.
        size: number of bits.
    """

    def __init__(self, sets: Sequence[np.ndarray], score: Score, size: int) -> None:
        self._keep(sets, score)
        self._table = np.zeros((size, len(sets)), dtype=np.uint8)
        for number, bits in enumerate(sets):
            self._table[bits.astype(np.int64), number] = 1

    def _shared(self, sets: Sequence[np.ndarray]) -> Iterator[tuple[int, np.ndarray]]:
        for start in range(0, len(sets), self._block):
            block = sets[start : start + self._block]
            shared = np.empty((len(block), len(self.sizes)), dtype=np.int32)
            for row, bits in enumerate(block):
                smallest = np.uint8 if len(bits) < 256 else np.uint16  # the type that no sum leaves
                shared[row] = np.add.reduce(self._table[bits.astype(np.int64)], axis=0, dtype=smallest)
            yield start, shared
