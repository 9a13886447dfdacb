"""The answer of the nearest known item."""

import pytest

from biomedgpt_hf.evaluation.nearest_answer import nearest_answer
from biomedgpt_hf.neighbours import NeighbourIndex, Text, build_index
from biomedgpt_hf.neighbours.evidence import most_alike

from ..built_set import row, write_set

TEXTS = (Text("What is its name?", "A."), Text("What does this protein do?", "B."), Text("", "C."))


@pytest.fixture
def index(tmp_path):
    rows = [
        row("a", molecules=["CCO"], question="What is it?"),
        row("b", molecules=["CCO"], question="What is its use?"),
        row("c", molecules=["CCCCN"], question="What is it?"),
        row("d", proteins=["MKVAACDEFGHIKLMN"], question="What does it do?"),
    ]
    build_index([write_set(tmp_path / "set", {"train": rows})], tmp_path / "index")
    return NeighbourIndex.open(tmp_path / "index")


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What is its name?", "A."),
        ("what DOES this protein do", "B."),
        ("Tell me what the protein does, please.", "B."),
        ("", "C."),
        ("Unheard of!", "A."),
    ],
)
def test_the_text_with_the_question_most_alike_is_taken(question, answer):
    assert most_alike(question, TEXTS).answer == answer


def test_no_text_is_none():
    assert most_alike("Why?", ()) is None


@pytest.mark.parametrize(
    ("question", "items", "answer"),
    [
        ("What is its use?", {"molecules": ["CCO"]}, "It is b."),
        ("What is it?", {"molecules": ["CCCCCN"]}, "It is c."),
        ("What does it do?", {"proteins": ["MKVAACDEFGHIKLMW"]}, "It is d."),
        ("What?", {"molecules": ["CCCN"], "proteins": ["MKVAACDEFGHIKLMN"]}, "It is d."),
        ("What is it?", {"molecules": ["CCO"], "proteins": ["MKVAACDEFGHIKLMN"]}, "It is a."),
        ("What is it?", {"molecules": ["CCO"], "exclude_same": True}, "It is c."),
    ],
)
def test_the_nearest_item_answers(index, question, items, answer):
    assert nearest_answer(index, question, **items).answer == answer


def test_an_item_of_which_the_question_is_answered_comes_before_a_nearer_one(index):
    assert nearest_answer(index, "What is its use?", ["CCCCCN"]).answer == "It is b."
    assert nearest_answer(index, "Tell me about its use!", ["CCCCCN"]).answer == "It is b."  # in other words, too


def test_where_nothing_is_near_there_is_no_answer(index):
    assert nearest_answer(index, "What is it?", ["[Xe]"], ["WWWWW"]) is None
    assert nearest_answer(index, "What is it?") is None
