"""Scores of one run, with intervals, over all rows and for each kind of question; and two runs compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from biomedgpt_hf.disk.workers import available_cores, map_in_order
from biomedgpt_hf.evaluation.answers import Answered
from biomedgpt_hf.evaluation.metrics.metric import Metric
from biomedgpt_hf.evaluation.resampling import Breakdown, Difference, break_down, compare

MACRO = "macro"
ALL = "all"
ROWS_AT_ONCE = 1024  # rows that other processes get together

Computed = tuple[list[int], np.ndarray]  # places of rows, and their statistics


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

    @cached_property
    def units(self) -> list[str]:
        """Return what is drawn together (see `resampling`), one entry a row."""
        return [row.unit for row in self.rows]

    def of(self, places: Sequence[int]) -> MetricTable:
        """Return the table of some rows."""
        return MetricTable(self.metric, tuple(self.rows[place] for place in places), self.statistics[list(places)])


class Tabulator:
    """Computes statistics of rows by several metrics; it travels to other processes.

    Args:
        metrics: the metrics.
    """

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def __call__(self, rows: Sequence[Answered]) -> list[Computed]:
        """Return for each metric the places of the rows that it applies to, and their statistics."""
        found = []
        for metric in self._metrics:
            places = [place for place, row in enumerate(rows) if metric.applies_to(row)]
            chosen = [rows[place] for place in places]
            found.append((places, metric.statistics(chosen) if chosen else np.zeros((0, 0))))
        return found


def tabulate(
    answers: Sequence[Answered], metrics: Sequence[Metric], processes: int | None = None
) -> dict[str, MetricTable]:
    """Compute every metric's statistics of the rows that it applies to; a metric without rows is left out.

    Args:
        answers: the rows.
        metrics: the metrics.
        processes: how many processes compute where there are many rows; None is as many as there are processor cores.

    Raises:
        OSError: a process died.
    """
    found: dict[str, list[Computed]] = {metric.name: [] for metric in metrics}

    def keep(start: int, computing: Sequence[Metric], computed: Iterable[Computed]) -> None:
        for metric, (places, statistics) in zip(computing, computed, strict=True):
            if places:
                found[metric.name].append(([start + place for place in places], statistics))

    in_chunks = [metric for metric in metrics if metric.in_chunks]
    starts = range(0, len(answers), ROWS_AT_ONCE)
    chunks = (answers[start : start + ROWS_AT_ONCE] for start in starts)
    results = map_in_order(Tabulator(in_chunks), chunks, processes or available_cores(), bare=True)
    for start, computed in zip(starts, results, strict=True):
        keep(start, in_chunks, computed)
    for metric in metrics:
        if not metric.in_chunks:
            keep(0, [metric], Tabulator([metric])(answers))
    return {metric.name: _joined(metric, answers, found[metric.name]) for metric in metrics if found[metric.name]}


def _joined(metric: Metric, answers: Sequence[Answered], parts: Sequence[Computed]) -> MetricTable:
    rows = tuple(answers[place] for places, _ in parts for place in places)
    return MetricTable(metric, rows, np.concatenate([statistics for _, statistics in parts]))


def score_table(table: MetricTable, *, resamples: int, seed: int = 0) -> dict[str, Any]:
    """Compute a metric's scores: over all rows (micro), for each task, and the mean over tasks (macro).

    Returns:
        "rows": their number; "kinds": the tasks; "all": each score as {"value", "low", "high"}; where there are several
        tasks, "by_task" with the same for each, and "macro"; where references come from several sources, "by_source",
        for each task and source.
    """
    tasks = [row.task for row in table.rows]
    told = _break_down(table, tasks, resamples, seed)
    found: dict[str, Any] = {"rows": len(table.rows), "kinds": sorted(set(tasks)), ALL: _plain(told.all)}
    if len(told.parts) > 1:
        found["by_task"] = _parts(told, tasks)
        found[MACRO] = _plain(told.macro)
    if len({row.source for row in table.rows}) > 1:
        sources = [f"{row.task}, {row.source or 'unknown source'}" for row in table.rows]
        found["by_source"] = _parts(_break_down(table, sources, resamples, seed), sources)
    return found


def _break_down(table: MetricTable, parts: Sequence[str], resamples: int, seed: int) -> Breakdown:
    return break_down(table.statistics, table.units, parts, table.metric.scores, resamples=resamples, seed=seed)


def _parts(told: Breakdown, parts: Sequence[str]) -> dict[str, Any]:
    """Return the scores of each part with the number of its rows."""
    rows = Counter(parts)
    return {name: {"rows": rows[name], **_plain(scores)} for name, scores in told.parts.items()}


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
