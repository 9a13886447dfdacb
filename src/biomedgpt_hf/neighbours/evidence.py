"""What is known of the nearest items, as text: which of their texts answers a question."""

from __future__ import annotations

from collections.abc import Sequence

from biomedgpt_hf.neighbours.neighbour import Text
from biomedgpt_hf.similarity.words import plain_words


def most_alike(question: str, texts: Sequence[Text]) -> Text | None:
    """Return the text with the same question, or else the text whose question has most words in common.

    Words in common are counted as a share of all words of both questions, without case and punctuation. Of equally
    good texts, the first is returned.
    """
    words = set(plain_words(question).split())

    def alike(text: Text) -> tuple[bool, float]:
        others = set(plain_words(text.question).split())
        return text.question == question, len(words & others) / max(1, len(words | others))

    return max(texts, key=alike, default=None)
