import pytest

from biomedgpt_hf.evaluation.answers import Answered
from biomedgpt_hf.evaluation.honest_rows.constant_answer import best_constant, constant_answers
from biomedgpt_hf.evaluation.honest_rows.majority_answer import majority_answers
from biomedgpt_hf.evaluation.honest_rows.published import PUBLISHED


def row(id, reference, task="a"):
    return Answered(str(id), "", reference, task=task)


def test_the_best_constant_shares_most_with_the_others():
    texts = [
        "a dye",
        "a dye",
        "the molecule is an old red dye",
        "the molecule is an old blue dye",
        "the molecule is an old dye",
    ]
    assert best_constant(texts, texts) == "the molecule is an old dye"


def test_each_kind_of_question_has_a_constant_of_its_own():
    known = [row(1, "an acid"), row(2, "an acid"), row(3, "yes", "b")]
    scored = [row("x", "a base"), row("y", "no", "b"), row("z", "?", "c")]
    assert [one.answer for one in constant_answers(scored, known)] == ["an acid", "yes", ""]


def test_what_is_scored_does_not_decide_the_constant():
    known = [row(i, text) for i, text in enumerate(["an acid", "a base", "a base"])]
    first = constant_answers([row("x", "an acid")], known, [row("v", "a base")])
    second = constant_answers([row("x", "a base")], known, [row("v", "a base")])
    assert first[0].answer == second[0].answer == "a base"


def test_the_most_frequent_answer_is_given_by_kind():
    known = [row(i, text) for i, text in enumerate(["yes", "no", "yes"])] + [row(9, "3", "n")]
    assert [one.answer for one in majority_answers([row(1, "no"), row(2, "4", "n")], known)] == ["yes", "3"]


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_published_scores_are_shares_with_a_source(name):
    for published in PUBLISHED[name]:
        assert "arXiv" in published.source
        assert published.scores and all(0 < value < 1 for value in published.scores.values())
