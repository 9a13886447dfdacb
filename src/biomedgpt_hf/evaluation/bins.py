"""Scores of parts of the rows, such as those of one year, or those about items that are far from what was known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from biomedgpt_hf.evaluation.resampling import break_down
from biomedgpt_hf.evaluation.scoring import MetricTable

SMALLEST = 10  # rows that a bin needs for a score; smaller ones are counted only


def score_bins(
    bins: Mapping[str, str],
    order: Sequence[str],
    tables: Mapping[tuple[str, str], MetricTable],
    *,
    resamples: int,
) -> list[dict[str, Any]]:
    """Return the scores of every run in each bin.

    Args:
        bins: the bin of each row, by the row's id.
        order: the names of the bins; those without rows are left out.
        tables: statistics of each run (name) and metric (name).
        resamples: of the bootstrap.

    Returns:
        for each bin "name", "rows", and "scores", a dictionary of scores for each run.
    """
    counted = Counter(bins.values())
    found: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in order if counted[name]}
    for (run, _), table in tables.items():
        names = [bins[row.id] for row in table.rows]
        parts = break_down(table.statistics, table.units, names, table.metric.scores, resamples=resamples).parts
        rows = Counter(names)
        for name, scores in parts.items():
            if rows[name] >= SMALLEST:
                told = found[name].setdefault(run, {})
                told.update({score: value._asdict() for score, value in scores.items()})
    return [{"name": name, "rows": counted[name], "scores": scores} for name, scores in found.items()]
