"""Risk and coverage: how right the answers are that are left when the least sure ones are left out.

El-Yaniv and Wiener (2010) draw the risk, 1 less what is told here, over the coverage, the share of answers left.

Shape letters:  N rows   B bins
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from biomedgpt_hf.confidence.signs import mean_log_probability
from biomedgpt_hf.evaluation.answers import Answered
from biomedgpt_hf.evaluation.bins import SMALLEST
from biomedgpt_hf.evaluation.confidence.errors import calibration_errors, in_bins
from biomedgpt_hf.evaluation.confidence.rightness import Rightness, measures_in_words
from biomedgpt_hf.evaluation.resampling import estimate

BINS = 20  # points of the curve
BEST = (25, 50, 75)  # per cent
CONFIDENCE, LOG_PROBABILITY, SIMILARITY = "confidence", "mean log-probability", "similarity"
Sign = Callable[[Answered], float | None]
SIGNS: Mapping[str, Sign] = {
    CONFIDENCE: lambda row: row.confidence,
    LOG_PROBABILITY: lambda row: (
        None if row.log_probability is None else mean_log_probability(row.answer, row.log_probability)
    ),
    SIMILARITY: lambda row: None if row.known is None else row.known.similarity,
}


def risk_coverage(
    answers: Sequence[Answered], rightness: Mapping[str, Rightness], *, resamples: int
) -> list[dict[str, Any]]:
    """Tell how right the surest answers of a run are.

    Answers are put in order by their confidence, or where there is none by their mean log-probability, and by the
    similarity of the nearest known item where known items were looked up.

    Args:
        answers: of the run. Those that failed or were left out, and those without the sign, are not in the order.
        rightness: how right they are, by their ids.
        resamples: of the bootstrap. What is drawn is how often each item counts; the order and the bins stay.

    Returns:
        for each order "by" (the sign), "rows", "measures" (what tells how right an answer is), "scores", each with its
        interval, and "curve", `BINS` numbers: how right the best 1 / BINS, 2 / BINS, … of the answers are. Scores are
        best_25, best_50, best_75 and all; area, the mean of the curve over all coverages (in a random order it is that
        of all); perfect, the same in the order of rightness itself; gain, the share of the way from the random to the
        perfect area; and of confidences their errors (see `calibration_errors`). Nothing where fewer than 10 rows have
        a sign.
    """
    given = [row for row in answers if row.error is None and row.id in rightness]
    found = []
    for name, rows, signs in _orders(given):
        values = [rightness[row.id] for row in rows]
        right, units = np.array([one.value for one in values]), [row.unit for row in rows]
        statistics = np.column_stack([_by_bins(right, signs), _by_bins(right, right)])
        scores = estimate(statistics, units, _scores, resamples=resamples)
        if name == CONFIDENCE:
            scores |= calibration_errors(signs, right, units, resamples=resamples)
        found.append(
            {
                "by": name,
                "rows": len(rows),
                "measures": measures_in_words(values),
                "scores": {score: one._asdict() for score, one in scores.items() if np.isfinite(one.value)},
                "curve": _curve(statistics.sum(axis=0)[: 2 * BINS]).tolist(),
            }
        )
    return found


def _orders(rows: Sequence[Answered]) -> Iterator[tuple[str, list[Answered], np.ndarray]]:
    """Yield the names of the orders, their rows, and the signs of these, float64 [N]."""
    told = set()
    for name, sign in SIGNS.items():
        pairs = [(row, value) for row in rows if (value := sign(row)) is not None and np.isfinite(value)]
        if len(pairs) < SMALLEST or (name == LOG_PROBABILITY and CONFIDENCE in told):
            continue
        told.add(name)
        yield name, [row for row, _ in pairs], np.array([value for _, value in pairs])


def _by_bins(rightness: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """Return for each row its rightness and a one in the columns of its bin, the surest first, float64 [N, 2 B]."""
    _, place, counts = np.unique(signs, return_inverse=True, return_counts=True)
    means = np.bincount(place, weights=rightness) / counts  # equally sure answers have no order among them
    bins = in_bins(np.argsort(-signs, kind="stable"), BINS)
    return np.column_stack([bins * means[place][:, None], bins])


def _curve(sums: np.ndarray) -> np.ndarray:
    """Return how right the answers of the first bins are, [..., B], out of sums [..., 2 B]; NaN where none is."""
    right, rows = (part.cumsum(axis=-1) for part in np.split(sums, 2, axis=-1))
    return np.where(rows > 0, right / np.maximum(rows, 1), np.nan)


def _area(sums: np.ndarray) -> np.ndarray:
    """Return the mean of the curve over the rows, by the trapezoidal rule."""
    rows, curve = sums[..., BINS:], np.nan_to_num(_curve(sums))
    before = np.concatenate([curve[..., :1], curve[..., :-1]], axis=-1)
    return ((before + curve) / 2 * rows).sum(axis=-1) / np.maximum(rows.sum(axis=-1), 1)


def _scores(sums: np.ndarray) -> Mapping[str, np.ndarray]:
    own, best = sums[..., : 2 * BINS], sums[..., 2 * BINS :]
    curve = _curve(own)
    found = {f"best_{share}": curve[..., share * BINS // 100 - 1] for share in BEST}
    found |= {"all": curve[..., -1], "area": _area(own), "perfect": _area(best)}
    room = found["perfect"] - found["all"]
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = np.where(room > 1e-12, (found["area"] - found["all"]) / room, np.nan)
    return {**found, "gain": gain}
