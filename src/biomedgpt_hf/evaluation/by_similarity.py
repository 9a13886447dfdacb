"""Scores by how similar the scored items are to what was known: what is new, and what was seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from biomedgpt_hf.evaluation.bins import score_bins
from biomedgpt_hf.evaluation.honest_rows.nearest_known import NearestKnown, bins_by_similarity
from biomedgpt_hf.evaluation.scoring import MetricTable


def by_similarity(
    nearest: NearestKnown, tables: Mapping[tuple[str, str], MetricTable], *, resamples: int
) -> dict[str, Any]:
    """Return scores of every run in each bin of similarity.

    Args:
        nearest: the nearest known item of each scored row.
        tables: statistics of each run (name) and metric (name).
        resamples: of the bootstrap.

    Returns:
        "memory", "measure", and "bins" (see `score_bins`).
    """
    places = bins_by_similarity(nearest)
    bins = {nearest.answers[place].id: name for name, of_bin in places.items() for place in of_bin}
    return {
        "memory": f"Memory: {nearest.memory}.",
        "measure": f"Similarity: {nearest.measure}",
        "bins": score_bins(bins, list(places), tables, resamples=resamples),
    }
