"""Which columns are read: those that are named, else those with stereo and with both partners of a pair."""

import json
import logging
from collections import Counter

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from biomedgpt_hf.files.items import Columns, column_notes, count_items, read_items, read_molecules, read_proteins
from biomedgpt_hf.files.items.molecule_lists import read_molecule_records
from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.files.tables.table import UnknownColumnError

FLAT, LEFT, RIGHT = "CC(N)C(=O)O", "C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O"
SEQUENCE = "MKTAYIAKQRQISFVKSHFSRQ"


def write(tmp_path, columns, kind="csv"):
    """Write a table of (name, cells) in a kind of file."""
    path = tmp_path / f"t.{kind}"
    if kind == "parquet":
        pq.write_table(
            pa.Table.from_arrays([pa.array(cells) for _, cells in columns], [name for name, _ in columns]), path
        )
    elif kind == "jsonl":
        rows = zip(*(cells for _, cells in columns), strict=True)
        path.write_text(
            "".join(json.dumps(dict(zip([n for n, _ in columns], row, strict=True))) + "\n" for row in rows)
        )
    else:
        delimiter = "\t" if kind == "tsv" else ","
        rows = [[name for name, _ in columns], *zip(*(cells for _, cells in columns), strict=True)]
        path.write_text("".join(delimiter.join(cell or "" for cell in row) + "\n" for row in rows))
    return path


GUESSED = Columns()


def items_of(path, columns=GUESSED):
    return [dict(item.items) for item in read_items([path], columns)]


STEREO = [
    [("CanonicalSMILES", [FLAT, FLAT]), ("IsomericSMILES", [LEFT, RIGHT])],
    [("IsomericSMILES", [LEFT, RIGHT]), ("CanonicalSMILES", [FLAT, FLAT])],
    [("isosmiles", [LEFT, RIGHT]), ("canonicalsmiles", [FLAT, FLAT])],
    [("ConnectivitySMILES", [FLAT, FLAT]), ("SMILES", [LEFT, RIGHT])],
    [("smiles", [FLAT, FLAT]), ("canonical_smiles", [LEFT, RIGHT])],  # ChEMBL's canonical SMILES have stereo
    [("smiles", [FLAT, FLAT]), ("smiles_from_registry", [LEFT, RIGHT])],
]


@pytest.mark.parametrize("columns", STEREO)
@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_the_column_with_stereo_is_read_and_a_line_says_which_is_not(tmp_path, columns, kind, caplog):
    path = write(tmp_path, columns, kind)
    (flat,) = [name for name, cells in columns if FLAT in cells]
    with caplog.at_level(logging.WARNING):
        assert read_molecules(path) == [LEFT, RIGHT]
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"t.{kind}: molecules are read from ") and f"passing over {flat!r}" in line
    assert [record.content.text for record in read_molecule_records(path)] == [LEFT, RIGHT]
    assert read_molecules(path, columns=flat) == [FLAT, FLAT]
    frame = pd.DataFrame(dict(columns))
    assert read_molecules(frame) == [LEFT, RIGHT]


def test_stereo_of_other_molecules_changes_nothing(tmp_path):
    path = write(tmp_path, [("smiles", [FLAT]), ("product_smiles", ["C[C@H](N)C(=O)OC"])])
    assert items_of(path) == [{"molecule": (FLAT,)}]


PAIRS = [
    [("Drug_ID", ["1"]), ("Drug", ["CCO"]), ("Target_ID", ["2"]), ("Target", [SEQUENCE]), ("Y", ["5"])],
    [("Drug", ["CCO"]), ("Target", [SEQUENCE])],
    [("smiles", ["CCO"]), ("target", [SEQUENCE])],
    [("ligand", ["CCO"]), ("sequence", [SEQUENCE])],
    [("Ligand SMILES", ["CCO"]), ("BindingDB Target Chain Sequence", [SEQUENCE])],
    [("Ligand SMILES", ["CCO"]), ("BindingDB Target Chain Sequence 1", [SEQUENCE])],
    [("compound", ["CCO"]), ("receptor_sequence", [SEQUENCE])],
    [("drug_smiles", ["CCO"]), ("enzyme", [SEQUENCE])],
]


@pytest.mark.parametrize("columns", PAIRS)
@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_a_table_of_pairs_loses_no_partner(tmp_path, columns, kind):
    path = write(tmp_path, columns, kind)
    both = {"molecule": ("CCO",), "protein": (SEQUENCE,)}
    assert items_of(path) == [both] and column_notes([path]) == []
    assert items_of(pd.DataFrame(dict(columns))) == [both]
    assert read_molecules(path) == ["CCO"] and read_proteins(path) == [SEQUENCE]
    (line,) = column_notes([path], modality="molecule")
    assert "the proteins in " in line and "are left out" in line


def test_names_of_genes_beside_molecules_are_not_taken_for_proteins_but_told(tmp_path):
    path = write(tmp_path, [("smiles", ["CCO", "CCN"]), ("Target", ["EGFR", "KIT"])])
    assert items_of(path) == [{"molecule": ("CCO",)}, {"molecule": ("CCN",)}]
    (line,) = column_notes([path])
    assert line == "t.csv: 'Target' may hold proteins, which are not read. Name it with --protein-column if they count."
    assert column_notes([write(tmp_path, [("smiles", ["CCO"]), ("Target", ["EGFR kinase 2"])])]) == []


def test_a_partner_that_is_not_named_is_told(tmp_path):
    path = write(tmp_path, PAIRS[0])
    (line,) = column_notes([path], Columns(("Drug",)))
    assert "'Target' may hold proteins" in line
    assert column_notes([path], Columns(("Drug",), ("Target",))) == []


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
@pytest.mark.parametrize("names", [("id", "drug", "toxic"), ("a", "b", "c"), ("data_id", "x", "y")])
def test_a_table_without_a_known_column_is_an_error_that_lists_them_and_the_option(tmp_path, kind, names):
    path = write(tmp_path, [(names[0], ["1", "2"]), (names[1], ["CCO", "CCN"]), (names[2], ["0", "1"])], kind)
    for read in (read_items, lambda paths: read_molecule_records(paths[0])):
        with pytest.raises(SourceError, match="has the columns " + ", ".join(map(repr, names))) as caught:
            list(read([path]))
        assert "--molecule-column" in str(caught.value) and "\n" not in str(caught.value)
    assert items_of(path, Columns((names[1],))) == [{"molecule": ("CCO",)}, {"molecule": ("CCN",)}]
    with pytest.raises(ValueError, match="The DataFrame has the columns 'id', 'drug'"):
        items_of(pd.DataFrame({"id": [1], "drug": ["CCO"]}))


def test_a_doubled_column_matters_only_where_it_is_named(tmp_path):
    path = write(tmp_path, [("name", ["a"]), ("name", ["b"]), ("smiles", ["CCO"]), ("smiles", ["C"])])
    (item,) = read_items([path])
    assert (item.id, item.molecules) == ("a", ("CCO",))
    assert "passing over 'smiles' (again)" in column_notes([path])[0]
    for columns in (Columns(("smiles",)), Columns(id="name")):
        with pytest.raises(UnknownColumnError, match="has 2 columns named"):
            items_of(path, columns)
    path = write(tmp_path, [("name", ["a"]), ("name", ["b"]), ("smiles", ["CCO"]), ("smiles", ["C"])], "parquet")
    assert items_of(path) == [{"molecule": ("CCO",)}]


def test_empty_cells_of_pairs_are_counted_and_rows_of_nothing_are_told(tmp_path):
    path = write(tmp_path, [("smiles", ["CCO", "nan", "NA", "N"]), ("sequence", ["None", "MKT", "-", "NANA"])])
    rows = list(read_items([path]))
    assert [dict(row.items) for row in rows] == [
        {"molecule": ("CCO",)},
        {"protein": ("MKT",)},
        {},
        {"molecule": ("N",), "protein": ("NANA",)},
    ]
    assert rows[2].problem.reason == "no molecule or protein"
    empty = Counter()
    assert count_items([path], Columns(), empty) == 4 and empty == {"smiles": 1, "sequence": 1}
