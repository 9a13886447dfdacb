"""A calibration: what makes a confidence out of the signs of an answer, for one checkpoint."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from biomedgpt_hf.confidence.signs import ALONE, KNOWN, Known, condition_of, signs_of


class Measured(NamedTuple):
    """An error of the confidences, with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Fit:
    """A logistic regression on standardised signs, and steps that correct what it says.

    Shape letters:  S signs

    Attributes:
        signs: names of the signs, S of them.
        means, scales: of the signs of the rows that it was fitted on, S numbers each.
        weights: of the standardised signs, S numbers.
        intercept: of the regression.
        steps: points (what the regression says, confidence) that lie on a line which never falls; none where they do
            not help.
        rows: how many answers it was fitted on.
        items: how many different items, or sets of them, these are about.
        targets: how many of the rows have which measure of how right they are.
        rightness: how right the answers are on average, 0 to 1.
        expected_calibration_error: the mean distance of confidence and rightness over ten bins of equally many rows,
            by fits that had not seen the row's item.
        brier: the mean squared distance of both, likewise.
    """

    signs: tuple[str, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float
    steps: tuple[tuple[float, float], ...] = ()
    rows: int = 0
    items: int = 0
    targets: Mapping[str, int] = field(default_factory=dict)
    rightness: float = math.nan
    expected_calibration_error: Measured = Measured(math.nan, math.nan, math.nan)
    brier: Measured = Measured(math.nan, math.nan, math.nan)

    def confidences(self, signs: Sequence[Sequence[float]] | np.ndarray) -> np.ndarray:
        """Return the confidences of answers, float64 [N], each 0 to 1, out of their signs, [N, S]."""
        standardised = (np.asarray(signs, dtype=float) - self.means) / self.scales
        # Beyond these numbers the logistic function is 0 or 1 to all digits, and would overflow.
        said = 1 / (1 + np.exp(-np.clip(standardised @ np.array(self.weights) + self.intercept, -700, 700)))
        return np.interp(said, *np.array(self.steps).T) if self.steps else said


@dataclass(frozen=True)
class Calibration:
    """The fits of a checkpoint.

    Attributes:
        weights: digest of the weights that it belongs to.
        items: how items come to the model, `ENCODED` or `AS_TEXT`.
        fits: for each of `CONDITIONS` that there are enough answers of.
        facts: where it comes from, as JSON values: names and hashes of the predictions, date, versions.
        sha256: of its file; "" where it is none yet.
    """

    weights: str
    items: str
    fits: Mapping[str, Fit]
    facts: Mapping[str, Any] = field(default_factory=dict)
    sha256: str = ""

    def fit_for(self, condition: str) -> Fit | None:
        """Return the fit for answers of a condition, None if there is none.

        An answer beside which known items stand was given without them: where these have no fit of their own, the fit
        of answers without them is right for it as well.
        """
        found = self.fits.get(condition)
        return self.fits.get(ALONE) if found is None and condition == KNOWN else found

    def confidence(self, answer: str, log_probability: float, known: Known | None) -> float | None:
        """Return how right an answer is likely to be, 0 to 1; None where there is no fit for its condition.

        Args:
            answer, log_probability, known: see `signs_of`.
        """
        fit = self.fit_for(condition_of(known))
        if fit is None or not math.isfinite(log_probability):
            return None
        return float(fit.confidences([signs_of(answer, log_probability, known)[: len(fit.signs)]])[0])
