"""Finding the sets of bits that are nearest to another one by Tanimoto similarity, without comparing it with each.

Most bits of fingerprints are rare. A set that is at least as similar as the k nearest found so far must have so many of
the asked bits that it cannot lack all of the rare ones: these few, short lists name the candidates, and only candidates
are compared in full. What is found is exact: the same sets, scores and order as by a comparison with every set.

Shape letters:  N known sets   V bits   P bits of all known sets together   F bits of one set   C candidates
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

from biomedgpt_hf.similarity.ranking import best
from biomedgpt_hf.similarity.scores import tanimoto

FIRST_SHARE = 16  # the rarest bits that are looked at first have at most N / 16 owners together
SEEDS = 4096  # candidates, at most, that tell how similar the k nearest are at the least
SPARE_SEEDS = 8  # candidates beyond the k that are wanted, since those with most rare bits need not be the nearest
MORE_BITS = 2  # bits looked at beyond those that are needed: each leaves out most of the candidates
ROUNDING = 1e-6  # bounds are relaxed by this, so that no candidate is lost to rounding


class NearestBits:
    """Known sets of bits, each bit with the list of the sets that have it.

    Make one with `NearestBits.of`, or out of its own tensors.

    Args:
        tensors: "owners" uint16 or int32 [P], the sets that have each bit, in order, bit after bit; "bit_sizes" int32
            [V], how many have it; "sizes" int32 [N], how many bits each set has.

    Attributes:
        sizes: see above.
        hidden: sets that are not found, bool [N]; at first none.

    Raises:
        ValueError: the tensors do not fit together.
    """

    def __init__(self, tensors: Mapping[str, np.ndarray]) -> None:
        self._owners, self._bit_sizes, self.sizes = tensors["owners"], tensors["bit_sizes"], tensors["sizes"]
        self._ends = np.cumsum(self._bit_sizes, dtype=np.int64)
        total, known = len(self._owners), len(self.sizes)
        fits = int(self.sizes.sum()) == int(self._bit_sizes.sum()) == total
        if not fits or (total and int(self._owners.max()) >= known):
            raise ValueError(f"{total:,} owners of bits do not fit the sizes of {known:,} sets")
        self.hidden = np.zeros(known, bool)

    @classmethod
    def of(cls, sets: Sequence[np.ndarray], bits: int) -> NearestBits:
        """Return the lists of some sets.

        Args:
            sets: N arrays of distinct unsigned integers below `bits` [F]; none is empty.
            bits: V, a multiple of 64.
        """
        sizes = np.array([len(one) for one in sets], np.int32)
        features = np.concatenate(sets) if len(sets) else np.empty(0, np.uint16)
        smallest = np.uint16 if len(sets) <= 2**16 else np.int32
        owners = np.repeat(np.arange(len(sets), dtype=smallest), sizes)[np.argsort(features, kind="stable")]
        bit_sizes = np.bincount(features, minlength=bits).astype(np.int32)
        return cls({"owners": owners, "bit_sizes": bit_sizes, "sizes": sizes})

    @property
    def tensors(self) -> dict[str, np.ndarray]:
        """The tensors out of which the lists can be made again."""
        return {"owners": self._owners, "bit_sizes": self._bit_sizes, "sizes": self.sizes}

    def nearest(self, asked: np.ndarray, k: int, left_out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the k known sets that are nearest to another one, of equally similar ones the first.

        Args:
            asked: its distinct bits, unsigned integers [F].
            k: largest number of sets; fewer are returned if fewer have a bit in common with it.
            left_out: the places of sets that do not count.

        Returns:
            their places and scores, the highest first, int64 and float64 [k].
        """
        if k < 1 or not len(self.sizes):
            return np.empty(0, np.int64), np.empty(0)
        rare_first = asked[np.argsort(self._bit_sizes[asked], kind="stable")]
        owners = np.cumsum(self._bit_sizes[rare_first])
        looked_at = max(1, int(np.searchsorted(owners, len(self.sizes) // FIRST_SHARE)))
        # A type that is large enough for every sum; smaller ones are counted several times as fast.
        shared: np.ndarray = np.zeros(len(self.sizes), np.uint8 if len(asked) < 256 else np.uint16)
        self._count(rare_first[:looked_at], shared)
        bound = self._kth_score(asked, shared, k, left_out)
        fewest = max(1, math.ceil(bound * len(asked) - ROUNDING))  # of the asked bits that a set must have
        needed = min(len(asked), len(asked) - fewest + 1 + MORE_BITS)
        self._count(rare_first[looked_at:needed], shared)
        unseen = len(asked) - max(looked_at, needed)
        candidates = np.flatnonzero(shared >= max(1, fewest - unseen))
        sizes = self.sizes[candidates]
        most = np.minimum(shared[candidates].astype(np.int32) + unseen, sizes)  # bits that may be shared
        candidates = candidates[most >= bound * (len(asked) + sizes - most) - ROUNDING]
        scores = self._scores(asked, candidates, left_out)
        chosen = best(scores, k)
        return candidates[chosen], scores[chosen]

    def _count(self, bits: np.ndarray, shared: np.ndarray) -> None:
        """Add to the counts [N] of each set how many of some bits it has."""
        if len(bits):
            lists = [self._owners[self._ends[bit] - self._bit_sizes[bit] : self._ends[bit]] for bit in bits]
            np.add.at(shared, np.concatenate(lists), shared.dtype.type(1))

    def _kth_score(self, asked: np.ndarray, shared: np.ndarray, k: int, left_out: np.ndarray) -> float:
        """Return a score that at least k sets reach, or 0: the k-th best of those that share most rare bits."""
        wanted = k + min(len(left_out), k) + SPARE_SEEDS
        level = max(1, int(shared.max()))
        seeds = np.flatnonzero(shared >= level)
        while len(seeds) < wanted and level > 1:
            level -= 1
            seeds = np.flatnonzero(shared >= level)
        scores = self._scores(asked, seeds[: max(SEEDS, wanted)], left_out)
        return float(np.partition(scores, -k)[-k]) if len(scores) >= k else 0.0

    def _scores(self, asked: np.ndarray, candidates: np.ndarray, left_out: np.ndarray) -> np.ndarray:
        """Return the similarity of some known sets in order, float64 [C]; 0 for those that are left out or hidden."""
        flags = np.zeros(len(self._bit_sizes), bool)
        flags[asked] = True
        common = self._packed[candidates] & np.packbits(flags, bitorder="little").view(np.uint64)
        counts = np.bitwise_count(common).sum(axis=1, dtype=np.int32)
        scores = tanimoto(counts, np.array(len(asked)), self.sizes[candidates])
        scores[self.hidden[candidates]] = 0
        if len(left_out) and len(candidates):
            places = np.minimum(np.searchsorted(candidates, left_out), len(candidates) - 1)
            scores[places[candidates[places] == left_out]] = 0
        return scores

    @cached_property
    def _packed(self) -> np.ndarray:
        """The bits of each known set, uint64 [N, V / 64]."""
        packed = np.zeros((len(self.sizes), len(self._bit_sizes) // 8), np.uint8)
        for bit, end in enumerate(self._ends):
            packed[self._owners[end - self._bit_sizes[bit] : end], bit // 8] |= np.uint8(1 << bit % 8)
        return packed.view(np.uint64)
