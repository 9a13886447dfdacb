"""Items between tags in a text, and back."""

import pytest

from biomedgpt_hf.evaluation.items_in_text import take_items, to_blocks, write_items

BOTH = ["molecule", "protein"]


def test_items_are_written_in_the_order_of_the_modalities_and_taken_back():
    items = {"protein": ("MKT",), "molecule": ("CCO", "[Na+].[Cl-]")}
    text = write_items(items)
    assert text == "<molecule>CCO</molecule>\n<molecule>[Na+].[Cl-]</molecule>\n<protein>MKT</protein>\n"
    taken, found = take_items(text + "Which?", BOTH)
    assert found == items
    assert taken.splitlines()[0] == "<molecule><moleculeHere></molecule>" and taken.endswith("Which?")
    assert write_items({}) == ""


def test_a_modality_that_a_model_does_not_see_stays_text():
    text = "<molecule>CCO</molecule> and <protein>MKT</protein>"
    assert take_items(text, ["protein"])[0].startswith("<molecule>CCO</molecule>")
    assert take_items(text, []) == (text, {})


@pytest.mark.parametrize(
    "text", ["a < b and c > d", "<molecule></molecule>", "<molecule>a\nb</molecule>", "<b>x</b>", ""]
)
def test_other_texts_are_left_as_they_are(text):
    assert take_items(text, BOTH) == (text, {})
    assert to_blocks(text, BOTH) == ([{"type": "text", "text": text}] if text else [])


def test_blocks_keep_the_order_of_texts_and_items():
    blocks = to_blocks("See\n<molecule> CCO </molecule>\nand <protein>MKT</protein>\nWhich?", BOTH)
    assert blocks == [
        {"type": "text", "text": "See\n"},
        {"type": "molecule", "molecule": "CCO"},
        {"type": "text", "text": "and "},
        {"type": "protein", "protein": "MKT"},
        {"type": "text", "text": "Which?"},
    ]
