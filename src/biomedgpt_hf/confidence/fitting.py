"""Fitting a confidence: logistic regression by maximum likelihood, isotonic steps, and fits that have not seen a row.

Shape letters:  N rows   S signs
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.optimize import isotonic_regression, minimize
from scipy.special import expit

from biomedgpt_hf.confidence.calibration import Fit

FOLDS = 5
RIDGE = 1e-4  # of the mean loss: weights stay finite where the signs tell all
DIGITS = 9  # of the numbers of a fit


def fit_signs(
    names: Sequence[str], signs: np.ndarray, rightness: np.ndarray, units: Sequence[str]
) -> tuple[Fit, np.ndarray]:
    """Fit a confidence on all rows, with steps if these lessen the squared error of rows that a fit has not seen.

    Args:
        names: of the signs, S of them.
        signs: of the answers, float64 [N, S].
        rightness: how right each answer is, 0 to 1, float64 [N].
        units: for each row what must not stand on both sides, such as its item; at least `FOLDS` different ones.

    Returns:
        the fit, and the confidence of each row by a fit of the same kind on other units, float64 [N].
    """
    plain, stepped = (_held_out(names, signs, rightness, units, steps) for steps in (False, True))
    helps = bool(np.mean((stepped - rightness) ** 2) < np.mean((plain - rightness) ** 2))
    return _fit(names, signs, rightness, helps), stepped if helps else plain


def _held_out(
    names: Sequence[str], signs: np.ndarray, rightness: np.ndarray, units: Sequence[str], stepped: bool
) -> np.ndarray:
    folds = _folds(units)
    found = np.empty(len(signs))
    for fold in range(FOLDS):
        own = folds == fold
        found[own] = _fit(names, signs[~own], rightness[~own], stepped).confidences(signs[own])
    return found


def _folds(units: Sequence[str]) -> np.ndarray:
    """Return the fold of each row, int64 [N]: the same for rows of a unit, and the same whenever it is asked for."""
    by_hash = sorted(set(units), key=lambda unit: hashlib.blake2b(unit.encode("utf-8", "surrogatepass")).digest())
    folds = {unit: place % FOLDS for place, unit in enumerate(by_hash)}
    return np.array([folds[unit] for unit in units])


def _fit(names: Sequence[str], signs: np.ndarray, rightness: np.ndarray, stepped: bool) -> Fit:
    means, scales = signs.mean(axis=0), signs.std(axis=0)
    scales = np.where(scales > 1e-9, scales, 1.0)  # a sign that is the same in all rows tells nothing
    weights, intercept = _logistic((signs - means) / scales, rightness)
    means, scales, weights = (np.round(vector, DIGITS) for vector in (means, scales, weights))
    fit = Fit(tuple(names), tuple(means.tolist()), tuple(scales.tolist()), tuple(weights.tolist()), intercept)
    return replace(fit, steps=_steps(fit.confidences(signs), rightness)) if stepped else fit


def _logistic(standardised: np.ndarray, rightness: np.ndarray) -> tuple[np.ndarray, float]:
    """Return weights [S] and intercept of the greatest likelihood, where a target may lie between 0 and 1."""
    table = np.column_stack([standardised, np.ones(len(standardised))])

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        said = table @ weights
        value = np.mean(np.logaddexp(0, said) - rightness * said) + RIDGE * weights @ weights / 2
        return value, table.T @ (expit(said) - rightness) / len(table) + RIDGE * weights

    found = minimize(loss, np.zeros(table.shape[1]), jac=True, method="L-BFGS-B", options={"gtol": 1e-9, "ftol": 1e-15})
    return found.x[:-1], round(float(found.x[-1]), DIGITS)


def _steps(said: np.ndarray, rightness: np.ndarray) -> tuple[tuple[float, float], ...]:
    """Return the mean of each block of the isotonic regression of rightness on what a fit says."""
    x, place, counts = np.unique(said, return_inverse=True, return_counts=True)  # equal signs are one point
    means = np.bincount(place, weights=rightness) / counts
    blocks = isotonic_regression(means, weights=counts).blocks
    sizes = np.add.reduceat(counts, blocks[:-1])
    points = (np.add.reduceat(values * counts, blocks[:-1]) / sizes for values in (x, means))
    told = zip(*(np.round(values, DIGITS).tolist() for values in points), strict=True)
    return tuple(dict(told).items())  # of points that rounding has made one, the higher
