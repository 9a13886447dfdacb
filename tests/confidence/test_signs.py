import math

import pytest

from biomedgpt_hf.confidence.signs import ALONE, IN_PROMPT, KNOWN, Known, condition_of, nearest_known, signs_of


def test_the_signs_are_the_mean_log_probability_the_words_and_the_similarity():
    assert signs_of("an acid here", -8.0, None) == pytest.approx((-2.0, math.log(4)))
    assert signs_of("an acid here", -8.0, Known(0.25, False)) == pytest.approx((-2.0, math.log(4), 0.25))


def test_an_answer_without_words_has_signs():
    assert signs_of("", -3.0, None) == (-3.0, 0.0)


def test_the_nearest_of_several_known_items_counts_and_the_same_item_is_nearest():
    assert nearest_known([(0.3, False, False), (0.7, False, True)]) == Known(0.7, True)
    assert nearest_known([(0.3, True, False)]) == Known(1.0, False)
    assert nearest_known([]) == Known(0.0, False)
    assert nearest_known(None) is None


def test_answers_are_told_apart_by_what_the_model_knew():
    assert [condition_of(known) for known in (None, Known(0.5, False), Known(0.5, True))] == [ALONE, KNOWN, IN_PROMPT]
