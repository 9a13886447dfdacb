"""When two questions are the same, and their three-word sequences."""

import pytest

from biomedgpt_hf.similarity.words import plain_words, word_sequences


def test_words_ignore_case_punctuation_width_and_white_space():
    assert plain_words("What is\tPain?  (A) β-Blockers") == "what is pain a β blockers"
    assert plain_words("ＦＵＬＬ ﬁve") == "full five"
    assert plain_words("…?!") == "…?!"
    assert plain_words("") == ""


@pytest.mark.parametrize("text", ["a b c d e", "a b c", "a b", "a", "", "a a a a a a", "x y x y x y x", "…?!"])
def test_word_sequences_are_the_distinct_threes_in_order(text):
    words = plain_words(text).split() or [text]
    threes = {tuple(words[i : i + 3]) for i in range(len(words) - 2)} or {tuple(words)}
    assert len(word_sequences(plain_words(text))) == len(threes)


def test_word_sequences_depend_on_the_order_of_words():
    assert not set(word_sequences("a b c").tolist()) & set(word_sequences("b a c").tolist())
    assert set(word_sequences("x a b c y").tolist()) >= set(word_sequences("a b c").tolist())
