"""Similarity of two sets of features, by the number that they share and the number that each has."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Score = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]  # shared, of the one asked about, of the known one


def tanimoto(shared: np.ndarray, asked: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return shared features / features of either. Chemists call it Tanimoto similarity, others Jaccard's."""
    return shared / (asked + known - shared)


def containment(shared: np.ndarray, asked: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the share of the smaller set that is in the larger one."""
    return shared / np.minimum(asked, known)


def coverage(shared: np.ndarray, asked: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the share of the known set that is in the other one."""
    return shared / known
