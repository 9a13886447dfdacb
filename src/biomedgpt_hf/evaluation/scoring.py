"""Scores of one run, with intervals, over all rows and for each kind of question; and two runs compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from biomedgpt_hf.evaluation.answers import Answered
from biomedgpt_hf.evaluation.metrics.metric import Metric
from biomedgpt_hf.evaluation.resampling import Difference, Scores, compare, estimate

MACRO = "macro"
ALL = "all"


@dataclass(frozen=True)
class MetricTable:
    """What one metric needs of each of a run's rows.

    Attributes:
        metric: the metric.
        rows: the answers that it applies to, N of them.
        statistics: float64 [N, K].
    """

    metric: Metric
    rows: tuple[Answered, ...]
    statistics: np.ndarray

    @property
    def units(self) -> list[str]:
        """Return what is drawn together (see `resampling`), one entry a row."""
        return [row.unit for row in self.rows]

    def of(self, places: Sequence[int]) -> MetricTable:
        """Return the table of some rows."""
        return MetricTable(self.metric, tuple(self.rows[place] for place in places), self.statistics[list(places)])


def tabulate(answers: Sequence[Answered], metrics: Sequence[Metric]) -> dict[str, MetricTable]:
    """Compute every metric's statistics of the rows that it applies to; a metric without rows is left out."""
    tables = {}
    for metric in metrics:
        rows = tuple(row for row in answers if metric.applies_to(row))
        if rows:
            tables[metric.name] = MetricTable(metric, rows, metric.statistics(rows))
    return tables


def score_table(table: MetricTable, *, resamples: int, seed: int = 0) -> dict[str, Any]:
    """Compute a metric's scores: over all rows (micro), for each task, and the mean over tasks (macro).

    Returns:
        "rows": their number; "kinds": the tasks; "all": each score as {"value", "low", "high"}; where there are several
        tasks, "by_task" with the same for each, and "macro".
    """
    draws = {"resamples": resamples, "seed": seed}
    found: dict[str, Any] = {
        "rows": len(table.rows),
        "kinds": list(by_task(table.rows)),
        ALL: _plain(estimate(table.statistics, table.units, table.metric.scores, **draws)),
    }
    groups = by_task(table.rows)
    if len(groups) > 1:
        found["by_task"] = {
            task: {"rows": len(places), **_plain(_estimate(table.of(places), draws))} for task, places in groups.items()
        }
        stacked = stack(table, groups)
        found[MACRO] = _plain(estimate(stacked, table.units, macro(table.metric.scores), **draws))
    return found


def _estimate(table: MetricTable, draws: Mapping[str, int]) -> Mapping[str, Any]:
    return estimate(table.statistics, table.units, table.metric.scores, **draws)


def by_task(rows: Sequence[Answered]) -> dict[str, list[int]]:
    """Return the places of the rows of each task, in the order of the tasks' names."""
    groups: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        groups.setdefault(row.task, []).append(place)
    return dict(sorted(groups.items()))


def stack(table: MetricTable, groups: Mapping[str, Sequence[int]]) -> np.ndarray:
    """Return statistics with an axis for the tasks, float64 [N, tasks, K], zero outside a row's own task."""
    rows, width = table.statistics.shape
    stacked = np.zeros((rows, len(groups), width))
    for number, places in enumerate(groups.values()):
        stacked[list(places), number] = table.statistics[list(places)]
    return stacked


def macro(scores: Scores) -> Scores:
    """Return the scores that are the means over tasks, out of sums [..., tasks, K].

    A task for which a score is not defined (NaN), such as harm done where nothing harmful is asked, is left out of it.
    """
    return lambda sums: {name: _mean_of_defined(values) for name, values in scores(sums).items()}


def _mean_of_defined(values: np.ndarray) -> np.ndarray:
    defined = np.isfinite(values)
    counts = defined.sum(axis=-1)
    totals = np.where(defined, values, 0).sum(axis=-1)
    return np.where(counts > 0, totals / np.maximum(counts, 1), np.nan)


def compare_tables(first: MetricTable, second: MetricTable, *, resamples: int, seed: int = 0) -> dict[str, Any]:
    """Compare two runs by one metric on the rows that both have.

    Returns:
        "rows": the number of common rows, and for each score the difference (first less second), its interval and
        p-value.

    Raises:
        ValueError: the runs have no row in common, or disagree about a reference.
    """
    places = {row.id: place for place, row in enumerate(second.rows)}
    common = [(place, places[row.id]) for place, row in enumerate(first.rows) if row.id in places]
    if not common:
        raise ValueError("The two runs have no row in common: they answer different sets.")
    for place, same in common:
        if first.rows[place].reference != second.rows[same].reference:
            raise ValueError(
                f"Row {first.rows[place].id!r} has different references in the two runs: they answer different sets."
            )
    one, other = first.of([pair[0] for pair in common]), second.of([pair[1] for pair in common])
    found: Mapping[str, Difference] = compare(
        one.statistics, other.statistics, one.units, one.metric.scores, resamples=resamples, seed=seed
    )
    return {"rows": len(common), **_plain(found)}


def _plain(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return scores as JSON values, without those that are not defined for these rows."""
    return {name: estimated._asdict() for name, estimated in found.items() if np.isfinite(estimated.value)}
