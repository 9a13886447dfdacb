"""Intervals and paired tests by the bootstrap, for every score that follows from sums over rows.

Rows about the same item are not independent of each other (four questions about one protein stand and fall together),
so it is items that are drawn, each with all its rows (Efron and Tibshirani, 1993; Koehn, 2004, for paired tests).

Shape letters:  N rows   U units that are drawn together   K statistics of a row   R resamples
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

RESAMPLES = 1_000
LEVEL = 0.95
_ROWS_AT_ONCE = 4_000_000  # numbers in one block of drawn counts

Scores = Callable[[np.ndarray], Mapping[str, np.ndarray]]


class Estimate(NamedTuple):
    """A score with its interval.

    Attributes:
        value: the score of all rows.
        low: lower end of the 95 % interval.
        high: its upper end.
    """

    value: float
    low: float
    high: float


class Difference(NamedTuple):
    """A score of one run less that of another one on the same rows.

    Attributes:
        value: the difference.
        low: lower end of the 95 % interval.
        high: its upper end.
        p_value: two-sided: how probable a difference of this size would be if there were none.
    """

    value: float
    low: float
    high: float
    p_value: float


def estimate(
    statistics: np.ndarray, units: Sequence[str], scores: Scores, *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Estimate]:
    """Compute scores with their intervals.

    Args:
        statistics: what the scores need of each row, float64 [N, K].
        units: for each row what is drawn together with it, such as its molecule; N texts.
        scores: computes the scores out of sums, [..., K] to [...] each.
        resamples: how many sets are drawn.
        seed: of the draw. The same seed draws the same units of the same rows.

    Returns:
        each score with its 95 % interval (percentiles of the resampled scores).

    Raises:
        ValueError: there are no rows.
    """
    sums = _unit_sums(statistics, units)
    values = scores(sums.sum(axis=0))
    drawn = _resampled(sums, scores, resamples, seed)
    return {name: Estimate(float(value), *_interval(drawn[name])) for name, value in values.items()}


def compare(
    first: np.ndarray,
    second: np.ndarray,
    units: Sequence[str],
    scores: Scores,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Difference]:
    """Compare two runs on the same rows: the score of the first less that of the second.

    Args:
        first: statistics of one run, float64 [N, K].
        second: statistics of the other run, for the same rows in the same order.
        units: as for `estimate`.
        scores: as for `estimate`.
        resamples: how many sets are drawn.
        seed: of the draw.

    Returns:
        for each score the difference, its 95 % interval and its p-value, which is never below 1 / (resamples + 1).

    Raises:
        ValueError: the runs do not have the same number of rows, or there are none.
    """
    if len(first) != len(second):
        raise ValueError(f"The runs have {len(first)} and {len(second)} rows. Only the same rows can be compared.")
    one, other = _unit_sums(first, units), _unit_sums(second, units)
    values = {name: value - scores(other.sum(axis=0))[name] for name, value in scores(one.sum(axis=0)).items()}
    drawn_one, drawn_other = (_resampled(sums, scores, resamples, seed) for sums in (one, other))
    found = {}
    for name, value in values.items():
        drawn = drawn_one[name] - drawn_other[name]
        beyond = min(np.count_nonzero(drawn <= 0), np.count_nonzero(drawn >= 0))
        p_value = min(1.0, 2 * (beyond + 1) / (resamples + 1))
        found[name] = Difference(float(value), *_interval(drawn), float(p_value))
    return found


def _unit_sums(statistics: np.ndarray, units: Sequence[str]) -> np.ndarray:
    """Return the sums of each unit's rows, [U, ...]."""
    if not len(statistics):
        raise ValueError("There are no rows to score.")
    if len(units) != len(statistics):
        raise ValueError(f"There are {len(statistics)} rows and {len(units)} units. Give one unit for each row.")
    _, place = np.unique(np.asarray(units, dtype=object).astype(str), return_inverse=True)
    sums = np.zeros((place.max() + 1, *statistics.shape[1:]))
    np.add.at(sums, place, statistics)
    return sums


def _resampled(sums: np.ndarray, scores: Scores, resamples: int, seed: int) -> dict[str, np.ndarray]:
    """Return each score of all resampled sets, [R]."""
    flat = sums.reshape(len(sums), -1)
    drawn = np.concatenate([counts @ flat for counts in _drawn_counts(len(sums), resamples, seed)])
    return {name: np.asarray(values) for name, values in scores(drawn.reshape(resamples, *sums.shape[1:])).items()}


def _drawn_counts(units: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Yield how often each unit is drawn, float64 [some of R, U]."""
    random = np.random.default_rng(seed)
    at_once = max(1, _ROWS_AT_ONCE // units)
    for start in range(0, resamples, at_once):
        rows = min(at_once, resamples - start)
        drawn = random.integers(units, size=(rows, units)) + np.arange(rows)[:, None] * units
        yield np.bincount(drawn.ravel(), minlength=rows * units).reshape(rows, units).astype(float)


def _interval(values: np.ndarray) -> tuple[float, float]:
    tail = 100 * (1 - LEVEL) / 2
    defined = values[np.isfinite(values)]  # a draw may hold no row that a score is about
    low, high = np.percentile(defined, [tail, 100 - tail]) if len(defined) else (np.nan, np.nan)
    return float(low), float(high)
