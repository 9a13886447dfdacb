"""Questions by their words: when two are the same, and the three-word sequences that two have in common."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import numpy as np

from biomedgpt_hf.similarity.hashing import FACTOR, digest, distinct, scatter

WORDS = 3


def plain_words(text: str) -> str:
    """Return the words of a text in lower case, one space between them; a text without words as it is."""
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
