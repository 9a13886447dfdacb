"""The row: which conversations are accepted, and what the others are told."""

import copy

import pytest
from datasets import Dataset

from biomedgpt_hf import BioMedGPTProcessor, mini_checkpoint
from biomedgpt_hf.modalities import MODALITIES, Modality
from biomedgpt_hf.rows.schema import (
    InvalidRowError,
    features,
    question_row,
    reserved_texts,
    row_fields,
    set_features,
    to_conversation,
    validate_row,
)


@pytest.fixture
def row():
    return question_row(
        "Which is larger?",
        "The second.",
        molecules=["C", "CCO"],
        proteins=["MKT"],
        task="comparison",
        source="test",
        id="1",
        license="CC0-1.0",
    )


def text(value):
    return {"type": "text", "text": value}


def test_bare_blocks_take_the_columns_items_in_order(row):
    validate_row(row)
    content = to_conversation(row)[0]["content"]
    assert content == [
        {"type": "molecule", "molecule": "C"},
        {"type": "molecule", "molecule": "CCO"},
        {"type": "protein", "protein": "MKT"},
        text("Which is larger?"),
    ]


def test_items_are_taken_in_order_over_several_turns(row):
    row["messages"] = [
        {"role": "system", "content": [text("Be brief.")]},
        {"role": "user", "content": [{"type": "molecule"}, text("And this?")]},
        {"role": "assistant", "content": [text("Methane.")]},
        {"role": "user", "content": [{"type": "protein"}, {"type": "molecule"}, text("Does it bind?")]},
        {"role": "assistant", "content": [text("No.")]},
    ]
    validate_row(row)
    assert to_conversation(row)[3]["content"][1] == {"type": "molecule", "molecule": "CCO"}


def test_inline_items_are_accepted_when_the_column_is_empty(row):
    row["molecules"] = None
    row["messages"][0]["content"] = [{"type": "molecule", "molecule": "CO"}, {"type": "protein"}, text("What?")]
    validate_row(row)
    assert to_conversation(row)[0]["content"][0] == {"type": "molecule", "molecule": "CO"}


def test_a_row_that_datasets_returns_reads_the_same(row):
    from datasets import Dataset

    stored = Dataset.from_list([row], features=features())[0]
    assert None in stored["messages"][0]["content"][0].values()
    assert to_conversation(stored) == to_conversation(row)


def test_a_row_and_its_features_have_the_same_fields(row):
    assert set(row) == set(row_fields()) == set(features())


def test_the_row_itself_is_not_changed(row):
    before = copy.deepcopy(row)
    to_conversation(row)
    assert row == before


def with_change(path, value):
    def change(row):
        *parents, last = path
        for key in parents:
            row = row[key]
        if value is KeyError:
            del row[last]
        else:
            row[last] = value

    return change


FIRST_BLOCK = ("messages", 0, "content", 0)


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        (with_change(("molecules",), ["C"]), "molecules", "no item for molecule block 2: it holds 1"),
        (with_change(("molecules",), ["C", "O", "N"]), "molecules", "holds 3 items, but the messages have 2"),
        (with_change(("proteins",), []), "proteins", "no item for protein block 1"),
        (with_change(("molecules",), "CCO"), "molecules", "list of strings, but is 'CCO'"),
        (with_change(("molecules",), ["C", None]), "molecules", "item 1 must be a string that is not empty"),
        (with_change((*FIRST_BLOCK, "molecule"), "C"), "messages[0]", "although column 'molecules' is used"),
        (with_change((*FIRST_BLOCK, "text"), "C"), "messages[0]", "molecule block with ['text']"),
        (with_change((*FIRST_BLOCK, "type"), "image"), "messages[0]", "block of type 'image'"),
        (with_change(FIRST_BLOCK, "C"), "messages[0]", "typed blocks, but has 'C'"),
        (with_change(("messages", 0, "role"), "human"), "messages[0]", "'human'"),
        (with_change(("messages", 1, "content"), []), "messages[1]", "must have content, but its content is []"),
        (with_change(("messages", 1, "content"), [text("")]), "messages[1]", "text block without text"),
        (with_change(("messages", 1, "content"), "Yes."), "messages", "list of typed blocks"),
        (with_change(("messages", 1), KeyError), "messages", "no assistant message"),
        (with_change(("messages",), []), "messages", "at least one message"),
        (with_change(("task",), None), "task", "string that is not empty, but is None"),
        (with_change(("license",), KeyError), "license", "is missing"),
        (with_change(("smiles",), "C"), "smiles", "is unknown"),
    ],
)
def test_a_wrong_row_is_told_which_field_and_why(row, change, field, reason):
    change(row)
    with pytest.raises(InvalidRowError) as caught:
        validate_row(row)
    assert (caught.value.row_id, caught.value.field) == ("1", field)
    assert reason in str(caught.value)


@pytest.fixture(scope="module")
def processor():
    return BioMedGPTProcessor.from_pretrained(mini_checkpoint())


@pytest.mark.parametrize("reserved", reserved_texts())
def test_a_text_that_the_processor_refuses_is_no_row(reserved, processor):
    text = f"It has {reserved} in its text."
    conversation = [
        {"role": "user", "content": [{"type": "molecule", "molecule": "CCO"}, {"type": "text", "text": "What?"}]},
        {"role": "assistant", "content": [{"type": "text", "text": text}]},
    ]

    with pytest.raises(ValueError, match="in its text"):
        processor.apply_chat_template(conversation, tokenize=True, return_dict=True)
    with pytest.raises(InvalidRowError, match="is reserved"):
        validate_row({**question_row("What?", text, task="t", source="s", id="1", license="mit", molecules=["CCO"])})


@pytest.mark.parametrize(
    ("item_type", "items", "wrong"),
    [("float32", [0.5, 2], ["a"]), ("list[float32]", [[0.5], [1, 2]], [0.5]), ("string", ["a"], [0.5])],
)
def test_an_item_is_what_its_modality_says(monkeypatch, item_type, items, wrong):
    monkeypatch.setitem(MODALITIES, "dose", Modality("dose", "doses", "<doseHere>", "dose", "number", item_type))
    good = question_row("?", "!", task="t", source="s", id="1", license="x", doses=items)
    validate_row(good)
    assert Dataset.from_list([good], features=features())[0]["doses"] == items
    with pytest.raises(InvalidRowError, match=f"'doses': item 0 must be a {item_type.split('[')[0]}"):
        validate_row({**good, "doses": wrong})


def test_a_row_may_tell_when_its_entry_was_made(row):
    for entry_date in (None, "2021", "2021-05-31"):
        validate_row({**row, "entry_date": entry_date})
    with pytest.raises(InvalidRowError, match="'entry_date': '31/5/2021' is no date"):
        validate_row({**row, "entry_date": "31/5/2021"})
    with pytest.raises(InvalidRowError, match="must be a date as a string, but is 2021"):
        validate_row({**row, "entry_date": 2021})
    assert set(set_features()) == {*features(), "entry_date"}
