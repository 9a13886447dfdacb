"""Intervals and paired tests by the bootstrap, for every score that follows from sums over rows.

Rows about the same item are not independent of each other (four questions about one protein stand and fall together),
so it is items that are drawn, each with all its rows (Efron and Tibshirani, 1993; Koehn, 2004, for paired tests).

One draw serves all that is told of some rows: their scores, those of each part of them, and the mean over parts.

Shape letters:  N rows   U units that are drawn together   K statistics of a row   R resamples
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

RESAMPLES = 1_000
LEVEL = 0.95
_COUNTS_AT_ONCE = 4_000_000  # numbers in one block of drawn counts

Key = TypeVar("Key")
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


class Breakdown(NamedTuple):
    """Scores of rows, and of the parts that they fall into.

    Attributes:
        all: each score over all rows.
        parts: each score over the rows of each part, in the order of the parts' names.
        macro: the mean of each score over parts.
    """

    all: dict[str, Estimate]
    parts: dict[str, dict[str, Estimate]]
    macro: dict[str, Estimate]


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
    return break_down(statistics, units, [""] * len(statistics), scores, resamples=resamples, seed=seed).all


def break_down(
    statistics: np.ndarray,
    units: Sequence[str],
    parts: Sequence[str],
    scores: Scores,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Breakdown:
    """Compute the scores of all rows and of the parts that they fall into, with their intervals.

    Args:
        statistics: as for `estimate`.
        units: as for `estimate`.
        parts: for each row the name of its part, such as its task; N texts.
        scores: as for `estimate`.
        resamples: how many sets are drawn. One that happens to hold no row of a part tells nothing of that part.
        seed: of the draw.

    Raises:
        ValueError: there are no rows.
    """
    by_part = _unit_sums(statistics, units, parts)
    own = {name: part.sums.sum(axis=0) for name, part in by_part.items()}
    drawn = _resampled(by_part, resamples, seed)
    values = {name: scores(total) for name, total in own.items()}
    of_sets = {name: _scores_where(found, there, scores) for name, (found, there) in drawn.items()}
    every = _added(own.values()), _added(found for found, _ in drawn.values())
    mean = [
        {score: _mean_of_defined([found[score] for found in one.values()]) for score in next(iter(one.values()))}
        for one in (values, of_sets)
    ]
    return Breakdown(
        _estimates(*map(scores, every)),
        {name: _estimates(values[name], of_sets[name]) for name in by_part},
        _estimates(*mean),
    )


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
    # Sums of one shape each, so that equal statistics give equal sums to the last bit.
    runs = [_unit_sums(side, units, [""] * len(side))[""] for side in (first, second)]
    drawn = _resampled(dict(enumerate(runs)), resamples, seed)
    of_all = [scores(run.sums.sum(axis=0)) for run in runs]
    of_sets = [scores(sums) for sums, _ in drawn.values()]
    found = {}
    for name in of_all[0]:
        value = of_all[0][name] - of_all[1][name]
        differences = of_sets[0][name] - of_sets[1][name]
        beyond = min(np.count_nonzero(differences <= 0), np.count_nonzero(differences >= 0))
        # One unit alone is drawn every time, which tells nothing of others.
        p_value = min(1.0, 2 * (beyond + 1) / (resamples + 1)) if runs[0].of > 1 else 1.0
        found[name] = Difference(float(value), *_interval(differences), float(p_value))
    return found


class _Part(NamedTuple):
    """Some rows, added up by unit.

    Attributes:
        units: which units of all U have rows here, int64 [some of U].
        sums: of their rows here, float64 [some of U, K].
        of: how many units there are in all, U.
    """

    units: np.ndarray
    sums: np.ndarray
    of: int


def _unit_sums(statistics: np.ndarray, units: Sequence[str], parts: Sequence[str]) -> dict[str, _Part]:
    """Return what each part holds, in the order of their names."""
    if not len(statistics):
        raise ValueError("There are no rows to score.")
    if not len(units) == len(parts) == len(statistics):
        raise ValueError(f"There are {len(statistics)} rows and {len(units)} units. Give one unit for each row.")
    (unit_of, unit_names), (part_of, part_names) = _numbered(units), _numbered(parts)
    found = {}
    for number, name in enumerate(part_names):
        rows = np.flatnonzero(part_of == number)
        rows = rows[np.argsort(unit_of[rows], kind="stable")]
        there, first = np.unique(unit_of[rows], return_index=True)
        found[name] = _Part(there, np.add.reduceat(statistics[rows], first, axis=0, dtype=float), len(unit_names))
    return found


def _numbered(names: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Return the place of each name among the different ones, int64 [N], and these, sorted."""
    different = sorted(set(names))
    places = {name: place for place, name in enumerate(different)}
    return np.fromiter(map(places.__getitem__, names), np.int64, len(names)), different


def _resampled(parts: Mapping[Key, _Part], resamples: int, seed: int) -> dict[Key, tuple[np.ndarray, np.ndarray]]:
    """Return for each part its sums in all resampled sets, [R, K], and which of these hold a row of it, bool [R]."""
    units = next(iter(parts.values())).of
    sums: dict[Key, list[np.ndarray]] = {name: [] for name in parts}
    there: dict[Key, list[np.ndarray]] = {name: [] for name in parts}
    for counts in _drawn_counts(units, resamples, seed):
        for name, part in parts.items():
            own = counts if len(part.units) == units else counts[:, part.units]
            sums[name].append(own @ part.sums)
            there[name].append(own.sum(axis=1) > 0)
    return {name: (np.concatenate(sums[name]), np.concatenate(there[name])) for name in parts}


def _drawn_counts(units: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Yield how often each unit is drawn, float64 [some of R, U]."""
    random = np.random.default_rng(seed)
    at_once = max(1, _COUNTS_AT_ONCE // units)
    for start in range(0, resamples, at_once):
        counts = np.empty((min(at_once, resamples - start), units))
        for row in counts:
            row[:] = np.bincount(random.integers(units, size=units), minlength=units)
        yield counts


def _added(sums: Iterable[np.ndarray]) -> np.ndarray:
    return functools.reduce(np.add, sums)


def _mean_of_defined(values: Sequence[np.ndarray]) -> np.ndarray:
    """Return the mean over parts; one for which a score is not defined (NaN) is left out of it."""
    every = np.array(values)
    defined = np.isfinite(every)
    counts = defined.sum(axis=0)
    return np.where(counts > 0, np.where(defined, every, 0).sum(axis=0) / np.maximum(counts, 1), np.nan)


def _scores_where(sums: np.ndarray, there: np.ndarray, scores: Scores) -> dict[str, np.ndarray]:
    """Return the scores of resampled sets, [R]; NaN for those without a row."""
    return {name: np.where(there, found, np.nan) for name, found in scores(sums).items()}


def _estimates(values: Mapping[str, np.ndarray], drawn: Mapping[str, np.ndarray]) -> dict[str, Estimate]:
    return {name: Estimate(float(value), *_interval(drawn[name], float(value))) for name, value in values.items()}


def _interval(drawn: np.ndarray, value: float = np.nan) -> tuple[float, float]:
    """Return the ends of the 95 % interval; the value itself where no resampled set tells anything."""
    told = drawn[~np.isnan(drawn)]
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(told, [tail, 100 - tail]) if len(told) else (value, value)
    return float(low), float(high)
