import gzip
import io
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem

from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.sets.pubchemqa import structures
from biomedgpt_hf.sets.pubchemqa.findings import Form
from biomedgpt_hf.sets.pubchemqa.formats import PubChemFormat, recognise_pubchem_file
from biomedgpt_hf.sets.pubchemqa.structures import read_cid_smiles, read_compound, read_pubchem_sdf

PATH = Path("structures")


def opened(data: bytes):
    return io.BufferedReader(io.BytesIO(data))


def wanted(*cids):
    return np.array(sorted(cids), np.int64)


def entry(cid, smiles="CCO", end="$$$$\n", **tags):
    block = Chem.MolToMolBlock(Chem.MolFromSmiles(smiles))
    tags = {"PUBCHEM_COMPOUND_CID": cid, **tags}
    return block + "".join(f"> <{name}>\n{value}\n\n" for name, value in tags.items()) + end


@pytest.fixture(params=[3, 50, 1 << 22])
def block(request, monkeypatch):
    """Blocks of so few bytes that entries and lines lie across them, and of the real size."""
    monkeypatch.setattr(structures, "BLOCK", request.param)


def test_cid_smiles_gives_the_wanted_lines(block):
    data = b"CID\tSMILES\n1\tCC\n2\tCCC \n\n10\tC[N+]\r\n100\tO\n123456789012345678\tN\n7\tlast"

    found = list(read_cid_smiles(PATH, opened(data), wanted(2, 10, 7, 123456789012345678, 5)))

    assert [(finding.line, finding.cid, finding.content.text) for finding in found] == [
        (3, 2, "CCC"),
        (5, 10, "C[N+]"),
        (7, 123456789012345678, "N"),
        (8, 7, "last"),
    ]


def test_lines_that_are_none_are_told_whatever_is_wanted(block):
    data = b"1\tC\nno tab\nx2\tC\n\tC\n-3\tC\n9999999999999999999\tC\n4\tC\xff\n1\t \n"

    found = list(read_cid_smiles(PATH, opened(data), wanted(1, 4)))

    assert [(finding.line, finding.cid) for finding in found] == [
        (1, 1),
        (2, 0),
        (3, 0),
        (4, 0),
        (5, 0),
        (6, 0),
        (7, 4),
        (8, 0),
    ]
    assert {finding.content.reason for finding in found if not finding.cid} == {"malformed line"}
    assert found[-2].content.text == "C\udcff"


def test_nothing_wanted_gives_nothing(block):
    assert list(read_cid_smiles(PATH, opened(b"1\tC\n2\tC\n"), wanted())) == []


def test_an_independent_reading_finds_the_same_lines():
    random = np.random.default_rng(0)
    lines = [f"{cid}\t{'C' * int(random.integers(1, 30))}" for cid in random.permutation(3_000)]
    asked = wanted(*map(int, random.choice(5_000, 400, replace=False)))
    expected = [(int(cid), smiles) for cid, smiles in (line.split("\t") for line in lines) if int(cid) in set(asked)]

    found = read_cid_smiles(PATH, opened("\n".join(lines).encode()), asked)

    assert [(finding.cid, finding.content.text) for finding in found] == [pair for pair in expected if pair[0]]


def test_a_truncated_gzip_gives_the_lines_before_the_break(tmp_path):
    path = tmp_path / "CID-SMILES.gz"
    smiles = {cid: "C" * (cid * 7919 % 97 + 1) for cid in range(1, 5_000)}
    text = "".join(f"{cid}\t{chain}\n" for cid, chain in smiles.items())
    path.write_bytes(gzip.compress(text.encode())[:-500])

    found = []
    with gzip.open(path) as file, pytest.raises(SourceError) as error:
        found.extend(read_cid_smiles(path, file, wanted(*smiles)))

    assert error.value.reason == "truncated or corrupt gzip"
    assert 1_000 < error.value.line == len(found) < 5_000
    assert all(finding.content.text == smiles[finding.cid] for finding in found)


def test_an_sdf_gives_its_smiles_tags_and_else_its_molblocks(block):
    data = (
        entry(1, PUBCHEM_OPENEYE_CAN_SMILES="CC(N)O", PUBCHEM_OPENEYE_ISO_SMILES="C[C@H](N)O")
        + entry(2, PUBCHEM_SMILES="N", PUBCHEM_CONNECTIVITY_SMILES="O")
        + entry(3, "c1ccccc1")
        + entry(4, "CC(N)O", PUBCHEM_ATOM_UDEF_STEREO_COUNT=1, PUBCHEM_BOND_UDEF_STEREO_COUNT=0)
        + entry(5)
    )

    found = list(read_pubchem_sdf(PATH, opened(data.encode()), wanted(1, 2, 3, 4, 6)))

    assert [(finding.cid, finding.content.form) for finding in found] == [
        (1, Form.LINE),
        (2, Form.LINE),
        (3, Form.MOLBLOCK),
        (4, Form.MOLBLOCK_PARTLY_UNDEFINED),
    ]
    assert [finding.content.text for finding in found[:2]] == ["C[C@H](N)O", "N"]
    assert Chem.MolToSmiles(Chem.MolFromMolBlock(found[2].content.text)) == "c1ccccc1"
    assert [data.splitlines()[finding.line - 2] for finding in found[1:]] == ["$$$$"] * 3


def test_the_tags_of_older_sdf_files_and_other_line_breaks_are_read():
    data = entry(7).replace("> <PUBCHEM_COMPOUND_CID>", ">  <PUBCHEM_COMPOUND_CID>  (1) ").replace("\n", "\r\n")

    [found] = read_pubchem_sdf(PATH, opened(data.encode()), wanted(7))

    assert (found.cid, found.content.form) == (7, Form.MOLBLOCK)
    assert Chem.MolToSmiles(Chem.MolFromMolBlock(found.content.text)) == "CCO"


def test_sdf_entries_without_a_cid_or_an_end_are_told():
    data = entry("none") + entry(2) + entry(3, end="")

    found = list(read_pubchem_sdf(PATH, opened(data.encode()), wanted(2, 3)))

    assert [(finding.cid, getattr(finding.content, "reason", "")) for finding in found] == [
        (0, "structure without a CID"),
        (2, ""),
        (0, "entry cut off"),
    ]


def compound(cid, *props):
    return {
        "id": {"id": {"cid": cid}} if cid else {},
        "atoms": {},
        "props": [{"urn": {"label": label, "name": name}, "value": value} for label, name, value in props],
    }


def test_an_entry_of_pc_compounds_gives_its_smiles_with_stereo():
    weight = ("Molecular Weight", None, {"fval": 46.0})
    inchi = ("InChI", "Standard", {"sval": "InChI=1S/CH4/h1H4"})
    old = [("SMILES", "Canonical", {"sval": "CC(N)O"}), ("SMILES", "Isomeric", {"sval": "C[C@H](N)O"})]
    new = [("SMILES", "Connectivity", {"sval": "CC(N)O"}), ("SMILES", "Absolute", {"sval": "C[C@@H](N)O"})]

    assert read_compound(compound(4, weight, inchi, *old), 1).content == (Form.LINE, "C[C@H](N)O")
    assert read_compound(compound(4, *new), 1).content == (Form.LINE, "C[C@@H](N)O")
    assert read_compound(compound(4, inchi), 1).content == (Form.LINE, "InChI=1S/CH4/h1H4")
    assert read_compound(compound(4, weight), 1).content.reason == "structure without SMILES"
    assert read_compound(compound(None, *new), 1).content.reason == "structure without a CID"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"1\tCC\n", PubChemFormat.CID_SMILES),
        (b"cid\tsmiles\n1\tCC\n", PubChemFormat.CID_SMILES),
        (entry(1).encode(), PubChemFormat.SDF),
        (entry(1).replace("\n", "\r\n").encode(), PubChemFormat.SDF),
        (b"\xef\xbb\xbf\n {", PubChemFormat.JSON),
        (b"[", PubChemFormat.JSON),
    ],
)
def test_formats_are_told_by_their_content(tmp_path, data, kind):
    path = tmp_path / "anything.txt"
    for content in (data, gzip.compress(data)):
        path.write_bytes(content)
        assert recognise_pubchem_file(path) is kind


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b" \n", "empty file"),
        (gzip.compress(b"", mtime=0), "empty file"),
        (gzip.compress(b"1\tCC\n", mtime=0)[:8], "truncated or corrupt gzip"),
        (b"CID\tSMILES\tdescription\n1\tCC\tx\n", "unknown format"),
        (b"CC 1\n", "unknown format"),
        (b"<?xml version='1.0'?>", "unknown format"),
        (bytes(range(256)), "unknown format"),
    ],
)
def test_other_files_are_named_with_what_was_expected(tmp_path, data, reason):
    path = tmp_path / "file"
    path.write_bytes(data)

    with pytest.raises(SourceError) as error:
        recognise_pubchem_file(path)

    assert error.value.reason == reason
    assert str(path) in str(error.value)
    assert reason != "unknown format" or "CID-SMILES" in str(error.value)
