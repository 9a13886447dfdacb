"""Items as arguments and as blocks, of two modalities and of a third that was registered."""

import pytest

from biomedgpt_hf.inference.chat import Chat
from biomedgpt_hf.inference.item_arguments import item_blocks, split_arguments
from biomedgpt_hf.inference.neighbours import NeighbourFinder
from biomedgpt_hf.inference.prediction.in_memory import requests_of, rows_of
from biomedgpt_hf.inference.prediction.requests import Preparer, Prompt, conversation, group_prompts

ONE, OTHER = [0.5, 1.0], [0.0, 2.0]


def test_arguments_named_like_a_modality_s_column_are_items(cell):
    given = {"cells": [ONE], "molecules": "CCO", "proteins": None, "num_beams": 2}
    assert split_arguments(given) == ({"molecule": "CCO", "cell": [ONE]}, {"num_beams": 2})


def test_arguments_of_a_modality_that_is_not_registered_are_others():
    assert split_arguments({"cells": [ONE]}) == ({}, {"cells": [ONE]})


def test_blocks_stand_in_the_order_of_the_modalities(cell):
    blocks = item_blocks({"cell": (ONE, OTHER), "molecule": ("CCO",)})
    assert [(block["type"], block[block["type"]]) for block in blocks] == [
        ("molecule", "CCO"),
        ("cell", ONE),
        ("cell", OTHER),
    ]


def test_no_item_is_none():
    with pytest.raises(ValueError, match="The protein 1 is None"):
        item_blocks({"protein": ("MKT", None)})


def test_rows_of_a_registered_modality_become_messages(cell):
    rows = rows_of({"cell": [ONE, [ONE, OTHER], None], "molecule": ["C", None, "N"]}, ids=["a", "b", "c"])
    assert [row.id for row in rows] == ["a", "b", "c"]
    blocks = [conversation(request)[0]["content"] for request in requests_of(rows, ["What is it?"])]
    assert [[block["type"] for block in of_row] for of_row in blocks] == [
        ["molecule", "cell", "text"],
        ["cell", "cell", "text"],
        ["molecule", "text"],
    ]
    with pytest.raises(ValueError, match="one or several of molecules, proteins, cells"):
        rows_of({}, ids=["a"])


def test_equal_items_are_encoded_once_even_where_they_are_lists(cell):
    rows = rows_of({"cell": [ONE, OTHER, list(ONE)]})
    prompts = [Prompt(request, 3, 5, False) for request in requests_of(rows, ["What?", "Why?"])]
    (group,) = group_prompts(prompts, 1_000)
    assert sorted(len(unit) for unit in group) == [2, 4]


def test_the_processor_gets_the_items_of_a_group_by_their_columns(cell):
    given = []
    preparer = Preparer(None, lambda **arguments: given.append(arguments) or {}, 8, crop=False)
    rows = rows_of({"cell": [ONE, [ONE, OTHER]], "protein": [None, "MKT"]})
    preparer.items([[Prompt(request, 3, 5, False)] for request in requests_of(rows, ["What?"])])
    assert given[0]["cells"] == [[ONE], [ONE, OTHER]] and given[0]["proteins"] == [[], ["MKT"]]
    assert "molecules" not in given[0]


def test_items_that_no_index_compares_are_told(cell):
    with pytest.raises(ValueError, match="'cell' cannot be compared with known ones, only those of molecule and prot"):
        NeighbourFinder(None, 1).find({"cell": [ONE]})


def test_a_chat_hands_the_items_of_a_registered_modality_to_the_processor(cell, monkeypatch):
    chat, seen = Chat(device="cpu"), []

    def read(messages, **_):
        seen.extend(messages)
        raise ValueError("read")

    monkeypatch.setattr(chat.processor, "apply_chat_template", read)
    with pytest.raises(ValueError, match="read"):
        chat.ask("Which cell is it?", molecules="CCO", cells=ONE)
    assert [block["type"] for block in seen[0]["content"]] == ["molecule", "cell", "text"]
    assert seen[0]["content"][1]["cell"] == ONE and not chat.messages
