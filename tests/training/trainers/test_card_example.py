"""The question on a trained checkpoint's card: one of its own rows."""

import pytest

from biomedgpt_hf.rows.schema import question_row
from biomedgpt_hf.training.trainers.card_example import SEARCHED, SHORT, example_question

ABOUT = {"task": "t", "source": "s", "id": "1", "license": "CC0-1.0"}


def row(question, **items):
    return question_row(question, "An answer.", **ABOUT, **items)


def test_it_is_the_first_row_that_a_card_shows_well():
    rows = [row("What is it?", proteins=["M" * (SHORT + 1)]), row("Is it a salt?", molecules=["[Na+].[Cl-]"])]
    assert example_question(rows) == [
        {"type": "molecule", "molecule": "[Na+].[Cl-]"},
        {"type": "text", "text": "Is it a salt?"},
    ]


def test_where_all_are_long_it_is_the_first():
    long = [row(f"What is it? {n}", proteins=["M" * 500]) for n in range(SEARCHED)]
    assert example_question(long)[1]["text"] == "What is it? 0"
    assert example_question([*long, row("Short?")])[1]["text"] == "What is it? 0"  # no longer searched


@pytest.mark.parametrize("rows", [[], None, iter([1]), [{"text": "A document."}], [3], [{"messages": [], "id": "1"}]])
def test_rows_without_a_question_have_none(rows):
    assert example_question(rows) is None
