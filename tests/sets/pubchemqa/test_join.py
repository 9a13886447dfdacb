"""Descriptions and structures of several files, joined on disk; and what an interrupted run leaves."""

import gzip
import json
import os

import pytest

from biomedgpt_hf.sets.pubchemqa import join
from biomedgpt_hf.sets.pubchemqa.findings import Form
from biomedgpt_hf.sets.pubchemqa.join import read_joined


def annotation(anid, text, *cids):
    value = {"StringWithMarkup": [{"String": text}]}
    data = [{"TOCHeading": {"type": "Compound", "#TOCHeading": "Record Description"}, "Value": value}]
    return {"SourceName": "Depositor", "ANID": anid, "Data": data, "LinkedRecords": {"CID": cids}}


def write_page(path, *annotations):
    path.write_text(json.dumps({"Annotations": {"Annotation": annotations, "Page": 1, "TotalPages": 1}}, indent=1))
    return path


def compounds(**smiles_by_cid):
    return {
        "PC_Compounds": [
            {
                "id": {"id": {"cid": int(cid[1:])}},
                "atoms": {},
                "props": [{"urn": {"label": "SMILES", "name": "Absolute"}, "value": {"sval": smiles}}],
            }
            for cid, smiles in smiles_by_cid.items()
        ]
    }


def molfile(cid):
    return f"{cid}\n\n\n  1  0  0  0  0  0  0  0  0  0999 V2000\nM  END\n> <PUBCHEM_COMPOUND_CID>\n{cid}\n\n$$$$\n"


@pytest.fixture
def files(tmp_path):
    """Two pages, and structures of three kinds, in an order that is none of theirs."""
    table = tmp_path / "CID-SMILES.gz"
    table.write_bytes(gzip.compress(b"1\tC\n2\tCC\n3\tCCC\n4\tCCCC\nbroken\n"))
    second = write_page(
        tmp_path / "b.json", annotation(12, "b12", 3, 1), annotation(13, "b13"), annotation(14, "b14", 9)
    )
    sdf = tmp_path / "some.sdf"
    sdf.write_text(molfile(3) + molfile(7))
    first = write_page(tmp_path / "a.json", annotation(11, "a11", 7, 3), annotation(12, "a12", 1))
    other = tmp_path / "compounds.json"
    other.write_text(json.dumps(compounds(c1="N", c9="O")))
    return [table, second, sdf, first, other]


def summary(records):
    return [
        (record.file, record.id, record.content.structure and record.content.structure.text[:5])
        if record.content
        else (record.file, record.id, record.problem.reason)
        for record in records
    ]


def test_records_come_by_cid_then_by_source_each_with_the_first_structure(files, tmp_path):
    records = list(read_joined(files, tmp_path / "scratch", progress=False))

    assert summary(records) == [
        ("CID-SMILES.gz", "", "malformed line"),
        ("b.json", "ANID:13", "no CID"),
        ("b.json", "CID:1:ANID:12", "C"),
        ("a.json", "CID:1:ANID:12:v2", "C"),
        ("b.json", "CID:3:ANID:12", "CCC"),
        ("a.json", "CID:3:ANID:11", "CCC"),
        ("a.json", "CID:7:ANID:11", "7\n\n\n "),
        ("b.json", "CID:9:ANID:14", "O"),
    ]
    assert records[6].content.structure.form is Form.MOLBLOCK
    assert records[6].content.cid == 7
    lines = files[1].read_text().splitlines()
    begins = [number for number, line in enumerate(lines, start=1) if line == "   {"]
    assert [record.line for record in records[:3]] == [5, begins[1], begins[0]]


def test_the_first_source_with_a_structure_wins_and_a_molblock_only_without_one(files, tmp_path):
    table, second, sdf, first, other = files

    records = list(read_joined([sdf, other, first, second, table], tmp_path / "scratch", progress=False))

    structures = {record.id: record.content.structure.text[:3] for record in records if record.content}
    assert structures["CID:1:ANID:12"] == structures["CID:1:ANID:12:v2"] == "N"
    assert structures["CID:3:ANID:11"] == "CCC"


def test_a_compound_without_a_structure_comes_without(files, tmp_path):
    records = list(read_joined(files[3:4], tmp_path / "scratch", progress=False))

    assert [record.content.structure for record in records] == [None, None, None]


def test_a_file_that_cannot_be_read_costs_no_other(files, tmp_path):
    table, second, sdf, first, other = files
    first.write_text(first.read_text()[:-30])
    other.write_text("what is this?")
    table.write_bytes(table.read_bytes()[:-12])
    (tmp_path / "empty").touch()

    records = list(read_joined([*files, tmp_path / "empty"], tmp_path / "scratch", progress=False))

    problems = [(record.file, record.problem.reason) for record in records if record.problem]
    assert problems == [
        ("CID-SMILES.gz", "truncated or corrupt gzip"),
        ("b.json", "no CID"),
        ("a.json", "truncated JSON"),
        ("compounds.json", "unknown format"),
        ("empty", "empty file"),
    ]
    assert ("a.json", "CID:3:ANID:11") in [(record.file, record.id) for record in records]
    with pytest.raises(FileNotFoundError):
        list(read_joined([tmp_path / "absent"], tmp_path / "scratch", progress=False))


def test_an_entry_keeps_its_id_but_with_another_text_gets_another(tmp_path):
    first = write_page(tmp_path / "a.json", annotation(1, "old", 5, 6), annotation(2, "See also: x.", 5))
    second = write_page(tmp_path / "b.json", annotation(1, "old", 5), annotation(1, "new", 5), annotation(1, "old", 5))

    records = list(read_joined([first, second, second], tmp_path / "scratch", progress=False))

    assert [(record.id, record.content.description.text) for record in records if record.content] == [
        ("CID:5:ANID:1", "old"),
        ("CID:5:ANID:1", "old"),
        ("CID:5:ANID:1:v2", "new"),
        ("CID:5:ANID:1", "old"),
        ("CID:5:ANID:1", "old"),
        ("CID:5:ANID:1:v2", "new"),
        ("CID:5:ANID:1", "old"),
        ("CID:6:ANID:1", "old"),
    ]


def test_texts_that_are_not_utf8_survive_the_base(tmp_path):
    page = write_page(tmp_path / "page.json", annotation(1, "caf\udce9 \ud800", 5))
    page.write_bytes(page.read_bytes().replace(b"\\udce9", b"\xe9"))

    [record] = read_joined([page], tmp_path / "scratch", progress=False)

    assert record.content.description.text == "caf\udce9 \ud800"


def test_an_interrupted_run_goes_on_with_the_sources_that_it_had_not_finished(files, tmp_path, monkeypatch):
    expected = summary(read_joined(files, tmp_path / "other", progress=False))
    scratch = tmp_path / "scratch"
    real, opened = join.read_findings, []

    def interrupted(path, *arguments):
        opened.append(path.name)
        for number, finding in enumerate(real(path, *arguments)):
            if path.name == "CID-SMILES.gz" and number == 1 and opened.count(path.name) == 1:
                raise KeyboardInterrupt
            yield finding

    monkeypatch.setattr(join, "read_findings", interrupted)
    with pytest.raises(KeyboardInterrupt):
        next(read_joined(files, scratch, progress=False))
    assert opened == ["b.json", "a.json", "compounds.json", "CID-SMILES.gz"]
    opened[:] = ["CID-SMILES.gz"]

    assert summary(read_joined(files, scratch, progress=False)) == expected
    assert opened == ["CID-SMILES.gz", "CID-SMILES.gz", "some.sdf"]

    assert summary(read_joined(files, scratch, progress=False)) == expected
    assert len(opened) == 3


def test_a_changed_source_is_read_again(files, tmp_path):
    scratch = tmp_path / "scratch"
    before = summary(read_joined(files, scratch, progress=False))
    page = files[3]
    page.write_text(page.read_text().replace("a11", "a99"))
    os.utime(page, ns=(0, 0))

    records = list(read_joined(files, scratch, progress=False))

    assert summary(records) == before
    texts = [record.content.description.text for record in records if record.content]
    assert "a99" in texts
    assert "a11" not in texts
    assert summary(read_joined(files[3:4], scratch, progress=False))[0][2] is None
