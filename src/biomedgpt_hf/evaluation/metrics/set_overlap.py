"""Micro-averaged precision, recall and F1 of sets: what several metrics have in common."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Set

import numpy as np

WIDTH = 3  # found and right, found, expected


def overlap(found: Set[Hashable], expected: Set[Hashable]) -> tuple[int, int, int]:
    """Count what is found and right, what is found, and what is expected."""
    return len(found & expected), len(found), len(expected)


def f1_scores(sums: np.ndarray, prefix: str) -> Mapping[str, np.ndarray]:
    """Return precision, recall and F1, each [...], out of sums of `overlap`, [..., 3]; 0 where nothing is found."""
    right, found, expected = sums[..., 0], sums[..., 1], sums[..., 2]
    precision = right / np.maximum(found, 1)
    recall = right / np.maximum(expected, 1)
    f1 = 2 * right / np.maximum(found + expected, 1)
    return {f"{prefix}_precision": precision, f"{prefix}_recall": recall, f"{prefix}_f1": f1}
