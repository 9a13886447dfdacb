"""N-grams of many pairs at once, against counting them pair by pair."""

import random
from collections import Counter

import numpy as np
import pytest

from biomedgpt_hf.evaluation.text_metrics.ngrams import Ragged, shared_ngrams


@pytest.mark.parametrize("words", [2, 5, 1000])
def test_shared_ngrams_are_those_of_counters(words):
    chance = random.Random(words)
    sides = [[[chance.randrange(words) for _ in range(chance.randrange(9))] for _ in range(40)] for _ in range(2)]
    found = shared_ngrams(*map(Ragged.of, sides), 4)
    for pair, texts in enumerate(zip(*sides, strict=True)):
        for order in range(1, 5):
            counted = [Counter(zip(*(text[start:] for start in range(order)), strict=False)) for text in texts]
            assert found[pair, order - 1] == (counted[0] & counted[1]).total()


def test_texts_without_words_share_nothing():
    assert shared_ngrams(Ragged.of([[], [1]]), Ragged.of([[], []]), 2).tolist() == [[0, 0], [0, 0]]


def test_an_ngram_does_not_reach_into_the_next_text():
    found = shared_ngrams(Ragged.of([[1], [2]]), Ragged.of([[1, 2], [1, 2]]), 2)
    assert found.tolist() == [[1, 0], [1, 0]]


def test_texts_come_back_as_they_were():
    texts = [[3, 1], [], [2]]
    assert Ragged.of(texts).texts() == texts
    assert Ragged.of(texts).tokens.dtype == np.int64
