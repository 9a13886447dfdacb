"""BLEU over a whole set as NLTK's `corpus_bleu` computes it, without smoothing, from counts that add up over rows.

Papineni et al., 2002. Counts that add up are what intervals and paired tests need: a resampled set costs a sum, not
another look at its texts.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence

import numpy as np

ORDERS = 4
# Matches and totals of each order, then the lengths of prediction and reference.
COUNTS = 2 * ORDERS + 2


def bleu_counts(prediction: Sequence[str], reference: Sequence[str]) -> list[int]:
    """Count what BLEU needs of one pair.

    Args:
        prediction: the prediction's pieces.
        reference: the reference's pieces.

    Returns:
        10 counts: matched n-grams for n = 1…4, n-grams of the prediction for n = 1…4, pieces of the prediction and
        of the reference. As in NLTK, a prediction that is too short for an n-gram counts one of them.
    """
    matches, totals = [], []
    for order in range(1, ORDERS + 1):
        found = _ngrams(prediction, order)
        known = _ngrams(reference, order)
        matches.append(sum(min(count, known[ngram]) for ngram, count in found.items() if ngram in known))
        totals.append(max(1, len(prediction) - order + 1))
    return [*matches, *totals, len(prediction), len(reference)]


def _ngrams(pieces: Sequence[str], order: int) -> Counter[object]:
    if order == 1:
        return Counter(pieces)
    return Counter(zip(*(pieces[start:] for start in range(order)), strict=False))


def bleu(sums: np.ndarray, order: int) -> np.ndarray:
    """Compute BLEU with equal weights up to an order.

    Args:
        sums: counts of `bleu_counts`, added up over rows, float64 [..., 10].
        order: 1 to 4: the longest n-gram.

    Returns:
        the score, 0 to 1, float64 [...].
    """
    matches, totals = sums[..., :order], sums[..., ORDERS : ORDERS + order]
    produced, expected = sums[..., 2 * ORDERS], sums[..., 2 * ORDERS + 1]
    # NLTK puts the smallest float in the place of a precision of zero.
    precisions = np.where(matches > 0, matches / np.maximum(totals, 1), sys.float_info.min)
    brevity = np.where(produced > expected, 1.0, np.exp(1 - expected / np.maximum(produced, 1)))
    score = brevity * np.exp(np.log(precisions).mean(axis=-1))
    return np.where(sums[..., 0] > 0, score, 0.0)
