import pytest

from biomedgpt_hf.evaluation.answers import Answered
from biomedgpt_hf.evaluation.honest_rows.other_inputs import with_other_items, without_items
from biomedgpt_hf.evaluation.set_rows import AskedRow, asked_row
from biomedgpt_hf.rows.schema import question_row


def rows_about(*molecules):
    labels = {"task": "t", "source": "s", "license": "CC0-1.0"}
    return [
        asked_row(question_row("What?", "It.", molecules=[m], id=str(i), **labels)) for i, m in enumerate(molecules)
    ]


def molecule_of(row: AskedRow):
    return row.messages[0]["content"][0]["molecule"]


def test_every_row_is_asked_about_another_item_and_scored_as_before():
    rows = rows_about("C", "CC", "CCC", "C", "CCCC")
    other = with_other_items(rows)
    assert all(molecule_of(new) != molecule_of(old) for new, old in zip(other, rows, strict=True))
    assert molecule_of(other[0]) == molecule_of(other[3])
    assert set(map(molecule_of, other)) == set(map(molecule_of, rows))
    assert [row.expected for row in other] == [row.expected for row in rows]


def test_one_item_cannot_be_exchanged():
    with pytest.raises(ValueError, match="about one molecule"):
        with_other_items(rows_about("C", "C"))


def test_items_are_left_out():
    (row,) = rows_about("CCO")
    assert without_items([row])[0].messages == [{"role": "user", "content": [{"type": "text", "text": "What?"}]}]


def test_rows_without_items_stay_as_they_are():
    row = AskedRow([{"role": "user", "content": [{"type": "text", "text": "?"}]}], Answered("a", "", "x"))
    assert with_other_items([row]) == without_items([row]) == [row]


def test_items_that_are_lists_stay_lists(cell):
    values = [[0.5, 2.0], [1.0], [0.5, 2.0]]
    labels = {"task": "t", "source": "s", "license": "CC0-1.0"}
    rows = [asked_row(question_row("What?", "It.", cells=[v], id=str(i), **labels)) for i, v in enumerate(values)]
    assert [row.expected.items for row in rows] == [{"cell": (v,)} for v in values]
    assert rows[0].expected.unit == rows[2].expected.unit != rows[1].expected.unit
    swapped = [row.messages[0]["content"][0]["cell"] for row in with_other_items(rows)]
    assert swapped == [[1.0], [0.5, 2.0], [1.0]]
