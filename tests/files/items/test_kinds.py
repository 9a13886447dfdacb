"""What a file is: its user's word first, then its content, then its name."""

import pytest

from biomedgpt_hf.files.items import Columns, read_items, read_molecules
from biomedgpt_hf.files.items.formats import FORMATS, FileKind
from biomedgpt_hf.files.items.kinds import recognise_item_file
from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.files.tables.table import UnknownColumnError

BLOCK = "\n  RDKit\n\n  1  0  0  0  0  0  0  0  0  0999 V2000\n    0.0000    0.0000    0.0000 C   0  0\nM  END\n"


def kind_of(tmp_path, text, name="file", **options):
    (tmp_path / name).write_text(text)
    return recognise_item_file(tmp_path / name, **options)


@pytest.mark.parametrize(
    ("text", "name", "kind"),
    [
        (f'id,smiles,block\n1,CCO,"{BLOCK}$$$$\n"\n', "file", FileKind.TABLE),
        (f'id,block\n1,"{BLOCK}"\n', "file", FileKind.TABLE),
        (f'block\n"{BLOCK}"\n', "t.csv", FileKind.TABLE),
        (f'"some\nid",mol\n1,"{BLOCK}"\n', "file", FileKind.TABLE),
        (f"{BLOCK}$$$$\n", "file", FileKind.SDF),
        (f"1,2-ethanediol{BLOCK}$$$$\n", "file", FileKind.SDF),
        (f"smiles{BLOCK}> <id>\n5\n\n$$$$\n", "file", FileKind.SDF),
        ("data_id,smiles\n1,CCO\n", "file", FileKind.TABLE),
        ("data_id\tx\n1\tCCO\n", "file", FileKind.TABLE),
        ("data_smiles\nCCO\nCCN\n", "t.csv", FileKind.TABLE),
        ("data_1ABC\n#\nloop_\n_a.b\n1\n", "file", FileKind.MMCIF),
        ("DATA_1ABC\n_a.b 1\n", "file", FileKind.MMCIF),
        ('"SMILES\n(canonical)",name\nCCO,a\n', "file", FileKind.TABLE),
        ("smiles\nCCO\nNA\n", "file", FileKind.TABLE),
        ("smiles\nCCO ethanol\n", "file", FileKind.SMILES),
        ("CCO,ethanol\nC,methane\n", "t.csv", FileKind.SMILES),
        ("CCO\nC\n", "t.csv", FileKind.SMILES),
        ("compound\nCCO\nC\n", "t.csv", FileKind.TABLE),
        ("702\tCCO\n297\tC\n", "file", FileKind.SMILES),
        ("id,drug\n1,CCO\n2,C\n", "file", FileKind.TABLE),
        ("Drug,Target\nCCO,MKT\nC,MKV\n", "file", FileKind.TABLE),
        (">x\nMKT\n", "t.csv", FileKind.FASTA),
    ],
)
def test_content_and_name_tell_what_a_file_is(tmp_path, text, name, kind):
    assert kind_of(tmp_path, text, name) is kind


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (f'a,block\n1,"{BLOCK}$$$$\n"\n', "block"),
        ("data_id\nCCO\n", "data_id"),
        ("$RXN,x\nCCO,1\n", "x"),
        ("ATOM  ,x\nCCO,1\n", "x"),
        ('{"x": "CCO"}\n', "x"),
    ],
)
def test_a_named_column_decides_that_a_file_is_a_table(tmp_path, text, named):
    assert kind_of(tmp_path, text, named=[named]) is FileKind.TABLE
    assert len(list(read_items([tmp_path / "file"], Columns((named,))))) == 1


@pytest.mark.parametrize("format", FORMATS)
def test_a_format_overrules_the_content(tmp_path, format):
    assert kind_of(tmp_path, "smiles,name\nCCO,a\n", format=format) is FORMATS[format]


def test_formats_decide_how_files_are_read(tmp_path):
    (tmp_path / "t").write_text("smiles name\nCCO ethanol\n")
    assert read_molecules(tmp_path / "t", format="smiles") == ["CCO"]
    assert read_molecules(tmp_path / "t", format="tsv") == ["CCO ethanol"]
    with pytest.raises(UnknownColumnError, match="t is a list of SMILES and has no columns. Leave out 'smiles'"):
        read_molecules(tmp_path / "t", columns="smiles", format="smiles")
    with pytest.raises(ValueError, match="no format 'xls'. The formats are csv, tsv"):
        read_molecules(tmp_path / "t", format="xls")


def test_a_mol_block_in_a_named_column_is_a_molecule(tmp_path):
    (tmp_path / "t.csv").write_text(f'id,block\n1,"{BLOCK}"\n')
    assert read_molecules(tmp_path / "t.csv", columns="block") == ["C"]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("702\tCCO\n297\tC\n", ["CID:702", "CID:297"]),
        ("702\tCCO\nx\tC\n", ["702", "x"]),
        ("1,CCO,0\n2,CCN,1\n", ["1", "2"]),
        ("CID\tSMILES\n702\tCCO\n", ["CID:702"]),
        ("CID SMILES\n702 CCO\n", ["CID:702"]),
        ("id smiles\n1 CCO\n2 CCN\n", ["1", "2"]),
        ("# mine\nNr. SMILES\n1 CCO\n", ["1"]),
        ("cid smiles\n702 CCO\n", ["CID:702"]),
    ],
)
def test_numbers_are_cids_only_where_every_line_is_one_of_cid_and_smiles(tmp_path, text, ids):
    (tmp_path / "t").write_text(text)
    assert [item.id for item in read_items([tmp_path / "t"])] == ids


def test_text_that_is_not_utf8_is_told_with_its_line(tmp_path):
    (tmp_path / "t.csv").write_bytes("smiles,sequence\nCCO,MK\xe9\nC,MKT\n".encode("latin-1"))
    first, second = read_items([tmp_path / "t.csv"])
    assert first.problem.reason == "not UTF-8 text" and first.source == "t.csv:2" and second.proteins == ("MKT",)
    (tmp_path / "t.csv").write_bytes("caf\xe9,b\nCCO,1\n".encode("latin-1"))
    with pytest.raises(SourceError, match="A name is not UTF-8 text: save the file as UTF-8"):
        list(read_items([tmp_path / "t.csv"]))
