"""Texts as numbers: the same pieces and words as when each text is split as a whole."""

import random

import pytest

from biomedgpt_hf.evaluation.text_metrics.rouge import load_words
from biomedgpt_hf.evaluation.text_metrics.splitting import Splitter
from biomedgpt_hf.evaluation.text_metrics.word_pieces import LEFT_OUT, MOST_PIECES, WordPieces

pytest.importorskip("rouge_score")

PARTS = (
    "the acid acids' running. (base) [SEP] x[CLS]y [PAD] [MASK] ÄÖ é e\u0301 \u0301 ß ς ΑΣ İ K ﬁ 日本語 "
    "\x00a\x1cb \u200b \ufeff soft\xad \ud7ff 🙂 1,4-di\tn\u00a0b a\nb \u2028 - -- 3.4.21.4"
).split(" ") + ["", "", "q" * 200]


@pytest.fixture(scope="module")
def pieces(vocabulary):
    return WordPieces(vocabulary)


@pytest.fixture(scope="module")
def texts():
    chance = random.Random(3)
    return [" ".join(chance.choices(PARTS, k=chance.randrange(12))) for _ in range(200)]


def test_pieces_and_words_are_those_of_the_whole_text(pieces, texts):
    assert pieces.splits_at_spaces
    split_words = load_words()
    splitter = Splitter(pieces, split_words)
    found = splitter(texts)
    names = list(splitter.piece_numbers)
    numbers: dict[str, int] = {}
    for text, whole, (of_text, words) in zip(texts, pieces(texts), found, strict=True):
        assert [names[number] for number in of_text] == [
            piece for piece in whole[:MOST_PIECES] if piece not in LEFT_OUT
        ]
        expected = split_words(text)
        assert len(words) == len(expected)
        # A number stands for one word.
        assert all(numbers.setdefault(word, number) == number for word, number in zip(expected, words, strict=True))


def test_what_is_remembered_changes_nothing(pieces, texts):
    splitter = Splitter(pieces, load_words())
    once = splitter(texts)
    assert splitter(texts) == once


def test_a_tokenizer_that_looks_beyond_spaces_gets_whole_texts(pieces, texts):
    class Whole:
        def tokenize(self, text):
            return list(text[::-1])

    splitter = Splitter(WordPieces(Whole()), load_words())
    names = list(splitter.piece_numbers)
    (found, _), *_ = splitter(["ab c"])
    names = list(splitter.piece_numbers)
    assert [names[number] for number in found] == ["c", " ", "b", "a"]
