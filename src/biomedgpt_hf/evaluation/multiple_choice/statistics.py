"""What the scores need of each question, as numbers that add up, and the scores out of their sums.

Adding up is what gives every score its interval (see `evaluation.resampling`).

Shape letters:  N questions   L labels   K statistics of a question
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from biomedgpt_hf.evaluation.multiple_choice.predictions import ChoicePrediction

BINS = 15  # of confidence, equally wide, for the expected calibration error (Guo et al., 2017, arXiv:1706.04599)
GROUPS = 20  # of questions, from the most to the least confident, for risk against coverage
COVERAGES = (0.25, 0.5, 0.75)  # shares of questions for which the risk is told

# Columns of a question's statistics; per label, bin and group follow.
ASKED, RIGHT, RIGHT_NORMALISED, MISSING, WITH_PROBABILITIES, BRIER = range(6)
PLAIN = 6


@dataclass(frozen=True)
class ChoiceStatistics:
    """What the scores need of each question.

    Attributes:
        table: float64 [N, K].
        labels: all labels that questions have, L of them.
        has_probabilities: whether there are log-likelihoods, which calibration needs.
        has_confidence: whether answers can be put in an order of confidence.
    """

    table: np.ndarray
    labels: tuple[str, ...]
    has_probabilities: bool
    has_confidence: bool

    def scores(self, sums: np.ndarray) -> Mapping[str, np.ndarray]:
        """Return the scores, each [...], out of sums [..., K]."""
        asked = np.maximum(sums[..., ASKED], 1)
        by_label, bins, groups = self._parts(sums)
        found = {
            "accuracy": sums[..., RIGHT] / asked,
            "macro_f1": _macro_f1(by_label),
            "na_rate": sums[..., MISSING] / asked,
        }
        if self.has_probabilities:
            scored = np.maximum(sums[..., WITH_PROBABILITIES], 1)
            found["acc_norm"] = sums[..., RIGHT_NORMALISED] / asked
            found["ece"] = np.abs(bins[..., 0] - bins[..., 1]).sum(-1) / scored
            found["brier"] = sums[..., BRIER] / scored
        if self.has_confidence:
            covered, risk = risk_coverage(groups)
            shares = groups[..., 0] / asked[..., None]
            found["aurc"] = (shares * risk).sum(-1)
            for coverage in COVERAGES:
                # The first group with which the coverage is reached.
                place = np.argmax(covered >= coverage - 1e-9, axis=-1)
                found[f"risk_at_{coverage:.0%}"] = np.take_along_axis(risk, place[..., None], -1)[..., 0]
        return found

    def curve(self) -> list[dict[str, float]]:
        """Return risk against coverage, from the most confident answers to all."""
        groups = self._parts(self.table.sum(0))[2]
        covered, risk = risk_coverage(groups)
        points = zip(covered.tolist(), risk.tolist(), groups[:, 0].tolist(), strict=True)
        return [{"coverage": coverage, "risk": value} for coverage, value, held in points if held]

    def _parts(self, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return what is counted per label [..., L, 3], per bin [..., BINS, 2] and per group [..., GROUPS, 2]."""
        parts, start = [], PLAIN
        for rows, width in ((len(self.labels), 3), (BINS, 2), (GROUPS, 2)):
            parts.append(sums[..., start : start + rows * width].reshape(*sums.shape[:-1], rows, width))
            start += rows * width
        return parts[0], parts[1], parts[2]


def tabulate_choices(predictions: Sequence[ChoicePrediction], labels: Sequence[str] = ()) -> ChoiceStatistics:
    """Compute the statistics of each question.

    Args:
        predictions: one for each question.
        labels: all labels, where there are more than these questions have.
    """
    known = tuple(labels) or tuple(sorted({label for one in predictions for label in one.labels}))
    confidences = np.array([_confidence(one) for one in predictions])
    ranks = np.searchsorted(np.sort(-confidences), -confidences, side="left")
    rows = np.zeros((len(predictions), PLAIN))
    by_label = np.zeros((len(predictions), len(known), 3))
    bins = np.zeros((len(predictions), BINS, 2))
    groups = np.zeros((len(predictions), GROUPS, 2))
    for place, one in enumerate(predictions):
        right = one.chosen == one.answer_index
        rows[place, [ASKED, RIGHT, MISSING]] = 1, right, one.chosen is None
        if not right:
            by_label[place, known.index(one.labels[one.answer_index]), 2] += 1
        if one.chosen is not None:
            by_label[place, known.index(one.labels[one.chosen]), 0 if right else 1] += 1
        groups[place, ranks[place] * GROUPS // len(predictions)] = 1, not right
        probabilities = choice_probabilities(one)
        if probabilities is not None:
            truth = np.eye(len(probabilities))[one.answer_index]
            rows[place, [WITH_PROBABILITIES, BRIER]] = 1, np.square(probabilities - truth).sum()
            rows[place, RIGHT_NORMALISED] = _normalised_choice(one) == one.answer_index
            # A bin holds its upper end, as in the error's definition.
            bin = int(np.clip(np.ceil(probabilities.max() * BINS) - 1, 0, BINS - 1))
            bins[place, bin] = probabilities.max(), right
    parts = [part.reshape(len(predictions), -1) for part in (by_label, bins, groups)]
    return ChoiceStatistics(
        np.concatenate([rows, *parts], 1),
        known,
        has_probabilities=bool(rows[:, WITH_PROBABILITIES].any()),
        has_confidence=bool(np.isfinite(confidences).any()),
    )


def choice_probabilities(prediction: ChoicePrediction) -> np.ndarray | None:
    """Return the probabilities of a question's labels, which add up to 1, or None without log-likelihoods."""
    if prediction.log_likelihoods is None:
        return None
    values = np.array(prediction.log_likelihoods)
    weights = np.exp(values - values.max())
    return weights / weights.sum()


def risk_coverage(groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return coverage and risk, each [..., GROUPS], up to and with each group.

    Args:
        groups: questions and wrong answers of each group, from the most confident one on, [..., GROUPS, 2].
    """
    added = groups.cumsum(-2)
    total = np.maximum(added[..., -1:, 0], 1)
    return added[..., 0] / total, added[..., 1] / np.maximum(added[..., 0], 1)


def _macro_f1(by_label: np.ndarray) -> np.ndarray:
    """Return the mean F1 of the labels that are right or chosen somewhere, [...]."""
    right, wrong, missed = by_label[..., 0], by_label[..., 1], by_label[..., 2]
    held = 2 * right + wrong + missed
    f1 = 2 * right / np.maximum(held, 1)
    return f1.sum(-1) / np.maximum((held > 0).sum(-1), 1)


def _confidence(prediction: ChoicePrediction) -> float:
    """Return how sure a model is: the probability of its label, or else of its text; -inf where it gave no choice."""
    probabilities = choice_probabilities(prediction)
    if prediction.chosen is None:
        return -np.inf
    if probabilities is not None:
        return float(np.log(probabilities.max()))
    return -np.inf if prediction.log_probability is None else prediction.log_probability


def _normalised_choice(prediction: ChoicePrediction) -> int:
    values = prediction.log_likelihoods or ()
    return max(range(len(values)), key=lambda place: values[place] / len(prediction.labels[place]))
