"""Scores of one run, with intervals, over all rows and for each kind of question; and two runs compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
        "rows": their number; "all": each score as {"value", "low", "high"}; where there are several tasks, "by_task"
        with the same for each, and "macro"; where references come from several sources, "by_source", for each task and
        source.
    """
    draws = {"resamples": resamples, "seed": seed}
    found: dict[str, Any] = {
        "rows": len(table.rows),
        ALL: _plain(estimate(table.statistics, table.units, table.metric.scores, **draws)),
    }
    groups = by_task(table.rows)
    if len(groups) > 1:
        found["by_task"] = _scores_of(table, groups, draws)
        stacked = stack(table, groups)
        found[MACRO] = _plain(estimate(stacked, table.units, macro(table.metric.scores), **draws))
    if len({row.source for row in table.rows}) > 1:
        found["by_source"] = _scores_of(table, by_source(table.rows), draws)
    return found


def _scores_of(
    table: MetricTable, groups: Mapping[str, Sequence[int]], draws: Mapping[str, int]
) -> dict[str, dict[str, Any]]:
    return {
        name: {"rows": len(places), **_plain(_estimate(table.of(places), draws))} for name, places in groups.items()
    }


def _estimate(table: MetricTable, draws: Mapping[str, int]) -> Mapping[str, Any]:
    return estimate(table.statistics, table.units, table.metric.scores, **draws)


def by_task(rows: Sequence[Answered]) -> dict[str, list[int]]:
    """Return the places of the rows of each task, in the order of the tasks' names."""
    return _places(row.task for row in rows)


def by_source(rows: Sequence[Answered]) -> dict[str, list[int]]:
    """Return the places of the rows of each task and source, such as "protein_names, SGD", in the names' order."""
    return _places(f"{row.task}, {row.source or 'unknown source'}" for row in rows)


def _places(names: Iterable[str]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        groups.setdefault(name, []).append(place)
    return dict(sorted(groups.items()))


def stack(table: MetricTable, groups: Mapping[str, Sequence[int]]) -> np.ndarray:
    """Return statistics with an axis for the tasks, float64 [N, tasks, K], zero outside a row's own task."""
    rows, width = table.statistics.shape
    stacked = np.zeros((rows, len(groups), width))
    for number, places in enumerate(groups.values()):
        stacked[list(places), number] = table.statistics[list(places)]
    return stacked


def macro(scores: Scores) -> Scores:
    """Return the scores that are the means over tasks, out of sums [..., tasks, K]."""
    return lambda sums: {name: values.mean(axis=-1) for name, values in scores(sums).items()}


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
    return {name: value._asdict() for name, value in found.items()}
