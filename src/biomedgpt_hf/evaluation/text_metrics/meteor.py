"""METEOR of NLTK on word pieces (Banerjee and Lavie, 2005; α 0.9, β 3, γ 0.5), with its slow parts remembered.

The alignment and the score are NLTK's own. What it would compute again for every pair, the stem and the synonyms of a
word, is kept, since a data set has few words and many sentences.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

from biomedgpt_hf.extras import missing_package


class _Lemma(NamedTuple):
    word: str

    def name(self) -> str:
        return self.word


class _Synonyms(NamedTuple):
    """All synonyms of a word as one synset, which is all that NLTK's alignment looks at."""

    words: tuple[_Lemma, ...]

    def lemmas(self) -> tuple[_Lemma, ...]:
        return self.words


class Meteor:
    """Scores pairs of texts that are split into pieces.

    Args:
        wordnet: an open WordNet (see `load_wordnet`), or None for the score without synonyms, which is another
            metric and goes by the name meteor_no_wordnet.

    Raises:
        ModuleNotFoundError: nltk is not installed.
    """

    def __init__(self, wordnet: Any | None) -> None:
        try:
            from nltk.stem.porter import PorterStemmer
            from nltk.translate.meteor_score import single_meteor_score
        except ImportError as error:
            raise ModuleNotFoundError(missing_package("nltk", "evaluation")) from error
        self._score = single_meteor_score
        self._wordnet = wordnet
        self.stem = functools.cache(PorterStemmer().stem)
        self.synsets = functools.cache(self._synsets)

    def _synsets(self, word: str) -> tuple[_Synonyms, ...]:
        if self._wordnet is None:
            return ()
        names = {lemma.name(): None for synset in self._wordnet.synsets(word) for lemma in synset.lemmas()}
        return (_Synonyms(tuple(_Lemma(name) for name in names if "_" not in name)),)

    def __call__(self, prediction: Sequence[str], reference: Sequence[str]) -> float:
        """Return the score of one prediction, 0 to 1; 0 where either has no pieces."""
        if not prediction or not reference:
            return 0.0
        # NLTK asks its stemmer for `stem` and its WordNet for `synsets`: both are methods here.
        return float(self._score(reference, prediction, stemmer=self, wordnet=self))
