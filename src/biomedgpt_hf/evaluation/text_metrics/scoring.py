"""The statistics of each row, and the six scores out of their sums."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from biomedgpt_hf.evaluation.text_metrics.bleu import COUNTS, bleu, bleu_counts
from biomedgpt_hf.evaluation.text_metrics.meteor import Meteor
from biomedgpt_hf.evaluation.text_metrics.rouge import load_words, rouge
from biomedgpt_hf.evaluation.text_metrics.word_pieces import LEADING, SCIBERT, WordPieces
from biomedgpt_hf.evaluation.text_metrics.wordnet import load_wordnet, wordnet_version

# Columns behind BLEU's counts.
ROUGE, METEOR, ROWS = slice(COUNTS, COUNTS + 3), COUNTS + 3, COUNTS + 4
WIDTH = COUNTS + 5
_TEXTS_AT_ONCE = 4096


class TextScorer:
    """Scores texts in MolT5's protocol; made once, since WordNet and the vocabulary take seconds to load.

    Args:
        tokenizer: SciBERT's vocabulary: a folder, a name on the Hub, or a loaded tokenizer.
        wordnet: True for METEOR with synonyms, False for the variant without them, `meteor_no_wordnet`.

    Raises:
        MissingWordNetError: WordNet is not on this machine.
        MissingVocabularyError: the vocabulary is not in that place.
        ModuleNotFoundError: nltk or rouge_score is not installed.
    """

    def __init__(self, tokenizer: str | os.PathLike | Any = SCIBERT, *, wordnet: bool = True) -> None:
        self._words = load_words()
        self._wordnet = load_wordnet() if wordnet else None
        self._meteor = Meteor(self._wordnet)
        self._pieces = WordPieces(tokenizer)
        self.meteor_name = meteor_name(wordnet)

    def statistics(self, predictions: Sequence[str], references: Sequence[str]) -> np.ndarray:
        """Compute what the scores need of each row.

        Args:
            predictions: N texts.
            references: N texts, in the same order.

        Returns:
            float64 [N, 15]: BLEU's counts (see `bleu_counts`), the F-measures of ROUGE-1, ROUGE-2 and ROUGE-L,
            METEOR, and a one. Sums of them over rows give the scores.

        Raises:
            ValueError: the lengths differ, or something is not a text.
        """
        _check(predictions, references)
        predictions = [text.removeprefix(LEADING) for text in predictions]
        table = np.empty((len(predictions), WIDTH))
        known: dict[tuple[str, str], np.ndarray] = {}
        for start in range(0, len(predictions), _TEXTS_AT_ONCE):
            pairs = list(zip(predictions, references, strict=True))[start : start + _TEXTS_AT_ONCE]
            new = [pair for pair in dict.fromkeys(pairs) if pair not in known]
            texts = list(dict.fromkeys(text for pair in new for text in pair))
            pieces = dict(zip(texts, self._pieces(texts), strict=True))
            words = {text: self._words(text) for text in texts}
            for pair in new:
                known[pair] = self._row(*(pieces[text] for text in pair), *(words[text] for text in pair))
            table[start : start + len(pairs)] = [known[pair] for pair in pairs]
        return table

    def _row(self, pieces: list[str], expected_pieces: list[str], words: list[str], expected: list[str]) -> np.ndarray:
        counts = bleu_counts(pieces, expected_pieces)
        return np.array([*counts, *rouge(words, expected), self._meteor(pieces, expected_pieces), 1.0])

    def scores(self, sums: np.ndarray) -> dict[str, np.ndarray]:
        """Compute the scores out of statistics that are added up over rows.

        Args:
            sums: float64 [..., 15].

        Returns:
            bleu2, bleu4, rouge1, rouge2, rougeL and meteor, each float64 [...].
        """
        return scores_of(sums, self.meteor_name)

    def versions(self) -> dict[str, Any]:
        """Return what a score depends on: tokenizer, WordNet, and the packages that count."""
        return {
            "protocol": "molt5",
            "tokenizer": self._pieces.version(),
            "wordnet": wordnet_version(self._wordnet) if self._wordnet is not None else None,
            **{package: importlib.metadata.version(package) for package in ("nltk", "rouge-score")},
        }


def meteor_name(wordnet: bool) -> str:
    """Return what METEOR is called: without synonyms it is another metric."""
    return "meteor" if wordnet else "meteor_no_wordnet"


def scores_of(sums: np.ndarray, meteor: str = "meteor") -> dict[str, np.ndarray]:
    """Compute the scores out of statistics that are added up over rows; see `TextScorer.scores`."""
    means = sums / np.maximum(sums[..., ROWS, None], 1)
    rouges = means[..., ROUGE]
    return {
        "bleu2": bleu(sums, 2),
        "bleu4": bleu(sums, 4),
        **{name: rouges[..., place] for place, name in enumerate(("rouge1", "rouge2", "rougeL"))},
        meteor: means[..., METEOR],
    }


def score_texts(
    predictions: Sequence[str], references: Sequence[str], tokenizer: str | os.PathLike | Any = SCIBERT
) -> dict[str, float]:
    """Score texts as MolT5's evaluator does ("following Edwards et al. 2022"), to 1e-9.

    Args:
        predictions: N texts.
        references: N texts, in the same order.
        tokenizer: SciBERT's uncased vocabulary: a folder that holds `vocab.txt`, a name on the Hub, or a loaded
            tokenizer.

    Returns:
        bleu2, bleu4, rouge1, rouge2, rougeL and meteor, each 0 to 1.

    Raises:
        ValueError: there are no rows, the lengths differ, or something is not a text.
        MissingWordNetError: WordNet is not on this machine.
        MissingVocabularyError: the vocabulary is not in that place.
        ModuleNotFoundError: nltk or rouge_score is not installed.
    """
    _check(predictions, references)
    scorer = TextScorer(tokenizer)
    sums = scorer.statistics(predictions, references).sum(axis=0)
    return {name: float(value) for name, value in scorer.scores(sums).items()}


def _check(predictions: Sequence[str], references: Sequence[str]) -> None:
    if isinstance(predictions, str) or isinstance(references, str):
        raise ValueError("Predictions and references are lists of texts, not one text. Put the text into a list.")
    if len(predictions) != len(references):
        raise ValueError(
            f"There are {len(predictions)} predictions and {len(references)} references. "
            "Give one reference for each prediction, in the same order."
        )
    if not len(predictions):
        raise ValueError("There is nothing to score: predictions and references are empty.")
    for kind, texts in (("Prediction", predictions), ("Reference", references)):
        for position, text in enumerate(texts):
            if not isinstance(text, str):
                raise ValueError(
                    f"{kind} {position} is {text!r}, not a text. Give an empty text where there is no answer."
                )
