"""Molecules are read from lists, tables, SDF and built sets, recognised by content."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rdkit import Chem

from biomedgpt_hf.files.items import Columns, read_items
from biomedgpt_hf.files.items.molecule_lists import Structure, molecule_text, read_molecule_records
from biomedgpt_hf.files.records import RejectedRecord
from biomedgpt_hf.files.sources import SourceError

ETHANOL = "InChI=1S/C2H6O/c1-2-3/h3H,2H2,1H3"


def listed(tmp_path, content, name="list"):
    """(id, text, line) of each molecule in a file with this content, and the reasons for those without."""
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    records = list(read_molecule_records(path))
    found = [(record.id, record.content.text, record.line) for record in records if not record.problem]
    return found, [(record.line, record.problem.reason) for record in records if record.problem]


def sdf(*molecules):
    """SDF text of (title, SMILES, CID or "")."""
    text = ""
    for title, smiles, cid in molecules:
        block = Chem.MolToMolBlock(Chem.MolFromSmiles(smiles)).split("\n", 1)[1]
        text += f"{title}\n{block}" + (f"> <PUBCHEM_COMPOUND_CID>\n{cid}\n\n" if cid else "") + "$$$$\n"
    return text


def test_lines_that_are_said_to_be_smiles_are_read_one_by_one(tmp_path):
    path = tmp_path / "list"
    path.write_text("bad line\n?? worse\nno molecule\nCCO ethanol\n")
    with pytest.raises(SourceError, match="unknown format|not an item|not the beginning"):
        list(read_molecule_records(path))
    records = list(read_molecule_records(path, Columns(format="smiles")))
    assert [record.line for record in records] == [1, 2, 3, 4] and records[3].content.text == "CCO"
    assert len(records) == len(list(read_items([path], Columns(format="smiles"))))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("CCO\nC\n", [("", "CCO", 1), ("", "C", 2)]),
        ("CCO ethanol, pure\n\n# a comment\nC\tmethane\r\n", [("ethanol, pure", "CCO", 1), ("methane", "C", 4)]),
        ("SMILES Name\nCCO ethanol\n", [("ethanol", "CCO", 2)]),
        ("name smiles\nethanol CCO\n", [("ethanol", "CCO", 2)]),
        ("702\tCCO\n297\tC\n", [("CID:702", "CCO", 1), ("CID:297", "C", 2)]),
        ("ethanol CCO extra words\nmethanol CO\n", [("ethanol", "CCO", 1), ("methanol", "CO", 2)]),
        ("CCO,ethanol\nC,methane\n", [("ethanol", "CCO", 1), ("methane", "C", 2)]),
        ("InChI=1S/CH4/h1H4\tmethane\n", [("methane", "InChI=1S/CH4/h1H4", 1)]),
        (f"{ETHANOL} ethanol\nC methane\n", [("ethanol", ETHANOL, 1), ("methane", "C", 2)]),
        (f"702\t{ETHANOL}\n297\tC\n", [("CID:702", ETHANOL, 1), ("CID:297", "C", 2)]),
        ("CCO ethanol\nC methane\n\x1a", [("ethanol", "CCO", 1), ("methane", "C", 2)]),
        ("\ufeffCC\\\\C=C one\n", [("one", "CC\\C=C", 1)]),
        ("\ufeffCCO one\n\ufeff\ufeffC two\n", [("one", "CCO", 1), ("two", "C", 2)]),
    ],
)
def test_lines_of_smiles_may_have_names_on_either_side_and_a_header(tmp_path, content, expected):
    assert listed(tmp_path, content) == (expected, [])
    assert listed(tmp_path, gzip.compress(content.encode())) == (expected, [])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('CID\tSMILES\tdescription\n702\tCCO\tAn "alcohol\n', [("CID:702", "CCO", 2)]),
        ('name,Canonical SMILES,x\n"a, b",CCO,1\n', [("a, b", "CCO", 2)]),
        ('"ChEMBL ID";"Smiles"\n"CHEMBL545";"CCO"\n', [("CHEMBL545", "CCO", 2)]),
        ("SMILES\nCCO\n", [("", "CCO", 2)]),
        ('"SMILES"\n"CCO"\n', [("", "CCO", 2)]),
        ("mol,CID,pIC50\nCCO,BACE_1,9.1\n", [("BACE_1", "CCO", 2)]),
        ("Reactant Set ID\tLigand SMILES\tLigand InChI\n5\tCCO\tx\n", [("", "CCO", 2)]),
        ("compound_iso_smiles,target_sequence,affinity\nCCO,MKV,5.0\n", [("", "CCO", 2)]),
        ("molecule,drug_smiles\nethanol,CCO\n", [("", "CCO", 2)]),
        ("scaffold_smiles,isomeric_smiles\nC,CCO\n", [("", "CCO", 2)]),
        ("inchi,smiles\nInChI=1S/CH4/h1H4,C\n", [("", "C", 2)]),
        (json.dumps({"molecule": "CCO", "id": 7}) + "\n", [("7", "CCO", 1)]),
    ],
)
def test_tables_are_read_by_their_column_of_structures(tmp_path, content, expected):
    assert listed(tmp_path, content) == (expected, [])


def test_a_row_without_a_structure_is_told_with_its_line(tmp_path):
    found, problems = listed(tmp_path, "CID,SMILES\n1,\n2,CCO\n3\n")
    assert found == [("CID:2", "CCO", 3)] and [line for line, _ in problems] == [2, 4]
    found, problems = listed(tmp_path, "1\tC\n2\n3\tCC\n")
    assert [id for id, *_ in found] == ["CID:1", "CID:3"] and problems == [(2, "no structure")]


def test_parquet_files_and_built_sets_are_read(tmp_path):
    pq.write_table(pa.table({"SMILES": ["CCO", None], "cid": [702, 1]}), tmp_path / "x")
    records = list(read_molecule_records(tmp_path / "x"))
    assert [(record.id, record.problem is None) for record in records] == [("CID:702", True), ("CID:1", False)]
    pq.write_table(pa.table({"molecules": [["CCO", "C"], []], "id": ["a", "b"]}), tmp_path / "y")
    records = list(read_molecule_records(tmp_path / "y"))
    assert [(record.id, record.content.text) for record in records] == [("a", "CCO"), ("a", "C")]


def test_sdf_records_keep_their_lines_names_and_stereo(tmp_path):
    alanine = "C[C@H](N)C(=O)O"
    text = sdf(("alanine", alanine, ""), ("", "CC(=O)[O-].[Na+]", "517045"))
    found, problems = listed(tmp_path, text)
    assert [(id, line) for id, _, line in found] == [
        ("alanine", 1),
        ("CID:517045", text.count("\n", 0, text.index("$")) + 2),
    ]
    assert not problems
    texts = [molecule_text(record.content) for record in read_molecule_records(tmp_path / "list")]
    assert texts == [Chem.CanonSmiles(alanine), "CC(=O)[O-].[Na+]"]


def test_a_bad_record_of_an_sdf_costs_no_other(tmp_path):
    good = sdf(("good", "CCO", ""))
    pentavalent = good.replace("good", "bad").replace(" C  ", " F  ", 1).replace("  1  2  1", "  1  2  3", 1)
    latin = good.replace("good", "caf\xe9").encode("latin-1")
    path = tmp_path / "x.sdf"
    path.write_bytes(good.encode() + pentavalent.encode() + latin + good[: good.index("M  END")].encode())
    results = []
    for record in read_molecule_records(path):
        try:
            results.append((record.id, molecule_text(record.content) if not record.problem else record.problem.reason))
        except RejectedRecord as rejected:
            results.append((record.id, rejected.reason))
            assert "valence" in rejected.detail
    assert results == [
        ("good", "CCO"),
        ("bad", "unreadable molecule"),
        ("caf\\udce9", "CCO"),
        ("good", "record cut in the middle"),
    ]


def test_a_cut_gzip_gives_what_stands_before_the_break(tmp_path):
    lines = "".join(f"{'C' * (n % 50 + 1)}O\tname {n * 7919 % 10007}\n" for n in range(3000))
    packed = gzip.compress(lines.encode())
    (tmp_path / "x").write_bytes(packed[: len(packed) // 2])
    found = []
    with pytest.raises(SourceError, match="truncated or corrupt"):
        found.extend(record.content.text for record in iterate(tmp_path / "x"))
    assert 100 < len(found) < 3000 and found[1] == "CCO"


def iterate(path):
    yield from read_molecule_records(path)


def test_cxsmiles_are_not_cut_to_their_smiles(tmp_path):
    found, _ = listed(tmp_path, "CCO ethanol\nC[C@H](F)Cl |&1:1| racemate\n")
    assert found[1][:2] == ("racemate", "C[C@H](F)Cl |&1:1|")


@pytest.mark.parametrize(
    "content", ["", "hello world\nthis is text\n", "format-version: 1.2\n", "a,b\n1,2\n", '{"a": 1}\n', "\x00\x01"]
)
def test_a_file_without_molecules_is_refused(tmp_path, content):
    with pytest.raises(SourceError):
        listed(tmp_path, content)


def test_the_molecules_of_an_ontology_are_its_terms_with_a_structure(tmp_path):
    head = "format-version: 1.2\n\n"
    terms = (
        '[Term]\nid: CHEBI:1\nname: ethanol\nsynonym: "CCO" RELATED SMILES []\n\n'
        "[Term]\nid: CHEBI:2\nname: alcohol\n\n[Term]\nid: CHEBI:3\ndef: cut\n"
    )
    found, problems = listed(tmp_path, head + terms)
    assert found == [("CHEBI:1", "CCO", 3)] and problems == [(12, "malformed line")]
    with pytest.raises(SourceError, match="line 3: up to this last term there is no structure"):
        listed(tmp_path, head + "[Term]\nid: CHEBI:2\nname: alcohol\n")


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        list(read_molecule_records(tmp_path / "nowhere"))
    with pytest.raises(IsADirectoryError, match="is a folder"):
        list(read_molecule_records(tmp_path))


def test_mol_blocks_that_rdkit_cannot_read_say_why():
    with pytest.raises(RejectedRecord, match="RDKit cannot read the MOL block"):
        molecule_text(Structure("nonsense\n", is_mol_block=True))


@pytest.mark.parametrize(
    ("file", "count", "first"),
    [
        ("captions/chebi20_all_cid_smiles.tsv.gz", 33010, "CID:11"),
        ("captions/chebi20/test.txt", 3300, "CID:5354212"),
        ("captions/chebi20_mm/validation_rows1-500.csv", 500, "CID:92470518"),
        ("structures/first_5K.smi", 4999, "1"),
        ("structures/znp.50k.smi.gz", 50000, "ZINC70701530"),
        ("structures/first_200.props.sdf", 200, ""),
        ("structures/pandas_load.sdf.gz", 14, "CID:35024973"),
        ("pubchem/pubchem.200.sdf", 200, "CID:6603170"),
        ("structures/CHEMBL501674_3D.mol", 1, ""),
    ],
)
def test_real_lists_have_the_known_number_of_molecules(shared, file, count, first):
    records = list(read_molecule_records(shared / "data" / file))
    assert len(records) == count and records[0].id == first
    assert not any(record.problem for record in records)
