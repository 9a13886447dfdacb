"""BLEU, ROUGE and METEOR in MolT5's protocol (see `evaluation.text_metrics`)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from biomedgpt_hf.evaluation.answers import Answered
from biomedgpt_hf.evaluation.safety.questions import TASK as SAFETY
from biomedgpt_hf.evaluation.text_metrics import TextScorer
from biomedgpt_hf.evaluation.text_metrics.counting import WIDTH
from biomedgpt_hf.evaluation.text_metrics.scoring import meteor_name, scores_of
from biomedgpt_hf.evaluation.text_metrics.word_pieces import SCIBERT


class Words:
    """How far the words of an answer are those of its reference.

    Args:
        tokenizer: SciBERT's vocabulary, as `TextScorer` takes it.
        wordnet: False for METEOR without synonyms, under the name meteor_no_wordnet.
        processes: how many count where there are many texts; None is as many as there are processor cores.
    """

    name = "words"
    description = "Shared n-grams (BLEU, ROUGE) and aligned words (METEOR) of answer and reference."
    fails = "A fluent answer that is right about nothing keeps BLEU-2 near .25; length alone moves it."
    in_chunks = False

    def __init__(
        self, tokenizer: str | os.PathLike | Any = SCIBERT, *, wordnet: bool = True, processes: int | None = None
    ) -> None:
        self._tokenizer, self._wordnet, self._processes = tokenizer, wordnet, processes

    @cached_property
    def scorer(self) -> TextScorer:
        """The scorer, loaded when texts are first scored: scores out of kept statistics need no WordNet."""
        return TextScorer(self._tokenizer, wordnet=self._wordnet, processes=self._processes)

    def applies_to(self, row: Answered) -> bool:
        """Return whether the reference is a text that an answer should be like, and not a wanted reaction."""
        return not row.task.startswith(SAFETY)

    def statistics(self, rows: Sequence[Answered]) -> np.ndarray:
        """Return the statistics of `TextScorer`, float64 [N, 15]."""
        if not rows:
            return np.zeros((0, WIDTH))
        return self.scorer.statistics([row.answer for row in rows], [row.reference for row in rows])

    def scores(self, sums: np.ndarray) -> Mapping[str, np.ndarray]:
        """Return bleu2, bleu4, rouge1, rouge2, rougeL and meteor, each [...]."""
        return scores_of(sums, meteor_name(self._wordnet))

    def versions(self) -> Mapping[str, Any]:
        """Return what the scores depend on."""
        return self.scorer.versions()
