"""Fact-F1 of captions: the classes, roles and relatives that an answer states, against those of its reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

import numpy as np

from biomedgpt_hf.chemistry.caption_statements import Statement, statements
from biomedgpt_hf.evaluation.answers import Answered
from biomedgpt_hf.evaluation.metrics.set_overlap import f1_scores, overlap
from biomedgpt_hf.evaluation.ontology import Ontology

GRADED = ("class", "role")  # relations whose names stand in the ontology's hierarchy


class CaptionFacts:
    """Set-F1 of what captions state.

    Args:
        ontology: gives a class above the right one (or below it) credit in part: 1 / (1 + steps between them). It adds
            the scores graded_fact_precision, graded_fact_recall and graded_fact_f1.
    """

    name = "caption_facts"
    description = "Micro-F1 of (relation, name) pairs: classes, roles and relatives that answer and reference state."
    fails = "It knows ChEBI-20's wording only, takes the reference for complete, and compares names, not meanings."
    in_chunks = True

    def __init__(self, ontology: Ontology | None = None) -> None:
        self._ontology = ontology

    def applies_to(self, row: Answered) -> bool:
        """Return whether the reference of a molecule states something."""
        return bool(row.items.get("molecule")) and bool(statements(row.reference))

    def statistics(self, rows: Sequence[Answered]) -> np.ndarray:
        """Return counts of right, found and expected statements, and with an ontology the credits for both sides."""
        table = np.zeros((len(rows), 5))
        for place, row in enumerate(rows):
            found, expected = statements(row.answer), statements(row.reference)
            table[place, :3] = overlap(found, expected)
            if self._ontology is not None:
                table[place, 3:] = self._credit(found, expected), self._credit(expected, found)
        return table

    def _credit(self, given: Set[Statement], compared: Set[Statement]) -> float:
        """Return the sum of the best credits of the given statements among those they are compared with."""
        return sum(max((self._alike(one, other) for other in compared), default=0.0) for one in given)

    def _alike(self, one: Statement, other: Statement) -> float:
        if one == other:
            return 1.0
        if self._ontology is None or one.relation != other.relation or one.relation not in GRADED:
            return 0.0
        steps = [
            self._ontology.steps_up(low).get(high) for low, high in ((one.name, other.name), (other.name, one.name))
        ]
        known = [number for number in steps if number is not None]
        return 1 / (1 + min(known)) if known else 0.0

    def scores(self, sums: np.ndarray) -> Mapping[str, np.ndarray]:
        """Return fact_precision, fact_recall and fact_f1, and the graded ones where there is an ontology."""
        found = dict(f1_scores(sums[..., :3], "fact"))
        if self._ontology is not None:
            precision = sums[..., 3] / np.maximum(sums[..., 1], 1)
            recall = sums[..., 4] / np.maximum(sums[..., 2], 1)
            f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-300)
            found |= {"graded_fact_precision": precision, "graded_fact_recall": recall, "graded_fact_f1": f1}
        return found

    def versions(self) -> Mapping[str, Any]:
        """Return the number of names in the ontology."""
        return {"ontology_names": len(self._ontology) if self._ontology is not None else None}
