"""EC numbers: how far an answer agrees with its reference, level by level."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from biomedgpt_hf.evaluation.answers import Answered
from biomedgpt_hf.evaluation.metrics.set_overlap import f1_scores, overlap
from biomedgpt_hf.files.uniprot.wording import EC_LEVELS, LEVELS

NUMBER = re.compile(rf"(?<![\d.])(?:EC[ :]?)?{EC_LEVELS}(?![\d])", re.IGNORECASE)  # alone or behind "EC"


@lru_cache(maxsize=4096)
def enzyme_numbers(text: str) -> frozenset[tuple[str, ...]]:
    """Return the EC numbers in a text, each as its known levels: ("3", "4", "21") for 3.4.21.-."""
    found = set()
    for match in NUMBER.finditer(text):
        levels = [level.lower() for level in match.groups()]
        found.add(tuple(levels[: levels.index("-")] if "-" in levels else levels))
    return frozenset(found)


class EnzymeNumbers:
    """Micro-F1 of EC numbers cut to their first 1, 2, 3 and 4 levels."""

    name = "enzyme_numbers"
    description = "Micro-F1 of the EC numbers in answer and reference, cut to 1, 2, 3 and 4 levels."
    fails = "A number that is not written out is not found, and one that is not yet in the entry counts as wrong."
    in_chunks = True

    def applies_to(self, row: Answered) -> bool:
        """Return whether the reference about a protein names an EC number."""
        return bool(row.items.get("protein")) and bool(enzyme_numbers(row.reference))

    def statistics(self, rows: Sequence[Answered]) -> np.ndarray:
        """Return float64 [N, 12]: right, found and expected numbers at each level."""
        table = np.zeros((len(rows), LEVELS, 3))
        for place, row in enumerate(rows):
            found, expected = enzyme_numbers(row.answer), enzyme_numbers(row.reference)
            for level in range(1, LEVELS + 1):
                cut = [{number[:level] for number in side if len(number) >= level} for side in (found, expected)]
                table[place, level - 1] = overlap(*cut)
        return table.reshape(len(rows), LEVELS * 3)

    def scores(self, sums: np.ndarray) -> Mapping[str, np.ndarray]:
        """Return ec_level1_f1 to ec_level4_f1, each [...]."""
        levels = sums.reshape(*sums.shape[:-1], LEVELS, 3)
        names = {f"ec_level{level}": levels[..., level - 1, :] for level in range(1, LEVELS + 1)}
        return {f"{name}_f1": f1_scores(counts, name)[f"{name}_f1"] for name, counts in names.items()}

    def versions(self) -> Mapping[str, Any]:
        """Return nothing: the rules stand here."""
        return {}
