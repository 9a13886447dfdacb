"""Exact answers: questions whose one right answer is a number, a formula, a yes or a no, such as MoleculeFacts'."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from biomedgpt_hf.evaluation.answers import Answered
from biomedgpt_hf.evaluation.metrics.set_overlap import f1_scores, overlap

TASK = "molecule_fact_"
GROUPS = f"{TASK}functional_groups"
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
FORMULA = re.compile(r"\b(?:[A-Z][a-z]?\d*)+(?:[+-]\d*)?(?![a-z])")
LISTED = re.compile(r"(?:, | and )(?=an? )")


def value_of(text: str, task: str) -> tuple[str, ...]:
    """Return what an answer says, without the words around it: its numbers, formula, or yes or no.

    Args:
        text: an answer to a question of MoleculeFacts, or another short answer.
        task: the kind of question.
    """
    if task.endswith("formula"):
        found = max(FORMULA.findall(text.removeprefix("The")), key=len, default="")
        return (found,)
    if numbers := NUMBER.findall(text):
        return tuple(str(float(number)) for number in numbers)
    first = re.match(r"\W*(yes|no)\b", text, re.IGNORECASE)
    return (first[1].lower(),) if first else (" ".join(text.lower().split()).rstrip("."),)


def groups_of(text: str) -> set[str]:
    """Return the functional groups that an answer lists."""
    listed = re.sub(r"^.*?\bcontains\b", "", text, flags=re.IGNORECASE | re.DOTALL).strip(" .")
    if re.fullmatch(r"none(?: of them)?", listed):
        return set()
    return {re.sub(r"^an? ", "", part.strip()).lower() for part in LISTED.split(listed) if part.strip()}


class ExactAnswers:
    """The share of exactly right answers, and the set-F1 of listed functional groups."""

    name = "exact_answers"
    description = "The share of answers with the right number, formula, or yes or no; set-F1 of functional groups."
    fails = "Words around the value are not looked at, so a right number in a wrong sentence counts as right."
    in_chunks = True

    def applies_to(self, row: Answered) -> bool:
        """Return whether the question has an exact answer."""
        return row.task.startswith(TASK)

    def statistics(self, rows: Sequence[Answered]) -> np.ndarray:
        """Return float64 [N, 5]: right answers, a one, then right, found and expected functional groups."""
        return np.array([self._row(row) for row in rows], dtype=float).reshape(len(rows), 5)

    @staticmethod
    def _row(row: Answered) -> tuple[float, ...]:
        if row.task == GROUPS:
            found, expected = groups_of(row.answer), groups_of(row.reference)
            return float(found == expected and bool(row.answer.strip())), 1.0, *overlap(found, expected)
        return float(value_of(row.answer, row.task) == value_of(row.reference, row.task)), 1.0, 0.0, 0.0, 0.0

    def scores(self, sums: np.ndarray) -> Mapping[str, np.ndarray]:
        """Return exact (the share of right answers) and group_f1, each [...]."""
        exact = sums[..., 0] / np.maximum(sums[..., 1], 1)
        return {"exact": exact, "group_f1": f1_scores(sums[..., 2:], "group")["group_f1"]}

    def versions(self) -> Mapping[str, Any]:
        """Return nothing: the rules stand here."""
        return {}
