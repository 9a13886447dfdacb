"""The scores of multiple choice in the form of every metric, so that reports and comparisons take them alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from biomedgpt_hf.evaluation.answers import Answered
from biomedgpt_hf.evaluation.multiple_choice.statistics import ChoiceStatistics


class ChosenLabels:
    """The scores of multiple choice as a metric: its statistics are made by `tabulate_choices`."""

    name = "choices"
    description = "Accuracy, macro-F1, share without a choice, calibration, and risk against coverage, by protocol."
    fails = "A model may follow the letter and not the content: look at the shuffled orders, and at the majority row."
    in_chunks = False

    def __init__(self, statistics: ChoiceStatistics) -> None:
        self._statistics = statistics

    @classmethod
    def recorded(cls, entry: Mapping[str, Any]) -> ChosenLabels:
        """Return the metric as it was when results were written, good for scores out of kept statistics.

        Args:
            entry: what `versions` returned.
        """
        nothing = np.zeros((0, 0))
        told = ChoiceStatistics(nothing, tuple(entry["labels"]), entry["probabilities"], entry["ordered"])
        return cls(told)

    def applies_to(self, row: Answered) -> bool:
        """Return True: only choices are tabulated with it."""
        return True

    def statistics(self, rows: Sequence[Answered]) -> np.ndarray:
        """Return the statistics that it was made with."""
        return self._statistics.table

    def scores(self, sums: Any) -> Mapping[str, Any]:
        """Return the scores of `ChoiceStatistics`."""
        return self._statistics.scores(sums)

    def versions(self) -> Mapping[str, Any]:
        """Return the labels, and what the predictions tell."""
        told = self._statistics
        return {"labels": list(told.labels), "probabilities": told.has_probabilities, "ordered": told.has_confidence}
