"""The signs of an answer: numbers that a line of predictions holds, and that tell how likely the answer is right.

mean_log_probability   natural log-probability of the answer, divided by its words and one more for its end
log_words              natural logarithm of its words and one more
similarity             of the nearest known item, 0 where nothing known is similar; only where some were looked up
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

# Under what conditions answers are given. Each has a fit of its own, since the same signs mean other things in each.
ALONE = "alone"  # no known items were looked up
KNOWN = "known"  # the nearest known items stand beside the answer
IN_PROMPT = "in_prompt"  # the model has read them
CONDITIONS = {
    ALONE: "alone (no known items were looked up)",
    KNOWN: "known items beside the answer",
    IN_PROMPT: "known items in the prompt",
}
ENCODED, AS_TEXT = "encoded", "as text"  # how items come to a model
OF_WORDS = ("mean_log_probability", "log_words")
SIGNS = {ALONE: OF_WORDS, KNOWN: (*OF_WORDS, "similarity"), IN_PROMPT: (*OF_WORDS, "similarity")}


class Known(NamedTuple):
    """What was known of the items of a question.

    Attributes:
        similarity: of the nearest known item, 0 to 1; 0 where none is similar.
        in_prompt: whether the model read what is known of one of them.
    """

    similarity: float
    in_prompt: bool


def nearest_known(neighbours: Iterable[tuple[float, bool, bool]] | None) -> Known | None:
    """Return what was known of the items of a question; None where nothing was looked up.

    Args:
        neighbours: of each known item that was found its similarity, whether it is the same item, and whether the model
            read what is known of it.
    """
    if neighbours is None:
        return None
    found = list(neighbours)
    similarity = max((1.0 if same else similarity for similarity, same, _ in found), default=0.0)
    return Known(similarity, any(in_prompt for _, _, in_prompt in found))


def condition_of(known: Known | None) -> str:
    """Return under which of `CONDITIONS` an answer was given."""
    if known is None:
        return ALONE
    return IN_PROMPT if known.in_prompt else KNOWN


def mean_log_probability(answer: str, log_probability: float) -> float:
    """Return the natural log-probability of an answer, divided by its words and one more for its end."""
    return log_probability / (len(answer.split()) + 1)


def signs_of(answer: str, log_probability: float, known: Known | None) -> tuple[float, ...]:
    """Return the signs of an answer, in the order of `SIGNS`: three where known items were looked up, else two.

    Args:
        answer: the model's own words.
        log_probability: sum of the natural log-probabilities of its tokens, its end included.
        known: what was known of the items; None where nothing was looked up.
    """
    words = (mean_log_probability(answer, log_probability), math.log(len(answer.split()) + 1))
    return words if known is None else (*words, known.similarity)
