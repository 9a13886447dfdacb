"""The order of known items in a result."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

SAME = 2.0  # the score of items that come before all that are only similar


class Hit(NamedTuple):
    """A known item that was found.

    Attributes:
        position: its number among the known items of its modality, from 0.
        similarity: above 0, at most 1.
        same: whether it is the item that was looked for.
        identical: whether it is that in every respect, of a molecule also stereo, charges and salts.
    """

    position: int
    similarity: float
    same: bool
    identical: bool = False


def best(scores: np.ndarray, k: int, tie_break: np.ndarray | None = None) -> np.ndarray:
    """Return the places of the k highest scores above 0, the highest first.

    Args:
        scores: float [C].
        k: largest number of places.
        tie_break: float [C]. Of equal scores, the one with the higher value here comes first, then the first place.
    """
    found = np.flatnonzero(scores > 0)
    if len(found) > k:
        found = found[scores[found] >= np.partition(scores[found], -k)[-k]]
    ties = np.zeros(len(scores)) if tie_break is None else tie_break
    return found[np.lexsort([found, -ties[found], -scores[found]])][:k]


def to_hits(places: np.ndarray, scores: np.ndarray, positions: np.ndarray | None = None) -> list[Hit]:
    """Return the hits at `places` of `scores`, where what is the same is identical.

    Their positions are the places, unless positions are given.
    """
    chosen = places if positions is None else positions[places]
    return [
        Hit(position, min(score, 1.0), score >= SAME, score >= SAME)
        for position, score in zip(chosen.tolist(), scores[places].tolist(), strict=True)
    ]
