"""Contradiction rate: how much of what answers claim of a molecule its structure refutes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from rdkit import Chem

from biomedgpt_hf.chemistry.claims import RULES, claims_of
from biomedgpt_hf.evaluation.answers import Answered
from biomedgpt_hf.similarity.structure_key import read_molecule


class Contradictions:
    """The share of checkable claims that RDKit refutes, in answers, and in references for comparison."""

    name = "contradictions"
    description = "The share of checkable claims (groups, rings, elements, charge, formula) that the structure refutes."
    fails = "It never proves a claim, and an answer that claims nothing is never refuted: read it with claims_checked."
    in_chunks = True

    def applies_to(self, row: Answered) -> bool:
        """Return whether one molecule is asked about, which RDKit can read."""
        molecules = row.items.get("molecule", ())
        return len(molecules) == 1 and not row.items.keys() - {"molecule"} and _molecule(molecules[0]) is not None

    def statistics(self, rows: Sequence[Answered]) -> np.ndarray:
        """Return float64 [N, 5]: refuted and checkable claims of the answer, those of the reference, and a one."""
        table = np.ones((len(rows), 5))
        for place, row in enumerate(rows):
            molecule = _molecule(row.items["molecule"][0])
            table[place, :2] = _counts(row.answer, molecule)
            table[place, 2:4] = _counts(row.reference, molecule)
        return table

    def scores(self, sums: np.ndarray) -> Mapping[str, np.ndarray]:
        """Return contradiction_rate, claims_checked (for each answer) and reference_contradiction_rate, each [...]."""
        return {
            "contradiction_rate": sums[..., 0] / np.maximum(sums[..., 1], 1),
            "claims_checked": sums[..., 1] / np.maximum(sums[..., 4], 1),
            "reference_contradiction_rate": sums[..., 2] / np.maximum(sums[..., 3], 1),
        }

    def versions(self) -> Mapping[str, Any]:
        """Return the number of rules."""
        return {"rules": len(RULES)}


@lru_cache(maxsize=2048)
def _molecule(text: str) -> Chem.Mol | None:
    try:
        return read_molecule(text)
    except ValueError:
        return None


def _counts(text: str, molecule: Chem.Mol) -> tuple[int, int]:
    checked = [claim for claim in claims_of(text, molecule) if claim.rule is not None]
    return sum(claim.refuted for claim in checked), len(checked)
