"""Names of molecules; names, families and places of proteins: exact match, containment and set-F1 of what is listed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from biomedgpt_hf.evaluation.answers import Answered
from biomedgpt_hf.evaluation.metrics.set_overlap import f1_scores, overlap
from biomedgpt_hf.similarity.words import plain_words

TASKS = ("protein_names", "protein_family", "protein_location", "protein_membrane", "molecule_iupac_name")
LIST_MARKS = re.compile(r"[;.,](?=\s|$)|\bAlso known as\b|\bBelongs to the\b", re.IGNORECASE)
EC_NUMBER = re.compile(r"\(?\bEC \d+(?:\.[\dn-]+)*[);]*", re.IGNORECASE)


@lru_cache(maxsize=4096)
def listed_names(text: str) -> frozenset[str]:
    """Return what a text lists, each name in plain words; EC numbers are no names."""
    parts = LIST_MARKS.split(EC_NUMBER.sub(" ", text))
    return frozenset(plain_words(part) for part in parts if re.search(r"\w", part))


class ListedNames:
    """How many of the listed names, families or places are right."""

    name = "listed_names"
    description = "Exact match, containment of the whole reference, and set-F1 of names, families and places."
    fails = "A synonym that the entry does not list counts as wrong; a comma inside a name cuts it for both sides."
    in_chunks = True

    def applies_to(self, row: Answered) -> bool:
        """Return whether the question asks for names, a family, places, or whether the protein is in a membrane."""
        return row.task in TASKS and bool(listed_names(row.reference))

    def statistics(self, rows: Sequence[Answered]) -> np.ndarray:
        """Return float64 [N, 6]: right, found and expected names, exact, contained, and a one."""
        return np.array([self._row(row) for row in rows], dtype=float).reshape(len(rows), 6)

    @staticmethod
    def _row(row: Answered) -> tuple[float, ...]:
        found, expected = listed_names(row.answer), listed_names(row.reference)
        answer, reference = f" {plain_words(row.answer)} ", plain_words(row.reference)
        contained = all(f" {name} " in answer for name in expected)
        return (*overlap(found, expected), float(answer.strip() == reference), float(contained), 1.0)

    def scores(self, sums: np.ndarray) -> Mapping[str, np.ndarray]:
        """Return name_precision, name_recall, name_f1, exact_match and containment, each [...]."""
        rows = np.maximum(sums[..., 5], 1)
        shares = {"exact_match": sums[..., 3] / rows, "containment": sums[..., 4] / rows}
        return {**f1_scores(sums[..., :3], "name"), **shares}

    def versions(self) -> Mapping[str, Any]:
        """Return nothing: the rules stand here."""
        return {}
