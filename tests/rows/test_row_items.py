"""Items in the Parquet files of a set: from columns and from blocks, with their rows' ids."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from biomedgpt_hf.building.exclusions import excluded_keys
from biomedgpt_hf.rows.row_items import holds_rows, read_item_blocks, split_files
from biomedgpt_hf.rows.schema import QUESTIONS

from ..built_set import inline_row, row, write_set

ROWS = [
    row("a", molecules=["CCO", "C"]),
    inline_row("b", molecule="CCN"),
    row("c", proteins=["MKV"]),
    row("d", question="What is pain?"),
    row("e", molecules=["CCO"], proteins=["MKV"]),
    inline_row("f", molecule="CCC", protein="MMM"),
    row("g", molecules=["N"]),
    row("h", question="What is ache?"),
]


def items(folder, kind, split="train"):
    return [
        (number, value, id)
        for block in read_item_blocks(split_files(folder)[split], kind)
        for number, (value, id) in enumerate(zip(block.values, block.ids.to_pylist(), strict=True), block.start)
    ]


@pytest.mark.parametrize(("rows_per_group", "rows_per_file"), [(1, 1), (3, 7), (100, 100), (2, 100)])
def test_items_come_in_the_rows_order_however_the_files_are_cut(tmp_path, rows_per_group, rows_per_file):
    folder = write_set(tmp_path / "set", {"train": ROWS}, rows_per_group, rows_per_file)
    molecules = [("CCO", "a"), ("C", "a"), ("CCN", "b"), ("CCO", "e"), ("CCC", "f"), ("N", "g")]
    assert items(folder, "molecules") == [(number, *item) for number, item in enumerate(molecules)]
    assert items(folder, "proteins") == [(0, "MKV", "c"), (1, "MKV", "e"), (2, "MMM", "f")]
    assert items(folder, QUESTIONS) == [(0, "What is pain?", "d"), (1, "What is ache?", "h")]


def test_inline_molecules_stand_between_those_of_columns(tmp_path):
    mixed = inline_row("x", protein="MKV")
    mixed["molecules"] = ["CCO"]
    mixed["messages"][0]["content"].insert(0, {"type": "molecule"})
    folder = write_set(tmp_path / "set", {"train": [mixed]})
    assert items(folder, "molecules") == [(0, "CCO", "x")]
    assert items(folder, "proteins") == [(0, "MKV", "x")]
    assert items(folder, QUESTIONS) == []


def test_empty_and_absent_columns_hold_nothing(tmp_path):
    bare = row("a", question="Why?")
    bare["molecules"] = bare["proteins"] = None
    folder = write_set(tmp_path / "set", {"train": [bare]})
    assert items(folder, "molecules") == items(folder, "proteins") == []
    assert items(folder, QUESTIONS) == [(0, "Why?", "a")]


def test_the_question_is_what_the_user_says_first(tmp_path):
    talk = row("a")
    say = lambda role, *texts: {"role": role, "content": [{"type": "text", "text": text} for text in texts]}  # noqa: E731
    talk["messages"] = [
        say("system", "Be kind."),
        say("user", "One.", "Two."),
        say("assistant", "A."),
        say("user", "3"),
    ]
    monologue = row("b")
    monologue["messages"] = [say("assistant", "Nobody asked.")]
    folder = write_set(tmp_path / "set", {"train": [talk, monologue]})
    assert items(folder, QUESTIONS) == [(0, "One.\nTwo.", "a"), (1, "", "b")]


def test_files_are_found_by_their_splits(tmp_path):
    folder = write_set(tmp_path / "set", {"test": ROWS, "train": ROWS}, rows_per_file=3)
    (folder / "data" / "notes.txt").write_text("no split")
    files = split_files(folder)
    assert list(files) == ["train", "test"]
    assert [path.name for path in files["test"]] == [f"test-0000{n}-of-00003.parquet" for n in range(3)]
    assert split_files(tmp_path) == {}


def test_a_file_with_other_columns_holds_no_rows(tmp_path):
    folder = write_set(tmp_path / "set", {"train": ROWS[:1]})
    path = split_files(folder)["train"][0]
    with pq.ParquetFile(path) as file:
        assert holds_rows(file)
    whole = pq.read_table(path)
    texts = whole.drop_columns(["molecules"]).append_column("molecules", [["CCO"]])
    for other in (*(whole.drop_columns(names) for names in (["messages"], ["id"], ["molecules", "proteins"])), texts):
        pq.write_table(other, path)
        with pq.ParquetFile(path) as file:
            assert not holds_rows(file)


def test_a_set_that_was_built_before_a_modality_was_registered_has_none_of_its_items(tmp_path, cell):
    folder = write_set(tmp_path / "set", {"train": ROWS})
    path = split_files(folder)["train"][0]
    table = pq.read_table(path)
    pq.write_table(table.select([name for name in table.column_names if name != cell.column]), path)
    with pq.ParquetFile(path) as file:
        assert holds_rows(file)
    assert items(folder, "cells") == [] and len(items(folder, "molecules")) == 6
    assert items(folder, QUESTIONS) == [(0, "What is pain?", "d"), (1, "What is ache?", "h")]


def test_items_that_are_lists_come_from_columns_and_from_blocks(tmp_path, cell):
    path = tmp_path / "set" / "data" / "train-00000-of-00001.parquet"
    path.parent.mkdir(parents=True)
    values = pa.list_(pa.float32())
    block = pa.struct([("type", pa.string()), ("text", pa.string()), ("cell", values)])
    messages = pa.list_(pa.struct([("role", pa.string()), ("content", pa.list_(block))]))
    bare, inline = {"type": "cell", "text": None, "cell": None}, {"type": "cell", "text": None, "cell": [2.0, 3.0]}
    talks = [[{"role": "user", "content": [one]}] for one in (bare, inline)]
    columns = {"messages": pa.array(talks, messages), "cells": pa.array([[[0.5, 1.0]], []], pa.list_(values))}
    pq.write_table(pa.table({**columns, "id": ["a", "b"]}), path)
    assert items(tmp_path / "set", "cells") == [(0, [0.5, 1.0], "a"), (1, [2.0, 3.0], "b")]
    assert items(tmp_path / "set", "molecules") == [] and len(excluded_keys([tmp_path / "set"])) == 2
