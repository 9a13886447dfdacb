"""What the scores need of each pair of texts, counted on numbers alone, so that other processes can do it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from biomedgpt_hf.evaluation.text_metrics.bleu import COUNTS, bleu_counts
from biomedgpt_hf.evaluation.text_metrics.meteor import WordForms, meteor
from biomedgpt_hf.evaluation.text_metrics.ngrams import Ragged
from biomedgpt_hf.evaluation.text_metrics.rouge import rouge
from biomedgpt_hf.evaluation.text_metrics.splitting import Split

# Columns behind BLEU's counts.
ROUGE, METEOR, ROWS = slice(COUNTS, COUNTS + 3), COUNTS + 3, COUNTS + 4
WIDTH = COUNTS + 5


class SplitPairs(NamedTuple):
    """N predictions and references as numbers: their pieces, which BLEU and METEOR compare, and words, for ROUGE."""

    pieces: Ragged
    expected_pieces: Ragged
    words: Ragged
    expected_words: Ragged

    @classmethod
    def of(cls, predictions: Sequence[Split], references: Sequence[Split]) -> SplitPairs:
        """Return pairs that are given one by one."""
        sides = [Ragged.of([split[kind] for split in side]) for kind in (0, 1) for side in (predictions, references)]
        return cls(*sides)


class PairCounter:
    """Counts; it travels to other processes once.

    Args:
        forms: of all pieces that it will see.
    """

    def __init__(self, forms: WordForms) -> None:
        self._forms = forms

    def __call__(self, pairs: SplitPairs) -> np.ndarray:
        """Return what `TextScorer.statistics` returns of these pairs, float64 [N, 15]."""
        table = np.ones((len(pairs.pieces.lengths), WIDTH))
        table[:, :COUNTS] = bleu_counts(pairs.pieces, pairs.expected_pieces)
        table[:, ROUGE] = rouge(pairs.words, pairs.expected_words)
        table[:, METEOR] = meteor(pairs.pieces, pairs.expected_pieces, self._forms)
        return table
