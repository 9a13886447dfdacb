"""Does an answer follow the content or the letter? What becomes of answers where choices stand in other orders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from biomedgpt_hf.evaluation.multiple_choice.predictions import ChoicePrediction
from biomedgpt_hf.evaluation.resampling import RESAMPLES, estimate

# Columns of a question's statistics.
PAIRS, SAME_CONTENT, SAME_LETTER, ASKED, RIGHT, QUESTIONS, STEADY, ALWAYS_RIGHT = range(8)


def score_shuffles(
    predictions: Sequence[ChoicePrediction], *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Any] | None:
    """Score how answers change with the order of the choices.

    Args:
        predictions: of all orders.
        resamples: how many sets are drawn for the intervals.
        seed: of the draw.

    Returns:
        None where no question was asked in several orders. Otherwise the number of such `questions` and of `orders`,
        and, each as {"value", "low", "high"}:

        follows_content: how often the answer in another order is the same choice. A model that knows has 1.
        follows_letter: how often it is the same letter. A model that always says the same letter has 1.
        neither: the rest, an answer that was not given (N/A) among them. A model that guesses has (n - 2) / n.
        accuracy: over all orders.
        accuracy_always: how many questions are answered rightly in every order.
        steady: how many questions get the same choice in every order.

        and as plain numbers `accuracy_by_letter`, where the right choice stands behind each letter, and
        `letters_chosen`, the share of each.
    """
    groups: dict[str, list[ChoicePrediction]] = defaultdict(list)
    for prediction in predictions:
        groups[prediction.id].append(prediction)
    shuffled = [sorted(group, key=lambda one: one.number) for group in groups.values() if len(group) > 1]
    if not shuffled:
        return None
    table = np.array([_statistics(group) for group in shuffled])
    units = [group[0].unit for group in shuffled]
    scores = estimate(table, units, _scores, resamples=resamples, seed=seed)
    every = [one for group in shuffled for one in group]
    return {
        "questions": len(shuffled),
        "orders": len(every),
        **{name: value._asdict() for name, value in scores.items()},
        **_by_letter(every),
    }


def _statistics(group: Sequence[ChoicePrediction]) -> list[float]:
    first, *others = group
    found = [0.0] * 8
    for other in others:
        given = first.chosen is not None and other.chosen is not None
        found[SAME_CONTENT] += given and other.chosen_content == first.chosen_content
        found[SAME_LETTER] += given and other.chosen == first.chosen
        found[PAIRS] += 1
    right = [one.chosen == one.answer_index for one in group]
    contents = {one.chosen_content for one in group}
    found[ASKED], found[RIGHT] = len(group), sum(right)
    found[QUESTIONS], found[STEADY] = 1, len(contents) == 1 and None not in contents
    found[ALWAYS_RIGHT] = all(right)
    return found


def _scores(sums: np.ndarray) -> Mapping[str, np.ndarray]:
    pairs, questions = np.maximum(sums[..., PAIRS], 1), np.maximum(sums[..., QUESTIONS], 1)
    content, letter = sums[..., SAME_CONTENT] / pairs, sums[..., SAME_LETTER] / pairs
    return {
        "follows_content": content,
        "follows_letter": letter,
        "neither": 1 - content - letter,
        "accuracy": sums[..., RIGHT] / np.maximum(sums[..., ASKED], 1),
        "accuracy_always": sums[..., ALWAYS_RIGHT] / questions,
        "steady": sums[..., STEADY] / questions,
    }


def _by_letter(predictions: Sequence[ChoicePrediction]) -> dict[str, dict[str, float]]:
    letters = sorted({label for one in predictions for label in one.labels})
    accuracy, share = {}, {}
    for letter in letters:
        there = [one for one in predictions if one.labels[one.answer_index] == letter]
        right = sum(one.chosen == one.answer_index for one in there)
        accuracy[letter] = right / len(there) if there else 0.0
        chosen = sum(one.chosen is not None and one.labels[one.chosen] == letter for one in predictions)
        share[letter] = chosen / len(predictions)
    return {"accuracy_by_letter": accuracy, "letters_chosen": share}
