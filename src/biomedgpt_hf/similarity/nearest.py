"""Finding, among any number of sets of features in a stream, the one that is nearest to each known set.

Shape letters:  N known sets   B sets that stream by, a block of them
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.sparse import csr_array

from biomedgpt_hf.similarity.scores import Score
from biomedgpt_hf.similarity.shared_features import KnownSets


def nearest_of(sets: Iterable[np.ndarray], known: KnownSets, score: Score) -> tuple[np.ndarray, np.ndarray]:
    """Return for each known set its highest score among `sets`, and the first of them with that score.

    Returns:
        scores, float64 [N], 0 where nothing is shared, and places in `sets`, int64 [N].
    """
    sets = list(sets)
    sizes = np.array([len(features) for features in sets], np.int32)
    scores = np.zeros(len(known.sizes))
    which = np.zeros(len(known.sizes), dtype=np.int64)
    for start, shared in known.count(sets):
        best = _best_of_few if isinstance(shared, csr_array) else _best_of_all
        found, rows, highest = best(shared, sizes[start : start + shared.shape[0]], known.sizes, score)
        better = highest > scores[found]
        scores[found[better]], which[found[better]] = highest[better], rows[better] + start
    return scores, which


Best = tuple[np.ndarray, np.ndarray, np.ndarray]  # known sets, the row of a block that is nearest to each, its score


def _best_of_all(shared: np.ndarray, asked: np.ndarray, known: np.ndarray, score: Score) -> Best:
    # The winners are found with 32 bits, which is five times as fast. Their scores are computed with 64 bits.
    table = score(shared.astype(np.float32), asked[:, None].astype(np.float32), known.astype(np.float32))
    rows, every = table.argmax(axis=0), np.arange(len(known))
    return every, rows, score(shared[rows, every], asked[rows], known)


def _best_of_few(shared: csr_array, asked: np.ndarray, known: np.ndarray, score: Score) -> Best:
    by_known = shared.tocsc()  # in the order of known sets, and of rows for each of them
    found = np.flatnonzero(np.diff(by_known.indptr))
    if not len(found):
        return found, found, np.zeros(0)
    starts, counts = by_known.indptr[found], np.diff(by_known.indptr)[found]
    scores = score(by_known.data, asked[by_known.indices], np.repeat(known[found], counts))
    highest = np.maximum.reduceat(scores, starts)
    winners = np.flatnonzero(scores == np.repeat(highest, counts))
    first = winners[np.searchsorted(winners, starts)]
    return found, by_known.indices[first], highest
