"""The items of a cell, of modalities whose items are texts and of one whose items are lists."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from biomedgpt_hf.files.items import Columns, read_items
from biomedgpt_hf.files.items.cells import cell_items, item_identity, item_text
from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.processors.molecular_graph import smiles_to_graph

ONE, OTHER = [0.5, 1.0, 0.0], [0.0, 2.0, 0.0]


def read(tmp_path, rows, columns):
    (tmp_path / "table").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return list(read_items([tmp_path / "table"], columns))


def test_items_of_a_registered_modality_are_read_from_a_column_that_is_named(tmp_path, cell):
    rows = [
        {"expression": ONE, "smiles": "CCO", "asked": "Does it bind?"},
        {"expression": [ONE, OTHER], "smiles": None, "asked": "What are they?"},
        {"expression": None, "smiles": "C", "asked": "What is it?"},
        {"expression": [], "smiles": "", "asked": "Nothing?"},
        {"expression": "0.5 1.0", "smiles": "C", "asked": "Text?"},
    ]
    columns = Columns(("smiles",), question="asked", items={"cell": ("expression",)})
    *read_rows, empty, text = read(tmp_path, rows, columns)
    assert [item.items for item in read_rows] == [
        {"molecule": ("CCO",), "cell": (ONE,)},
        {"cell": (ONE, OTHER)},
        {"molecule": ("C",)},
    ]
    assert [item.question for item in read_rows] == ["Does it bind?", "What are they?", "What is it?"]
    assert empty.problem.args == ("no molecule or protein or cell", "there is nothing in 'smiles', 'expression'")
    assert text.problem.reason == "not a list[float32]" and "write a list" in text.problem.detail


def test_lists_of_parquet_are_items_too(tmp_path, cell):
    pq.write_table(pa.table({"id": ["a"], "e": pa.array([ONE], pa.list_(pa.float32()))}), tmp_path / "table")
    (item,) = read_items([tmp_path / "table"], Columns(items={"cell": ("e",)}))
    assert (item.id, item.of("cell"), item.molecules) == ("a", (ONE,), ())


def test_no_column_of_a_registered_modality_is_guessed(tmp_path, cell):
    (item,) = read(tmp_path, [{"cells": ONE, "smiles": "CCO"}], Columns())
    assert item.items == {"molecule": ("CCO",)}
    with pytest.raises(SourceError, match="Name the columns of molecules or proteins or cells"):
        read(tmp_path, [{"cells": ONE}], Columns())


def test_columns_of_an_unknown_modality_and_of_a_single_text_are_refused():
    with pytest.raises(ValueError, match="no modality 'cell'. The modalities are molecule, protein"):
        Columns(items={"cell": ("expression",)})
    with pytest.raises(ValueError, match=r"columns of molecule are the text 'smiles'. Pass a tuple, \('smiles',\)"):
        Columns(molecules="smiles")


def test_columns_tell_what_they_are_whichever_way_they_were_named(cell):
    columns = Columns(items={"protein": ["p"], "molecule": ["m"]}, id="key")
    assert columns == Columns(("m",), ("p",), None, "key") and columns.names == ["m", "p", "key"]
    assert columns.facts == {"molecules": ["m"], "proteins": ["p"], "cells": [], "question": None, "id": "key"}


def test_a_list_is_several_items_unless_an_item_is_a_list_itself(cell):
    graph = smiles_to_graph("CCO")
    assert cell_items(None, "molecule") == () and cell_items("CCO", "molecule") == ("CCO",)
    assert cell_items(["CCO", "C"], "molecule") == ("CCO", "C") and cell_items(graph, "molecule") == (graph,)
    assert cell_items(ONE, "cell") == (ONE,) and cell_items([ONE, OTHER], "cell") == (ONE, OTHER)
    assert cell_items([], "cell") == () and len(cell_items([np.ones(3), np.ones(2)], "cell")) == 2
    assert len(cell_items(np.ones(3), "cell")) == 1 and cell_items(list(np.ones(3)), "cell") == ([1.0] * 3,)


def test_equal_items_are_told_as_equal_and_have_a_text():
    assert item_identity(ONE) == item_identity(list(ONE)) != item_identity(OTHER)
    array = np.ones(3)
    assert item_identity(array) == item_identity(array) != item_identity(np.ones(3))
    assert (item_text("CCO"), item_text(ONE)) == ("CCO", "[0.5, 1.0, 0.0]")
