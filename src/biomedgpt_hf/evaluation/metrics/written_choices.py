"""Multiple choice in free text: which choice a written answer names, read as the protocol `generate_strict` reads it.

A set of multiple choice as a whole is put under the protocols of `evaluation.multiple_choice`. This is for such
questions among others, and while a model trains.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from biomedgpt_hf.evaluation.answers import Answered
from biomedgpt_hf.evaluation.multiple_choice.extractors import strict_choice
from biomedgpt_hf.sets.biomedical_qa.multiple_choice import labels, read_back


class WrittenChoices:
    """The share of questions whose right choice is named, and of those where none is."""

    name = "written_choices"
    description = "Accuracy of the choices that written answers name, and the share of answers that name none."
    fails = "A choice in other words than its letter or its text is not read, and counts as wrong."
    in_chunks = True

    def applies_to(self, row: Answered) -> bool:
        """Return whether the row is a question of multiple choice in one of the prompts of `sets.biomedical_qa`."""
        return read_back(row.question, row.reference) is not None

    def statistics(self, rows: Sequence[Answered]) -> np.ndarray:
        """Return float64 [N, 3]: right, no choice named, and a one."""
        return np.array([self._row(row) for row in rows], dtype=float).reshape(len(rows), 3)

    @staticmethod
    def _row(row: Answered) -> tuple[float, ...]:
        question = read_back(row.question, row.reference)
        if question is None:
            raise ValueError(f"Row {row.id!r} is no question of multiple choice.")
        chosen = strict_choice(row.answer, labels(question), question.choices)
        return float(chosen == question.answer_index), float(chosen is None), 1.0

    def scores(self, sums: np.ndarray) -> Mapping[str, np.ndarray]:
        """Return accuracy and na_rate, each [...]."""
        rows = np.maximum(sums[..., 2], 1)
        return {"accuracy": sums[..., 0] / rows, "na_rate": sums[..., 1] / rows}

    def versions(self) -> Mapping[str, Any]:
        """Return the protocol whose rules read the answers."""
        return {"protocol": "generate_strict"}
