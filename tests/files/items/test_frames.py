"""DataFrames and Series follow the rules of tables in files, and lists hold what was passed by hand."""

import numpy as np
import pandas as pd
import pytest

from biomedgpt_hf.files.items import Columns, read_items, read_molecules, read_proteins
from biomedgpt_hf.files.tables.table import UnknownColumnError
from biomedgpt_hf.inference.embedding.in_memory import embed
from biomedgpt_hf.inference.item_arguments import given_column, given_rows


def test_rows_of_a_dataframe_are_those_of_its_file(tmp_path):
    frame = pd.DataFrame(
        {"cid": [702, 2, 3], "smiles": ["CCO", None, "nan"], "sequence": ["MKT", "NA", np.nan], "q": ["a", "b", "c"]}
    )
    frame.to_csv(tmp_path / "DataFrame", index=False)
    columns = Columns(("smiles",), ("sequence",), "q")
    there, in_file = list(read_items([frame], columns)), list(read_items([tmp_path / "DataFrame"], columns))
    assert [(one.row, one.id, one.items, one.question) for one in there] == [
        (one.row, one.id, one.items, one.question) for one in in_file
    ]
    assert [one.id for one in there] == ["CID:702", "CID:2", "CID:3"] and there[
        1
    ].problem.reason == "no molecule or protein"


def test_molecules_and_proteins_of_a_dataframe_are_found_or_named():
    frame = pd.DataFrame({"Drug": ["CCO", "CCN"], "Target": ["MKTAYIAKQR", "MKTAYIAKQR"]})
    assert read_molecules(frame) == ["CCO", "CCN"] and read_proteins(frame, columns=["Target"]) == ["MKTAYIAKQR"] * 2
    with pytest.raises(UnknownColumnError, match="DataFrame has no column 'drug'.*Did you mean 'Drug'"):
        read_molecules(frame, columns="drug")
    with pytest.raises(ValueError, match=r"The DataFrame, record 1: no molecule or protein"):
        read_molecules(pd.DataFrame({"smiles": ["NA"]}))


def test_words_for_nothing_count_in_a_series_but_not_in_a_list():
    assert given_rows(["NA", None, float("nan"), ["CCO", "C"]], "protein") == [("NA",), (), (), ("CCO", "C")]
    series = pd.Series(["NA", None, "CCO", np.array(["C", "nan"], object)])
    assert given_rows(series, "molecule") == [(), (), ("CCO",), ("C",)]
    assert given_rows(pd.DataFrame({"id": [1], "sequence": ["MKT"]}), "protein") == [("MKT",)]
    with pytest.raises(ValueError, match="columns 'id', 'sequence', none of which is named like molecules"):
        given_rows(pd.DataFrame({"id": [1], "sequence": ["MKT"]}), "molecule")


def test_a_column_to_embed_has_no_empty_cells():
    assert given_column(pd.Series(["CCO", "C"]), "molecule") == ["CCO", "C"]
    assert given_column(["NA"], "protein") == ["NA"]
    with pytest.raises(ValueError, match="Item 1 is an empty cell"):
        embed(pd.Series(["MKT", "NA"]), modality="protein")
