"""METEOR as NLTK computes it on word pieces (Banerjee and Lavie, 2005; α 0.9, β 3, γ 0.5).

Stems and synonyms come from NLTK and WordNet, once for each word: a data set has few words and many sentences. The
alignment is NLTK's rule on numbers in the place of words: equal words first, then equal stems, then synonyms, always
from the last piece of the prediction to the first, each with the last piece of the reference that is still free.

Shape letters:  N pairs
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np

from biomedgpt_hf.evaluation.text_metrics.ngrams import Ragged
from biomedgpt_hf.extras import missing_package

ALPHA, BETA, GAMMA = 0.9, 3.0, 0.5
ALONE = -2  # no place follows it


@dataclass(frozen=True)
class WordForms:
    """What METEOR knows of pieces, all of it in numbers, so that it travels to other processes.

    Attributes:
        words: for each piece the number of its word in lower case.
        stems: for each word the number of its stem.
        synonyms: for each stem the numbers of its synonyms; as in NLTK they are looked up, and found, among stems.
    """

    words: list[int] = field(default_factory=list)
    stems: dict[int, int] = field(default_factory=dict)
    synonyms: dict[int, frozenset[int]] = field(default_factory=dict)


class WordFormReader:
    """Looks up the words, stems and synonyms of pieces.

    Args:
        wordnet: an open WordNet (see `load_wordnet`), or None for the score without synonyms, which is another
            metric and goes by the name meteor_no_wordnet.

    Attributes:
        forms: of all pieces that were read.

    Raises:
        ModuleNotFoundError: nltk is not installed.
    """

    def __init__(self, wordnet: Any | None) -> None:
        try:
            from nltk.stem.porter import PorterStemmer
        except ImportError as error:
            raise ModuleNotFoundError(missing_package("nltk", "evaluation")) from error
        self._stem = PorterStemmer().stem
        self._wordnet = wordnet
        self._numbers: dict[str, int] = {}
        self.forms = WordForms()

    def read(self, pieces: Iterable[str]) -> None:
        """Take in further pieces; their numbers follow those of the pieces before."""
        for piece in pieces:
            word = piece.lower()  # as NLTK does with each of them
            number = self._number(word)
            if number not in self.forms.stems:
                text = self._stem(word)
                stem = self.forms.stems[number] = self._number(text)
                if stem not in self.forms.synonyms:
                    self.forms.synonyms[stem] = self._synonyms(text)
            self.forms.words.append(number)

    def _synonyms(self, stem: str) -> frozenset[int]:
        if self._wordnet is None:
            return frozenset()
        names = {lemma.name() for synset in self._wordnet.synsets(stem) for lemma in synset.lemmas()}
        return frozenset(self._number(name) for name in names if "_" not in name)

    def _number(self, text: str) -> int:
        return self._numbers.setdefault(text, len(self._numbers))


def meteor(predictions: Ragged, references: Ragged, forms: WordForms) -> np.ndarray:
    """Score pairs of texts that are split into pieces.

    Args:
        predictions: the pieces of N predictions, as numbers.
        references: the pieces of their references.
        forms: of all these pieces.

    Returns:
        scores, 0 to 1, float64 [N]; 0 where either has no pieces.
    """
    words = np.array(forms.words, np.int64)
    texts = (Ragged(words[side.tokens], side.lengths).texts() for side in (predictions, references))
    partners = Ragged.of([align(prediction, reference, forms) for prediction, reference in zip(*texts, strict=True)])
    matches, chunks = _matches_and_chunks(partners)
    precision, recall = (matches / np.maximum(side.lengths, 1) for side in (predictions, references))
    mean = precision * recall / np.where(matches > 0, ALPHA * precision + (1 - ALPHA) * recall, 1)
    penalty = GAMMA * (chunks / np.maximum(matches, 1)) ** BETA
    return (1 - penalty) * mean


def align(prediction: Sequence[int], reference: Sequence[int], forms: WordForms) -> list[int]:
    """Return for each word of a prediction the place of its partner in the reference, or `ALONE`."""
    partners = [ALONE] * len(prediction)
    free: dict[int, list[int]] = {}
    for place, word in enumerate(reference):
        free.setdefault(word, []).append(place)
    left = []
    for place in range(len(prediction) - 1, -1, -1):
        if places := free.get(prediction[place]):
            partners[place] = places.pop()
        else:
            left.append(place)
    if left and len(prediction) - len(left) < len(reference):
        _align_forms(prediction, reference, left, sorted(chain.from_iterable(free.values())), forms, partners)
    return partners


def _align_forms(
    prediction: Sequence[int],
    reference: Sequence[int],
    left: Sequence[int],
    free: Sequence[int],
    forms: WordForms,
    partners: list[int],
) -> None:
    """Give partners to words that have none yet: of the same stem, or else synonyms.

    Args:
        prediction: words.
        reference: words.
        left: places of the prediction without a partner, from the last to the first.
        free: places of the reference without a partner, from the first to the last.
        forms: of the words.
        partners: where they are written.
    """
    by_stem: dict[int, list[int]] = {}
    for place in free:
        by_stem.setdefault(forms.stems[reference[place]], []).append(place)

    def take(place: int, stem: int) -> None:
        partners[place] = by_stem[stem].pop()
        if not by_stem[stem]:
            del by_stem[stem]

    others = []
    for place in left:
        stem = forms.stems[prediction[place]]
        if stem in by_stem:
            take(place, stem)
        else:
            others.append((place, forms.synonyms[stem]))
    for place, synonyms in others:
        if not synonyms.isdisjoint(by_stem):
            take(place, max((stem for stem in synonyms if stem in by_stem), key=lambda stem: by_stem[stem][-1]))


def _matches_and_chunks(partners: Ragged) -> tuple[np.ndarray, np.ndarray]:
    """Count for each pair the words with a partner, and the chunks that they form: runs that stand alike in both texts.

    Returns:
        two arrays, int64 [N].
    """
    places = partners.tokens
    before = np.concatenate([[ALONE], places[:-1]])
    starts = partners.lengths.cumsum() - partners.lengths
    before[starts[partners.lengths > 0]] = ALONE
    pair = np.repeat(np.arange(len(partners.lengths)), partners.lengths)
    matched = places != ALONE
    begins = matched & (places != before + 1)
    pairs = len(partners.lengths)
    return np.bincount(pair[matched], minlength=pairs), np.bincount(pair[begins], minlength=pairs)
