"""BLEU over a whole set as NLTK's `corpus_bleu` computes it, without smoothing, from counts that add up over rows.

Papineni et al., 2002. Counts that add up are what intervals and paired tests need: a resampled set costs a sum, not
another look at its texts.
"""

from __future__ import annotations

import sys

import numpy as np

from biomedgpt_hf.evaluation.text_metrics.ngrams import Ragged, shared_ngrams

ORDERS = 4
# Matches and totals of each order, then the lengths of prediction and reference.
COUNTS = 2 * ORDERS + 2


def bleu_counts(predictions: Ragged, references: Ragged) -> np.ndarray:
    """Count what BLEU needs of each pair.

    Args:
        predictions: the pieces of N predictions, as numbers.
        references: the pieces of their references.

    Returns:
        int64 [N, 10]: matched n-grams for n = 1…4, n-grams of the prediction for n = 1…4, pieces of the prediction and
        of the reference. As in NLTK, a prediction that is too short for an n-gram counts one of them.
    """
    totals = np.maximum(1, predictions.lengths[:, None] - np.arange(ORDERS))
    matches = shared_ngrams(predictions, references, ORDERS)
    return np.column_stack([matches, totals, predictions.lengths, references.lengths])


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
