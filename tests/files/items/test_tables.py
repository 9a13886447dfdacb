"""Tables give items by named columns, or by the usual names."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from biomedgpt_hf.files.items import Columns, read_items, read_molecules, read_proteins
from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.files.tables.table import UnknownColumnError

GUESSED = Columns()


def rows(tmp_path, text, columns=GUESSED, name="table"):
    (tmp_path / name).write_text(text)
    return list(read_items([tmp_path / name], columns))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Entry\tSequence\nP12345\tMKT\n", ("P12345", (), ("MKT",))),
        ("name,SMILES,Protein_Sequence\na,CCO,MKT\n", ("a", ("CCO",), ("MKT",))),
        ("compound_iso_smiles,target_sequence,affinity\nCCO,MKT,5\n", ("", ("CCO",), ("MKT",))),
        ("CID;Canonical SMILES\n702;CCO\n", ("CID:702", ("CCO",), ())),
        ("sequence\nMKT\n", ("", (), ("MKT",))),
        ("Accession,AA Seq,question\nQ1,MKT,What?\n", ("Q1", (), ("MKT",))),
        (json.dumps({"id": 7, "molecules": ["CCO", "C"], "proteins": []}), ("7", ("CCO", "C"), ())),
    ],
)
def test_columns_are_guessed_by_their_usual_names_but_questions_are_not(tmp_path, text, expected):
    (item,) = rows(tmp_path, text)
    assert (item.id, item.molecules, item.proteins) == expected and item.question is None and item.row == 1


def test_named_columns_are_read_in_their_order(tmp_path):
    columns = Columns(("ligand", "cofactor"), ("receptor",), "asked", "key")
    (item,) = rows(tmp_path, "key,cofactor,ligand,receptor,asked\nx1,C,CCO,MKT,Do they bind?\n", columns)
    assert item[1:4] == ("x1", {"molecule": ("CCO", "C"), "protein": ("MKT",)}, "Do they bind?")


def test_rows_without_an_item_or_a_question_are_told(tmp_path):
    found = rows(tmp_path, "smiles,sequence,q\nCCO,,a\n,,b\nC,MK,\n,MK\n,,\n", Columns(question="q"))
    assert found[0].molecules == ("CCO",) and found[0].proteins == ()
    reasons = [item.problem.reason for item in found[1:]]
    assert reasons == ["no molecule or protein", "no question", "ragged row", "empty row"]
    assert [item.row for item in found] == [1, 2, 3, 4, 5] and found[3].source == "table:5"
    assert rows(tmp_path, '{"smiles": 5}\n')[0].problem.reason == "not text"


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (Columns(("smile",)), "no column 'smile'.*Did you mean 'smiles'"),
        (Columns(question="q"), "no column 'q'"),
        (Columns(id="key"), "no column 'key'"),
    ],
)
def test_a_named_column_that_is_not_there_is_an_error(tmp_path, columns, words):
    with pytest.raises(UnknownColumnError, match=words):
        rows(tmp_path, "smiles,name\nCCO,a\n", columns)


def test_columns_of_what_is_no_table_are_an_error(tmp_path):
    with pytest.raises(UnknownColumnError, match="is a FASTA file and has no columns. Leave out 'sequence'"):
        rows(tmp_path, ">x\nMKT\n", Columns(proteins=("sequence",)))


@pytest.mark.parametrize("text", ["a,b\n1,2\n", '{"a": 1}\n', "smiles,name\n", "a\n[]\n", '[{"smiles": "C"}]'])
def test_a_table_without_items_is_an_error(tmp_path, text):
    with pytest.raises(SourceError):
        rows(tmp_path, text)


@pytest.mark.parametrize("header", ["smiles", "sequence", "id,smiles"])
def test_a_table_of_a_header_only_is_told_to_hold_nothing(tmp_path, header):
    with pytest.raises(SourceError, match="holds no molecule, protein or row"):
        rows(tmp_path, f"{header}\n")


@pytest.mark.parametrize("columns", [GUESSED, Columns(("smiles",))])
def test_json_that_is_spread_over_lines_is_told_what_to_do(tmp_path, columns):
    with pytest.raises(SourceError, match="has no columns. In JSON, each object must be on one line"):
        rows(tmp_path, json.dumps({"smiles": "CCO", "name": "ethanol"}, indent=2), columns)


def test_folders_of_sets_are_read_file_by_file(tmp_path):
    folder = tmp_path / "set" / "data"
    folder.mkdir(parents=True)
    for number, smiles in enumerate(["CCO", "C"]):
        table = pa.table(
            {"id": [f"r{number}"], "molecules": [[smiles]], "proteins": pa.array([[]], pa.list_(pa.string()))}
        )
        pq.write_table(table, folder / f"test-0000{number}.parquet")
    found = list(read_items([tmp_path / "set"]))
    assert [(item.row, item.id, item.molecules) for item in found] == [(1, "r0", ("CCO",)), (2, "r1", ("C",))]
    with pytest.raises(IsADirectoryError, match=r"without a data set.*test-00000\.parquet"):
        list(read_items([folder]))


def test_molecules_and_proteins_are_not_mixed_up(tmp_path):
    (tmp_path / "m.csv").write_text("smiles,name\nCCO,a\n")
    (tmp_path / "p.fasta").write_text(">x\nMKT\n")
    with pytest.raises(ValueError, match="Pass it as a file of molecules"):
        read_proteins(tmp_path / "m.csv")
    with pytest.raises(ValueError, match="Pass it as a file of proteins"):
        read_molecules(tmp_path / "p.fasta")
    with pytest.raises(ValueError, match="has no chains, so A cannot be chosen"):
        read_proteins(tmp_path / "p.fasta", ["A"])
