"""What a metric is: statistics of each row that add up, and scores out of their sums.

Adding up is what makes one piece of code give every score its interval, its paired test, and its values by task, by
similarity and by date (see `resampling`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from biomedgpt_hf.evaluation.answers import Answered


class Metric(Protocol):
    """One metric, in one file of this folder.

    Attributes:
        name: of the metric, such as "text".
        description: one sentence: what it measures.
        fails: one sentence: where it misleads.
        in_chunks: whether rows may be handed to it some at a time, in other processes too, which import its class. Not
            so where it has processes of its own.
    """

    name: str
    description: str
    fails: str
    in_chunks: bool

    def applies_to(self, row: Answered) -> bool:
        """Return whether the metric can score an answer; it looks at task, items and reference, not at the answer."""
        ...

    def statistics(self, rows: Sequence[Answered]) -> np.ndarray:
        """Return what the scores need of each row, float64 [N, K]."""
        ...

    def scores(self, sums: np.ndarray) -> Mapping[str, np.ndarray]:
        """Return the scores, each [...], out of statistics that are added up over rows, [..., K]."""
        ...

    def versions(self) -> Mapping[str, Any]:
        """Return what the scores depend on, as JSON values."""
        ...
