"""Scores by how similar the scored items are to what was known: what is new, and what was seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from biomedgpt_hf.evaluation.honest_rows.nearest_known import NearestKnown, bins_by_similarity
from biomedgpt_hf.evaluation.resampling import estimate
from biomedgpt_hf.evaluation.scoring import MetricTable

SMALLEST = 10  # rows that a bin needs for a score; smaller ones are counted only


def by_similarity(
    nearest: NearestKnown, tables: Mapping[tuple[str, str], MetricTable], *, resamples: int
) -> dict[str, Any]:
    """Return scores of every run in each bin of similarity.

    Args:
        nearest: the nearest known item of each scored row.
        tables: statistics of each run (name) and metric (name).
        resamples: of the bootstrap.

    Returns:
        "memory", "measure", and "bins": each with "name", "rows", and "scores", a dictionary of scores for each run.
    """
    bins = []
    for name, places in bins_by_similarity(nearest).items():
        chosen = {nearest.answers[place].id for place in places}
        bins.append({"name": name, "rows": len(places), "scores": _scores(chosen, tables, resamples)})
    return {"memory": f"Memory: {nearest.memory}.", "measure": f"Similarity: {nearest.measure}", "bins": bins}


def _scores(
    chosen: set[str], tables: Mapping[tuple[str, str], MetricTable], resamples: int
) -> dict[str, dict[str, Any]]:
    if len(chosen) < SMALLEST:
        return {}
    scores: dict[str, dict[str, Any]] = {}
    for (run, _), table in tables.items():
        places: Sequence[int] = [place for place, row in enumerate(table.rows) if row.id in chosen]
        if len(places) >= SMALLEST:
            part = table.of(places)
            found = estimate(part.statistics, part.units, part.metric.scores, resamples=resamples)
            scores.setdefault(run, {}).update({name: value._asdict() for name, value in found.items()})
    return scores
