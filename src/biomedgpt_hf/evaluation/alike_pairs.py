"""Pairs of scored items that are alike but have different answers: a model that tells them apart gives two texts.

A model may score well by knowing the family of an item only. For each scored item the most similar other one is taken;
where both were asked the same question and their references differ, the same text for both is a fault.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from biomedgpt_hf.evaluation.answers import Answered
from biomedgpt_hf.evaluation.resampling import estimate
from biomedgpt_hf.neighbours.index import NeighbourIndex

COMPARED = ("molecule", "protein")  # what an index compares
ALIKE = 0.7  # similarity from which on two items count as alike


def alike_pairs(rows: Sequence[Answered], index: NeighbourIndex) -> list[tuple[int, int]]:
    """Return the places of rows about items that are alike, with the same question and different references.

    Args:
        rows: what is scored; rows with one item each are looked at.
        index: an index of the scored items themselves.
    """
    places: dict[tuple[str, str], int] = {}
    for place, row in enumerate(rows):
        if (item := _only_item(row)) is not None:
            places[item[1], row.question] = place
    pairs = set()
    for modality, search in (("molecule", index.molecules), ("protein", index.proteins)):
        texts = list(dict.fromkeys(item[1] for item in map(_only_item, rows) if item and item[0] == modality))
        found = search(texts, 1, exclude_same=True) if texts else []
        nearest = {text: near[0] for text, near in zip(texts, found, strict=True) if near}
        for (text, question), place in places.items():
            near = nearest.get(text)
            other = places.get((near.item, question)) if near and near.similarity >= ALIKE else None
            if other is not None and rows[other].reference != rows[place].reference:
                pairs.add((min(place, other), max(place, other)))
    return sorted(pairs)


def _only_item(row: Answered) -> tuple[str, str] | None:
    items = [(modality, item) for modality, of_row in row.items.items() for item in of_row]
    return items[0] if len(items) == 1 and items[0][0] in COMPARED else None


def same_answers(
    pairs: Sequence[tuple[int, int]], runs: Mapping[str, Sequence[Answered]], *, resamples: int
) -> dict[str, Any]:
    """Return for each run the share of pairs that got the same text, with its interval.

    Args:
        pairs: places of rows.
        runs: the answers of each run, in the order of the rows.
        resamples: of the bootstrap.
    """
    shares = {}
    for name, answers in runs.items():
        same = [answers[one].answer.strip() == answers[two].answer.strip() for one, two in pairs]
        table = np.stack([np.array(same, dtype=float), np.ones(len(same))], axis=1)
        units = [answers[one].unit for one, _ in pairs]
        found = estimate(table, units, lambda sums: {"same": sums[..., 0] / sums[..., 1]}, resamples=resamples)
        shares[name] = found["same"]._asdict()
    return {"pairs": len(pairs), "similarity": ALIKE, "same_answer": shares}
