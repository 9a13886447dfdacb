"""METEOR against NLTK's own."""

import random
from typing import NamedTuple

import numpy as np
import pytest

from biomedgpt_hf.evaluation.text_metrics.meteor import WordFormReader, meteor
from biomedgpt_hf.evaluation.text_metrics.ngrams import Ragged

nltk = pytest.importorskip("nltk")

# Words whose stems and synonyms meet in many ways; synonyms are looked up among stems, so "run" has them, not "runs".
WORDS = "run runs running Run jog sprint sprints acid acids sour the The of ##s [UNK] 7".split()
SYNSETS = {
    "run": [["jog", "sprint"], ["operate", "work_on"]],
    "acid": [["sour", "LSD"]],
    "jog": [["run"]],
    "7": [["7"]],
}


class Lemma(NamedTuple):
    text: str

    def name(self):
        return self.text


class Synset(NamedTuple):
    names: list

    def lemmas(self):
        return [Lemma(name) for name in self.names]


class SmallWordNet:
    def synsets(self, word):
        return [Synset(names) for names in SYNSETS.get(word, ())]


def ours(predictions, references, wordnet):
    numbers: dict[str, int] = {}
    sides = [
        Ragged.of([[numbers.setdefault(word, len(numbers)) for word in text] for text in side])
        for side in (predictions, references)
    ]
    reader = WordFormReader(wordnet)
    reader.read(list(numbers)[:3])
    reader.read(list(numbers)[3:])
    return meteor(*sides, reader.forms)


def theirs(prediction, reference, wordnet):
    from nltk.translate.meteor_score import single_meteor_score

    return single_meteor_score(reference, prediction, wordnet=wordnet) if prediction and reference else 0.0


@pytest.mark.parametrize("longest", [3, 12, 60])
def test_every_score_is_that_of_nltk(longest):
    chance = random.Random(longest)
    sides = [[chance.choices(WORDS, k=chance.randrange(longest + 1)) for _ in range(300)] for _ in range(2)]
    wordnet = SmallWordNet()
    expected = [theirs(*pair, wordnet) for pair in zip(*sides, strict=True)]
    np.testing.assert_allclose(ours(*sides, wordnet), expected, rtol=0, atol=1e-12)
    assert 0 < np.mean(expected) < 1


def test_the_last_free_partner_is_taken():
    pair = [["acid", "run"]], [["sour", "jog", "sprint"]]
    assert ours(*pair, SmallWordNet()) == pytest.approx(theirs(pair[0][0], pair[1][0], SmallWordNet()), abs=1e-12)


def test_without_synonyms_only_words_and_stems_match():
    found = ours([["runs"], ["jog"]], [["running"], ["sprint"]], None)
    assert found.tolist() == [0.5, 0.0]
