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
MISSED = -1  # stands for a choice that was not made
SMALLEST = 1e-300


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
    count = len(predictions)
    answers = np.array([one.answer_index for one in predictions])
    chosen = np.array([MISSED if one.chosen is None else one.chosen for one in predictions])
    right = chosen == answers
    probabilities, normalised = _probabilities(predictions)
    best = probabilities.max(1)
    scored = best > 0
    confidences = np.where(scored, np.log(np.maximum(best, SMALLEST)), _text_confidences(predictions))
    confidences[chosen == MISSED] = -np.inf
    ranks = np.searchsorted(np.sort(-confidences), -confidences, side="left")

    rows = np.zeros((count, PLAIN))
    rows[:, ASKED], rows[:, RIGHT], rows[:, MISSING] = 1, right, chosen == MISSED
    rows[:, WITH_PROBABILITIES] = scored
    truth = np.arange(probabilities.shape[1]) == answers[:, None]
    rows[:, BRIER] = np.where(scored, np.square(probabilities - truth).sum(1), 0)
    rows[:, RIGHT_NORMALISED] = scored & (normalised == answers)
    bins = np.zeros((count, BINS, 2))
    # A bin holds its upper end, as in the error's definition.
    bin_of = np.clip(np.ceil(best * BINS) - 1, 0, BINS - 1).astype(int)
    bins[scored, bin_of[scored]] = np.stack([best, right], 1)[scored]
    groups = np.zeros((count, GROUPS, 2))
    groups[np.arange(count), ranks * GROUPS // count] = np.stack([np.ones(count), ~right], 1)
    parts = [part.reshape(count, -1) for part in (_by_label(predictions, known), bins, groups)]
    return ChoiceStatistics(
        np.concatenate([rows, *parts], 1),
        known,
        has_probabilities=bool(scored.any()),
        has_confidence=bool(np.isfinite(confidences).any()),
    )


def _by_label(predictions: Sequence[ChoicePrediction], known: Sequence[str]) -> np.ndarray:
    """Return for each label whether it was rightly chosen, wrongly chosen, and missed, float64 [N, L, 3]."""
    numbers = {label: number for number, label in enumerate(known)}
    table = np.zeros((len(predictions), len(known), 3))
    for place, one in enumerate(predictions):
        right = one.chosen == one.answer_index
        if not right:
            table[place, numbers[one.labels[one.answer_index]], 2] = 1
        if one.chosen is not None:
            table[place, numbers[one.labels[one.chosen]], 0 if right else 1] = 1
    return table


def _probabilities(predictions: Sequence[ChoicePrediction]) -> tuple[np.ndarray, np.ndarray]:
    """Return the probabilities of each question's labels, and which label is best by its length.

    Returns:
        float64 [N, largest number of labels], a row of zeros without log-likelihoods; int64 [N].
    """
    sizes = np.array([len(one.labels) for one in predictions])
    scored = np.array([one.log_likelihoods is not None for one in predictions])
    values = np.full((len(predictions), sizes.max()), -np.inf)
    lengths = np.ones(values.shape)
    for size in np.unique(sizes[scored]):
        places = np.flatnonzero(scored & (sizes == size)).tolist()
        values[places, :size] = [predictions[place].log_likelihoods for place in places]
        lengths[places, :size] = [[len(label) for label in predictions[place].labels] for place in places]
    weights = np.exp(values - np.where(scored, values.max(1), 0)[:, None])
    total = weights.sum(1, keepdims=True)
    return weights / np.where(total > 0, total, 1), (values / lengths).argmax(1)


def _text_confidences(predictions: Sequence[ChoicePrediction]) -> np.ndarray:
    """Return the log-probabilities of what was written, float64 [N]; -inf where nothing was."""
    return np.array([-np.inf if one.log_probability is None else one.log_probability for one in predictions])


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
