"""How wrong confidences are, with intervals.

Shape letters:  N rows   B bins
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from biomedgpt_hf.evaluation.resampling import Estimate, estimate

BINS = 10  # of equally many rows
ECE, BRIER = "expected_calibration_error", "brier"


def calibration_errors(
    confidences: np.ndarray, rightness: np.ndarray, units: Sequence[str], *, resamples: int
) -> dict[str, Estimate]:
    """Compare confidences with how right the answers are.

    Args:
        confidences: of the answers, each 0 to 1, float64 [N].
        rightness: how right they are, each 0 to 1, float64 [N].
        units: for each row what is drawn together with it.
        resamples: of the bootstrap. The bins stay as they are.

    Returns:
        expected_calibration_error: the distance of mean confidence and mean rightness in each bin, weighted by its
        rows (Guo et al., 2017, with bins of equally many rows); brier: the mean squared distance. A distance is never
        below 0, so resampling adds to the first, and its interval lies rather too high.

    Raises:
        ValueError: there are no rows.
    """
    distance = confidences - rightness
    by_bin = distance[:, None] * in_bins(np.argsort(confidences, kind="stable"), BINS)
    statistics = np.column_stack([by_bin, distance**2, np.ones(len(distance))])
    return estimate(statistics, units, _scores, resamples=resamples)


def _scores(sums: np.ndarray) -> Mapping[str, np.ndarray]:
    rows = np.maximum(sums[..., -1], 1)
    return {ECE: np.abs(sums[..., :BINS]).sum(axis=-1) / rows, BRIER: sums[..., -2] / rows}


def in_bins(order: np.ndarray, bins: int) -> np.ndarray:
    """Return a one for each row in the column of its bin, float64 [N, B].

    Args:
        order: places of the rows, int64 [N]; the first bin gets the first of them, and all get equally many.
        bins: their number, B.
    """
    table = np.zeros((len(order), bins))
    table[order, np.arange(len(order)) * bins // max(len(order), 1)] = 1
    return table
