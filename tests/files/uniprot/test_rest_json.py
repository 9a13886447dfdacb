"""UniProtKB's JSON in every shape that files of it have, and broken ones."""

import json

import pytest

from biomedgpt_hf.files import json_text
from biomedgpt_hf.files.records import RejectedRecord, UnwantedRecord
from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.files.uniprot import formats
from biomedgpt_hf.files.uniprot.formats import parse_entry, read_entries

from .four_formats import Comment, Facts, json_file, json_object

ALL = tuple(Facts(f"P{number:05d}", functions=(Comment(("Binds α",)),)) for number in range(5))
OBJECTS = [json_object(facts) for facts in ALL]
MAPPED = {"results": [{"from": "x", "to": item} for item in OBJECTS], "failedIds": ["y"]}
FACETS = {"facets": [{"label": "Status", "values": [{"value": "true", "count": 5}]}], "results": OBJECTS}
OTHER_ORDER = [dict(sorted(item.items())) for item in OBJECTS]
SHAPES = {
    "answer of the site": json.dumps({"results": OBJECTS}, separators=(",", ":")),
    "indented": json.dumps({"results": OBJECTS}, indent=1),
    "not ASCII": json.dumps({"results": OBJECTS}, ensure_ascii=False),
    "list": json.dumps(OBJECTS),
    "JSON Lines": "\n".join(map(json.dumps, OBJECTS)) + "\n",
    "JSON Lines of Windows without end": "\r\n".join(map(json.dumps, OBJECTS)),
    "one after the other": "".join(json.dumps(item, indent=2) for item in OBJECTS),
    "pages": json.dumps({"results": OBJECTS[:2]}) + "\n" + json.dumps({"results": OBJECTS[2:]}),
    "lists": json.dumps(OBJECTS[:2]) + json.dumps(OBJECTS[2:]),
    "facets first": json.dumps(FACETS),
    "facets last": json.dumps(dict(reversed(FACETS.items()))),
    "identifier mapping": json.dumps(MAPPED),
    "other order of keys": json.dumps({"results": OTHER_ORDER}),
    "other order in lines": "\n".join(map(json.dumps, OTHER_ORDER)),
    "orders mixed": json.dumps([OBJECTS[0], OTHER_ORDER[1], *OBJECTS[2:4], OTHER_ORDER[4]]),
}


def accessions(path):
    return [parse_entry(record.content).accession for record in read_entries(path)]


@pytest.mark.parametrize("block", [7, 64, 1_000, 1 << 20])
@pytest.mark.parametrize("text", SHAPES.values(), ids=SHAPES)
def test_every_shape_is_read_however_it_comes_in_blocks(tmp_path, monkeypatch, text, block):
    monkeypatch.setattr(formats, "BLOCK", block)
    monkeypatch.setattr(formats, "HEAD", 1)
    (tmp_path / "a").write_text(text, "utf-8")
    records = list(read_entries(tmp_path / "a"))
    assert [record.id for record in records] == [facts.accession for facts in ALL]
    assert [record.line for record in records] == [1, 2, 3, 4, 5]
    assert accessions(tmp_path / "a") == [facts.accession for facts in ALL]
    assert {parse_entry(record.content).functions for record in records} == {("Binds α.",)}


def test_one_bare_entry_is_read(tmp_path):
    for indent in (None, 4):
        (tmp_path / "a").write_text(json.dumps(OBJECTS[0], indent=indent))
        assert accessions(tmp_path / "a") == ["P00000"]


@pytest.mark.parametrize("share", [0.45, 0.65, 0.97])
@pytest.mark.parametrize("shape", ["answer of the site", "indented", "list", "JSON Lines", "other order of keys"])
def test_a_cut_file_keeps_its_whole_entries(tmp_path, shape, share):
    text = SHAPES[shape][: int(len(SHAPES[shape]) * share)]
    (tmp_path / "a").write_text(text)
    *whole, cut = read_entries(tmp_path / "a")
    assert [record.problem for record in whole] == [None] * len(whole)
    assert len(whole) == {0.45: 2, 0.65: 3, 0.97: 4}[share]
    assert cut.problem.reason == "entry cut in the middle"
    told = "primaryAccession" in text[text.rfind('"entryType"' if "other" not in shape else '"annotationScore"') :]
    assert cut.id == (f"P0000{len(whole)}" if told else "")


def test_a_list_that_is_not_closed_is_told(tmp_path):
    (tmp_path / "a").write_text(SHAPES["answer of the site"].removesuffix("]}"))
    records = read_entries(tmp_path / "a")
    assert [next(records).id for _ in ALL] == [facts.accession for facts in ALL]
    with pytest.raises(SourceError, match="after entry 5 without the closing ]"):
        next(records)


@pytest.mark.parametrize("shape", ["answer of the site", "indented", "JSON Lines"])
@pytest.mark.parametrize("broken", ['"primaryAccession": "P00002",,', '"primaryAccession": "P00002", "x": [1, }'])
def test_a_broken_entry_costs_no_other(tmp_path, shape, broken):
    text = (
        SHAPES[shape].replace('"primaryAccession":"P00002",', broken).replace('"primaryAccession": "P00002",', broken)
    )
    (tmp_path / "a").write_text(text)
    good, bad = [], []
    for record in read_entries(tmp_path / "a"):
        try:
            if record.problem:
                raise record.problem
            good.append(parse_entry(record.content).accession)
        except RejectedRecord as rejected:
            bad.append((record.id, rejected.reason))
    assert good == ["P00000", "P00001", "P00003", "P00004"]
    assert bad == [("P00002", "unreadable entry")]


def test_bytes_that_are_not_utf_8_cost_one_entry(tmp_path):
    text = json_file(*ALL, ensure_ascii=False).replace("α".encode(), b"\xff", 1)
    (tmp_path / "a").write_bytes(text)
    first, *others = read_entries(tmp_path / "a")
    assert first.problem.reason == "not UTF-8 text" and [record.problem for record in others] == [None] * 4


def test_nesting_without_end_is_no_entry(tmp_path):
    deep = '{"primaryAccession": "P1", "x": ' + "[" * 100_000 + "]" * 100_000 + "}"
    (tmp_path / "a").write_text(f"{deep}\n{json.dumps(OBJECTS[0])}")
    bad, good = read_entries(tmp_path / "a")
    assert "nested too deeply" in bad.problem.detail and good.id == "P00000"


def test_an_entry_longer_than_any_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(json_text, "LARGEST_RECORD", 5_000)
    monkeypatch.setattr(formats, "BLOCK", 1_000)
    text = '{"results": [{"entryType": "' + "x" * 50_000 + '"}, ' + json.dumps(OBJECTS[0]) + "]}"
    (tmp_path / "a").write_text(text)
    bad, good = read_entries(tmp_path / "a")
    assert bad.problem.reason == "unreadable entry" and good.id == "P00000"


def test_entries_that_uniprot_has_taken_out_are_left_out(tmp_path):
    gone = {"entryType": "Inactive", "primaryAccession": "P00009", "inactiveReason": {"inactiveReasonType": "DELETED"}}
    (tmp_path / "a").write_text(json.dumps({"results": [gone, OBJECTS[0]]}))
    first, second = read_entries(tmp_path / "a")
    with pytest.raises(UnwantedRecord) as unwanted:
        parse_entry(first.content)
    assert (unwanted.value.reason, unwanted.value.detail) == ("inactive entry", "DELETED")
    assert parse_entry(second.content).accession == "P00000"


def test_an_entry_with_few_keys_says_little(tmp_path):
    (tmp_path / "a").write_text('{"primaryAccession": "P1", "comments": null, "proteinDescription": {}}')
    (record,) = read_entries(tmp_path / "a")
    assert parse_entry(record.content)[:6] == ("P1", "", None, None, (), ())


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"comments": {}}, "comments is {}, not a list of objects"),
        ({"comments": [1]}, "comments is [1], not a list of objects"),
        ({"comments": [{"commentType": ["FUNCTION"]}]}, "['FUNCTION'] is no string"),
        ({"sequence": "MKT"}, "sequence is 'MKT', not an object"),
        ({"proteinDescription": {"recommendedName": {"fullName": {"value": 5}}}}, "5 is no string"),
    ],
)
def test_an_entry_built_otherwise_is_unreadable(tmp_path, change, detail):
    (tmp_path / "a").write_text(json.dumps({"results": [OBJECTS[1], OBJECTS[0] | change]}))
    _, record = read_entries(tmp_path / "a")
    with pytest.raises(RejectedRecord) as rejected:
        parse_entry(record.content)
    assert rejected.value.reason == "unreadable entry" and rejected.value.detail == detail


@pytest.mark.parametrize(
    "text",
    [
        '{"url": "http://rest.uniprot.org", "messages": ["no such field"]}',
        '{"results": [{"id": "UniRef50_P1", "name": "Cluster"}]}',
        '[{"sequence": "MKT", "description": "x"}]',
        "[1, 2]",
    ],
)
def test_json_of_something_else_is_refused(tmp_path, text):
    (tmp_path / "a").write_text(text)
    with pytest.raises(SourceError, match="no entry of UniProtKB, it has no primaryAccession"):
        list(read_entries(tmp_path / "a"))
