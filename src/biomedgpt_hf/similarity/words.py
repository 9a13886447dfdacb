"""Words of questions: when two questions are the same, and which three-word sequences they have in common."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import numpy as np

from biomedgpt_hf.similarity.hashing import FACTOR, digest, distinct, scatter

WORDS = 3


def plain_words(text: str) -> str:
    """Return the words of a text in lower case, with one space between them, or the text if it has no words."""
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold())) or text


def word_sequences(words: str) -> np.ndarray:
    """Return numbers for the distinct sequences of three words, uint64 [F]; a shorter text is one itself."""
    numbers = np.array([_word_number(word) for word in words.split()] or [digest(words)], dtype=np.uint64)
    length = min(WORDS, len(numbers))
    sequences = np.zeros(len(numbers) - length + 1, dtype=np.uint64)
    for offset in range(length):
        sequences = scatter(sequences * FACTOR + numbers[offset : offset + len(sequences)])
    return distinct(sequences)


@lru_cache(maxsize=100_000)
def _word_number(word: str) -> int:
    return digest(word)
