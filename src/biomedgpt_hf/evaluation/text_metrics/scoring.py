"""The statistics of each row, and the six scores out of their sums."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from biomedgpt_hf.disk.workers import available_cores, map_in_order
from biomedgpt_hf.evaluation.text_metrics.bleu import bleu
from biomedgpt_hf.evaluation.text_metrics.counting import METEOR, ROUGE, ROWS, PairCounter, SplitPairs
from biomedgpt_hf.evaluation.text_metrics.meteor import WordFormReader
from biomedgpt_hf.evaluation.text_metrics.rouge import load_words
from biomedgpt_hf.evaluation.text_metrics.splitting import Splitter
from biomedgpt_hf.evaluation.text_metrics.word_pieces import LEADING, SCIBERT, WordPieces
from biomedgpt_hf.evaluation.text_metrics.wordnet import load_wordnet, wordnet_version

CHUNK = 2048  # pairs that are counted together, some tenths of a second
BLOCK = 128 * CHUNK  # pairs that are held in memory as numbers


class TextScorer:
    """Scores texts in MolT5's protocol; made once, since WordNet and the vocabulary take seconds to load.

    Args:
        tokenizer: SciBERT's vocabulary: a folder, a name on the Hub, or a loaded tokenizer.
        wordnet: True for METEOR with synonyms, False for the variant without them, `meteor_no_wordnet`.
        processes: how many processes count where there are many texts; None is as many as there are processor cores.

    Raises:
        MissingWordNetError: WordNet is not on this machine.
        MissingVocabularyError: the vocabulary is not in that place.
        ModuleNotFoundError: nltk or rouge_score is not installed.
    """

    def __init__(
        self, tokenizer: str | os.PathLike | Any = SCIBERT, *, wordnet: bool = True, processes: int | None = None
    ) -> None:
        words = load_words()
        self._wordnet = load_wordnet() if wordnet else None
        self._forms = WordFormReader(self._wordnet)
        self._pieces = WordPieces(tokenizer)
        self._splitter = Splitter(self._pieces, words)
        self._processes = processes or available_cores()
        self.meteor_name = meteor_name(wordnet)

    def statistics(self, predictions: Sequence[str], references: Sequence[str]) -> np.ndarray:
        """Compute what the scores need of each row; the same whatever the number of processes.

        Args:
            predictions: N texts.
            references: N texts, in the same order.

        Returns:
            float64 [N, 15]: BLEU's counts (see `bleu_counts`), the F-measures of ROUGE-1, ROUGE-2 and ROUGE-L,
            METEOR, and a one. Sums of them over rows give the scores.

        Raises:
            ValueError: the lengths differ, or something is not a text.
            OSError: a process that counts died.
        """
        _check(predictions, references)
        rows = zip((text.removeprefix(LEADING) for text in predictions), references, strict=True)
        numbers: dict[tuple[str, str], int] = {}
        places = [numbers.setdefault(pair, len(numbers)) for pair in rows]  # equal pairs are scored once
        pairs = iter(numbers)
        tables = [self._count(block) for block in iter(lambda: list(islice(pairs, BLOCK)), [])]
        return np.concatenate(tables)[places]

    def _count(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        """Return the statistics of pairs."""
        texts = list(dict.fromkeys(text for pair in pairs for text in pair))
        split = dict(zip(texts, self._splitter(texts), strict=True))
        self._forms.read(islice(self._splitter.piece_numbers, len(self._forms.forms.words), None))

        def chunks() -> Iterator[SplitPairs]:
            for start in range(0, len(pairs), CHUNK):
                predictions, references = zip(*pairs[start : start + CHUNK], strict=True)
                yield SplitPairs.of([split[text] for text in predictions], [split[text] for text in references])

        counted = map_in_order(PairCounter(self._forms.forms), chunks(), self._processes, bare=True)
        return np.concatenate(list(counted))

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
