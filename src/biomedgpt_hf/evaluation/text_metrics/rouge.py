"""ROUGE-1, ROUGE-2 and ROUGE-L as the package rouge_score computes them without its stemmer (Lin, 2004).

Words are split by rouge_score itself. Counting is done here: n-grams for many pairs at once, and the longest common
subsequence bit by bit in whole integers instead of in a table (Hyyrö, 2004), which takes a fraction of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from biomedgpt_hf.evaluation.text_metrics.ngrams import Ragged, shared_ngrams
from biomedgpt_hf.extras import missing_package


def load_words() -> Callable[[str], list[str]]:
    """Return the function that splits a text into words as rouge_score does.

    Raises:
        ModuleNotFoundError: rouge_score is not installed.
    """
    try:
        from rouge_score.tokenize import tokenize
    except ImportError as error:
        raise ModuleNotFoundError(missing_package("rouge-score", "evaluation")) from error
    return lambda text: tokenize(text, None)


def rouge(predictions: Ragged, references: Ragged) -> np.ndarray:
    """Score the words of predictions against those of their references.

    Args:
        predictions: the words of N predictions, as numbers.
        references: the words of their references.

    Returns:
        F-measures of ROUGE-1, ROUGE-2 and ROUGE-L, each 0 to 1, float64 [N, 3]; 0 where either has no words.
    """
    shared = shared_ngrams(predictions, references, 2)
    pairs = zip(predictions.texts(), references.texts(), shared[:, 0].tolist(), strict=True)
    longest = [common_subsequence(one, other) if common > 1 else common for one, other, common in pairs]
    n, m = predictions.lengths, references.lengths
    columns = (shared[:, 0], n, m), (shared[:, 1], n - 1, m - 1), (np.array(longest), n, m)
    return np.column_stack([_f_measure(*column) for column in columns])


def _f_measure(matched: np.ndarray, predicted: np.ndarray, expected: np.ndarray) -> np.ndarray:
    precision, recall = matched / np.maximum(predicted, 1), matched / np.maximum(expected, 1)
    return np.where(matched > 0, 2 * precision * recall / np.maximum(precision + recall, 1e-300), 0.0)


def common_subsequence(first: Sequence[int], second: Sequence[int]) -> int:
    """Return the length of the longest common subsequence of two lists of words."""
    places: dict[int, int] = {}
    for position, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << position
    everything = (1 << len(first)) - 1
    free = everything
    for word in second:
        if word in places:
            matches = free & places[word]
            free = ((free + matches) | (free - matches)) & everything
    return len(first) - free.bit_count()
