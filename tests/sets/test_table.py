"""One's own table, of whatever kind, becomes a set like every other; what is wrong with a row costs that row only."""

import csv
import gzip
import hashlib
import json
import pickle
import random
from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from biomedgpt_hf.building.pipeline import BuildSettings
from biomedgpt_hf.evaluation.set_rows import read_asked_rows
from biomedgpt_hf.files.records import Record, RejectedRecord, UnwantedRecord
from biomedgpt_hf.files.sources import SourceError, read_lines
from biomedgpt_hf.files.tables.table import open_table
from biomedgpt_hf.sets.table import builder as table
from biomedgpt_hf.sets.table.rows import Labels, RowColumns, parse_table_row

QUIET = BuildSettings(progress=False)
MOLECULES = ["CCO", "c1ccccc1", "CC(=O)O", "InChI=1S/CH4/h1H4", "[Na+].[Cl-]", "C#N", "CCN", "OCC(O)CO", "FC(F)F", "S"]
PROTEINS = ["MKTAYIAK", "MGSSHHHH", "MEEPQSDPSV"]
ROWS = [
    {
        "number": index,
        "smiles": MOLECULES[index % len(MOLECULES)],
        "sequence": PROTEINS[index % 3],
        "q": f"What, if anything, does “{index}” bind?",
        "a": ['It binds "tightly"; so they say.', "No", "Line one\n\nline two", "β-sheet\tonly"][index % 4],
    }
    for index in range(40)
]
COLUMNS = {
    "molecule_columns": ["smiles"],
    "protein_columns": ["sequence"],
    "question_column": "q",
    "answer_column": "a",
}


def write_csv(path, rows=ROWS, delimiter=",", **options):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter, **options)
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_text(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def build(sources, output, **options):
    manifest = table.build_table(
        [sources] if not isinstance(sources, list) else sources, output, settings=QUIET, **options
    )
    rows = [row for split in load_dataset(str(output), cache_dir=str(output / "cache")).values() for row in split]
    rejected = [json.loads(line) for line in (output / "rejected.jsonl").read_text("utf-8").splitlines()]
    return manifest, sorted(rows, key=lambda row: int(row["id"].rpartition(":")[2])), rejected


def cells_of(path, *wanted):
    return [row.problem.reason if row.problem else tuple(row.cells.values()) for row in open_table(path, wanted).rows]


# Every kind of file.


def as_tab_separated(path):
    return write_csv(path, delimiter="\t")


def as_semicolons(path):
    return write_csv(path, delimiter=";", lineterminator="\r\n")


def as_excel_writes(path):
    text = write_csv(path, delimiter=";").read_text("utf-8")
    return write_text(path, "sep=;\r\n" + text, "utf-8-sig")


def as_json_lines(path):
    return write_text(path, "".join(json.dumps(row) + "\n" for row in ROWS))


def as_parquet(path):
    pq.write_table(pa.Table.from_pylist(ROWS), path, row_group_size=7)
    return path


def compressed(make):
    def write(path):
        make(path)
        path.write_bytes(gzip.compress(path.read_bytes()))
        return path

    return write


KINDS = {
    "csv": write_csv,
    "semicolons": as_semicolons,
    "excel": as_excel_writes,
    "tsv": as_tab_separated,
    "jsonl": as_json_lines,
    "parquet": as_parquet,
    "csv.gz": compressed(write_csv),
    "tsv.gz": compressed(as_tab_separated),
    "jsonl.gz": compressed(as_json_lines),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_table_in_any_kind_of_file_gives_the_same_rows(tmp_path, kind):
    path = KINDS[kind](tmp_path / "table.txt")  # the name tells nothing
    manifest, rows, rejected = build(path, tmp_path / "set", **COLUMNS)
    assert not rejected and manifest["counts"]["rows"] == len(rows) == len(ROWS)
    for number, (row, asked) in enumerate(zip(rows, ROWS, strict=True), start=1):
        assert row["id"] == f"table.txt:{number}"
        assert (row["molecules"], row["proteins"]) == ([asked["smiles"]], [asked["sequence"]])
        question, answer = (message["content"][-1]["text"] for message in row["messages"])
        assert (question, answer) == (asked["q"], asked["a"])
        assert [block["type"] for block in row["messages"][0]["content"]] == ["molecule", "protein", "text"]
        assert (row["task"], row["source"], row["license"]) == ("question", "table.txt", "unknown")


def test_lines_are_numbered_as_an_editor_does(tmp_path):
    path = write_csv(tmp_path / "t.csv", ROWS[:5])
    lines = path.read_text("utf-8").splitlines()
    rows = list(open_table(path, ["number"]).rows)
    assert [row.number for row in rows] == [1, 2, 3, 4, 5]
    assert [lines[row.line - 1].split(",")[0] for row in rows] == list("01234")
    assert rows[3].line == rows[2].line + 3  # the third answer has three lines


def test_blank_lines_and_rows_of_nothing_are_no_rows(tmp_path):
    path = write_text(tmp_path / "t.csv", "\n a , b \n\n1,2\n,\n\n3,4\n\x1a")
    assert cells_of(path, "a", "b") == [("1", "2"), "empty row", ("3", "4")]
    assert [row.line for row in open_table(path, ["a"]).rows] == [4, 5, 7]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a;b\n1,5;2,5\n", [("1,5", "2,5")]),
        ("a\tb\n1,5;x\t2\n", [("1,5;x", "2")]),
        ("a, and more;b;c\n1;2;3\n", [("2", "3")]),
        ('"b";"c, d";c\n1;2;3\n', [("1", "3")]),
        ("sep=|\nb|c\n1|2\n", [("1", "2")]),
    ],
)
def test_the_delimiter_is_the_one_that_finds_the_columns(tmp_path, text, expected):
    wanted = ("a", "b") if text.startswith(("a;", "a\t")) else ("b", "c")
    assert cells_of(write_text(tmp_path / "t", text), *wanted) == expected


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\0\x1a\v\f\x1c\x1d\x1e\x85\u2028\u2029"), min_size=1)


@given(st.lists(st.tuples(TEXT, TEXT.filter(str.strip)), min_size=1, max_size=8), st.sampled_from(",;\t"))
@settings(max_examples=150, deadline=None)
def test_what_the_csv_module_writes_is_read_back(tmp_path_factory, rows, delimiter):
    assume(delimiter != "\t" or not any({"\t", "\n"} <= set(cell) for row in rows for cell in row))  # next test
    path = tmp_path_factory.mktemp("written") / "t"
    write_csv(path, [{"a": a, "b": b} for a, b in rows], delimiter, lineterminator="\r\n")
    assert cells_of(path, "a", "b") == rows


def test_a_quoted_tsv_cell_with_tabs_and_breaks_that_could_be_rows_is_read_as_rows(tmp_path):
    path = write_text(tmp_path / "t.tsv", 'a\tb\n"\t\n"\t0\n"1\t2\t\n3"\t4\n')
    assert cells_of(path, "a", "b") == [('"', ""), ('"', "0"), ("1\t2\t\n3", "4")]


@given(st.binary(max_size=300))
@settings(max_examples=150, deadline=None)
def test_bytes_of_any_kind_are_read_or_refused_but_never_crash(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("bytes") / "t"
    path.write_bytes(b"a,b\n" + data)
    for row in open_table(path, ["a", "b"]).rows:
        assert row.problem or set(row.cells) == {"a", "b"}
    path.write_bytes(data)
    try:
        list(open_table(path, []).rows)
    except SourceError as error:
        assert "\n" not in str(error).replace(str(path), "")


# Quotes.


def test_a_stray_quote_costs_its_own_line_only(tmp_path):
    path = write_text(tmp_path / "t.csv", 'a,b\n1,x\n2,"open\n3,"y"\n4,z\n5,"bad"quote\n6,5" pipe\n')
    assert cells_of(path, "a", "b") == [
        ("1", "x"),
        "malformed quotes",
        ("3", "y"),
        ("4", "z"),
        "malformed quotes",
        ("6", '5" pipe'),
    ]
    assert [row.line for row in open_table(path, ["a"]).rows] == [2, 3, 4, 5, 6, 7]


def test_an_open_quote_at_the_end_of_a_long_file_is_not_looked_after_for_ever(tmp_path):
    rows = "".join(f"{number},x\n" for number in range(5000))
    found = cells_of(write_text(tmp_path / "t.csv", f'a,b\n0,"open\n{rows}'), "a")
    assert found[0] == "malformed quotes" and len(found) == 5001


def test_quotes_in_a_tsv_are_characters_where_they_are_no_quoting(tmp_path):
    text = 'a\tb\n"Candidatus" Pelagibacter\tx\n"quoted\twith a tab"\ty\n"two\nlines"\tz\n"open\tw\n5"\tv\n'
    text += 'x\t"last\n\ncell"\n'
    assert cells_of(write_text(tmp_path / "t.tsv", text), "a", "b") == [
        ('"Candidatus" Pelagibacter', "x"),
        ("quoted\twith a tab", "y"),
        ("two\nlines", "z"),
        ('"open', "w"),
        ('5"', "v"),
        ("x", "last\n\ncell"),
    ]


# Rows with something wrong.


def test_each_bad_row_is_listed_with_its_place_and_the_rest_is_kept(tmp_path):
    lines = [
        b"id,smiles,sequence,a,part,unread",
        b"1,CCO,MKTA,yes,train,",
        b"2,CC(C,MKTA,yes,train,",
        b"3,CCO,MK1A,yes,train,",
        b"4,,MKTA,yes,train,",
        b"5,CCO,MKTA,,train,",
        b"6,CCO,MKTA,yes,train",
        b"7,CCO,MKTA,\xb5-yes,train,",
        b"8,C,MKTA,\xc2\xb5-yes,test,\xff\xfe",
        b"9,CCO,MKTA,yes,holdout,",
        b"1,CCO,MKTA,again,train,",
        b"10,N,m k t a*,yes,VAL,",
    ]
    path = tmp_path / "t.csv"
    path.write_bytes(b"\r\n".join(lines) + b"\r\n")
    manifest, rows, rejected = build(
        path,
        tmp_path / "set",
        molecule_columns=["smiles"],
        protein_columns=["sequence"],
        question="Is it?",
        answer_column="a",
        id_column="id",
        split_column="part",
    )
    assert [(entry["line"], entry["id"], entry["reason"]) for entry in rejected] == [
        (3, "2", "unreadable molecule"),
        (4, "3", "unreadable protein"),
        (5, "4", "empty cell"),
        (6, "5", "empty cell"),
        (7, "t.csv:6", "ragged row"),
        (8, "7", "not UTF-8 text"),
        (10, "9", "unknown split"),
        (11, "1", "duplicate"),
    ]
    details = [entry["detail"] for entry in rejected]
    assert "column 'smiles': Cannot read molecule 'CC(C'" in details[0]
    assert "column 'sequence'" in details[1] and "'1' at index 2" in details[1]
    assert details[2:5] == ["column 'smiles'", "column 'a'", "5 cells, where the header has 6"]
    assert "0xB5" in details[5] and "'holdout' in column 'part'" in details[6]
    assert [(row["id"], row["proteins"]) for row in rows] == [("1", ["MKTA"]), ("8", ["MKTA"]), ("10", ["MKTA"])]
    assert manifest["counts"]["rows_by_split"] == {"train": 1, "validation": 1, "test": 1}
    assert manifest["counts"]["records_read"] == 11 and manifest["counts"]["records_rejected"] == 8


def test_bad_json_lines_are_listed_and_the_rest_is_kept(tmp_path):
    lines = [
        '{"s": "C", "a": 1}',
        '{"s": "CC", "a"',
        '["C", 2]',
        "",
        '{"s": "CCC"}',
        '{"s": {"x": 1}, "a": 2}',
        '{"s": "N", "a": null}',
        '{"s": "O", "a": "\\ud800"}',
        '{"a": 3, "s": "CO"}',
    ]
    path = write_text(tmp_path / "t.jsonl", "\n".join(lines), "utf-8-sig")
    _, rows, rejected = build(path, tmp_path / "set", molecule_columns=["s"], question="?", answer_column="a")
    assert [row["molecules"] for row in rows] == [["C"], ["CO"]]
    assert [(entry["line"], entry["reason"]) for entry in rejected] == [
        (2, "not JSON"),
        (3, "not JSON"),
        (5, "empty cell"),
        (6, "not text"),
        (7, "empty cell"),
        (8, "not UTF-8 text"),
    ]


def test_text_in_a_parquet_file_that_is_not_utf8_costs_its_row_only(tmp_path):
    raw = pa.array([b"fine", b"\xb5g", None, b"also"], pa.binary())
    columns = {
        "s": pa.array(["C", "N", "O", "S"]),
        "a": pa.StringArray.from_buffers(4, *raw.buffers()[1:], raw.buffers()[0]),
    }
    pq.write_table(pa.table(columns), tmp_path / "t")
    _, rows, rejected = build(tmp_path / "t", tmp_path / "set", molecule_columns=["s"], question="?", answer_column="a")
    assert [row["molecules"][0] for row in rows] == ["C", "S"]
    assert [(entry["line"], entry["reason"]) for entry in rejected] == [(2, "not UTF-8 text"), (3, "empty cell")]


def test_what_can_be_read_of_a_truncated_file_is_kept(tmp_path):
    noisy = [
        {**row, "noise": hashlib.sha256(f"{copy} {row}".encode()).hexdigest()} for copy in range(30) for row in ROWS
    ]
    whole = gzip.compress(write_csv(tmp_path / "t.csv", noisy).read_bytes())
    write_csv(tmp_path / "sound.csv", ROWS)
    (tmp_path / "cut.csv.gz").write_bytes(whole[: len(whole) // 2])
    lines = "".join(json.dumps(row) + "\n" for row in noisy).encode()
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(lines)[:-60])
    (tmp_path / "cut.parquet").write_bytes(as_parquet(tmp_path / "t.parquet").read_bytes()[:-20])
    (tmp_path / "empty.csv").write_bytes(b"")
    sources = [tmp_path / name for name in ("cut.csv.gz", "cut.jsonl.gz", "cut.parquet", "empty.csv", "sound.csv")]
    manifest = table.build_table(sources, tmp_path / "set", **COLUMNS, id_column="number", settings=QUIET)
    assert manifest["counts"]["rows"] == 40  # all have the same identifiers
    of_the_cut_row = ("duplicate", "malformed quotes", "ragged row")
    rejected = [json.loads(line) for line in (tmp_path / "set/rejected.jsonl").read_text("utf-8").splitlines()]
    faulty = [(entry["source"], entry["reason"]) for entry in rejected if entry["reason"] not in of_the_cut_row]
    assert faulty == [
        ("cut.csv.gz", "truncated or corrupt gzip"),
        ("cut.jsonl.gz", "truncated or corrupt gzip"),
        ("cut.parquet", "corrupt Parquet"),
        ("empty.csv", "empty file"),
    ]
    for name in ("cut.csv.gz", "cut.jsonl.gz"):
        assert sum(entry["source"] == name for entry in rejected) > 300


# What is asked of a table.


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (
            "smile",
            "has no column 'smile'. Its columns are 'number', 'smiles', 'sequence', 'q', 'a'. Did you mean 'smiles'?",
        ),
        ("SMILES", "Did you mean 'smiles'?"),
        ("toxicity", "'q', 'a'."),
    ],
)
@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_an_unknown_column_is_told_in_one_line_with_those_there_are(tmp_path, kind, wanted, message):
    path = KINDS[kind](tmp_path / "t")
    with pytest.raises(table.UnknownColumnError) as raised:
        build(path, tmp_path / "set", **{**COLUMNS, "molecule_columns": [wanted]})
    assert message in str(raised.value) and "\n" not in str(raised.value) and str(path) in str(raised.value)
    assert not list(tmp_path.glob("*set*"))


def test_a_column_that_is_there_twice_is_refused_only_if_it_is_wanted(tmp_path):
    path = write_text(tmp_path / "t.csv", "s,a,a\nC,1,2\n")
    assert cells_of(path, "s") == [("C",)]
    with pytest.raises(table.UnknownColumnError, match="has 2 columns named 'a'"):
        open_table(path, ["s", "a"])


def test_json_objects_need_not_have_all_columns_but_one_of_them_must(tmp_path):
    path = write_text(tmp_path / "t", '{"s": "C"}\n{"a": "x"}\n{"s": "N", "a": "y"}\n')
    assert cells_of(path, "s", "a") == [("C", None), (None, "x"), ("N", "y")]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"PK\x03\x04rest of a workbook", "Excel"),
        ("a,b\n1,2\n".encode("utf-16"), "UTF-16"),
        ("a,b\n1,2\n".encode("utf-16-le"), "binary"),
        (b'[\n  {"a": 1}\n]', "JSON array"),
        (b"a,b\r1,2\r", "Macintosh"),
        (gzip.compress(b"PAR1 and so on", mtime=0), "not in a .gz"),
        (b"\n\n", "blank lines"),
        (b"", "is empty"),
        (b"sep=;\n", "no header"),
    ],
    ids=["xlsx", "utf-16", "utf-16 bare", "array", "cr", "parquet.gz", "blank", "empty", "headless"],
)
def test_a_file_that_is_no_table_says_what_it_is(tmp_path, content, found):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(SourceError, match=found) as raised:
        list(open_table(tmp_path / "t.csv", []).rows)
    assert "\n" not in str(raised.value)
    with pytest.raises(ValueError, match=found):
        build(tmp_path / "t.csv", tmp_path / "set", **COLUMNS)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.csv"):
        build(tmp_path / "nowhere.csv", tmp_path / "set", **COLUMNS)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"question": "?", "question_column": "q"}, "Pass question"),
        ({"question_column": None}, "Pass question"),
        ({"question_column": None, "question": " "}, "Pass question"),
        ({"split_by": "protein", "protein_columns": []}, "needs a protein column"),
        ({"split_by": "cluster"}, "needs a cluster table"),
        ({"split_by": "answer"}, "must be one of"),
    ],
)
def test_options_without_sense_are_refused(tmp_path, options, reason):
    path = write_csv(tmp_path / "t.csv")
    with pytest.raises(ValueError, match=reason):
        table.build_table([path], tmp_path / "set", **{**COLUMNS, **options}, settings=QUIET)
    with pytest.raises(ValueError, match="named twice"):
        table.build_table([path, path], tmp_path / "set", **COLUMNS, settings=QUIET)


# What a row becomes.


def example_of(cells, columns, **labels):
    known = {"task": "t", "source": None, "license": "x", "split_by": "molecule"}
    record = Record("file.csv", 2, "x", ("file.csv:1", cells))
    return parse_table_row(record, columns, Labels(**{**known, **labels}))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("  two words ", "two words"),
        ("one\r\ntwo\rthree", "one\ntwo\nthree"),
        (True, "True"),
        (False, "False"),
        (0, "0"),
        (10**30, str(10**30)),
        (3.0, "3"),
        (-0.25, "-0.25"),
        (1e300, "1e+300"),
        (float("inf"), "inf"),
        (Decimal("1.50"), "1.50"),
        (Decimal("1E+3"), "1000"),
        (b"bytes", "bytes"),
    ],
)
def test_a_value_becomes_text_as_one_would_write_it(value, text):
    row = example_of({"s": "C", "a": value}, RowColumns({"molecule": ("s",)}, "a", "What?")).rows[0]
    assert row["messages"][1]["content"][0]["text"] == text


@pytest.mark.parametrize("value", [None, "", " \n", float("nan"), Decimal("NaN"), b" "])
def test_a_value_that_says_nothing_is_an_empty_cell(value):
    with pytest.raises(RejectedRecord) as raised:
        example_of({"s": "C", "a": value}, RowColumns({"molecule": ("s",)}, "a", "What?"))
    assert (raised.value.reason, raised.value.detail) == ("empty cell", "column 'a'")


def test_numbers_and_dates_of_a_parquet_file_become_text_as_its_csv_would_have_it(tmp_path):
    values = {
        "float32": pa.array([0.1, 2.0, None], pa.float32()),
        "int64": pa.array([1, 2, 3]),
        "date": pa.array([0, 1, 2], pa.date32()),
        "category": pa.array(["x", "y", "x"]).dictionary_encode(),
    }
    texts = []
    for name, column in values.items():
        pq.write_table(pa.table({"s": ["C", "N", "O"], "a": column}), tmp_path / name)
        for row in open_table(tmp_path / name, ["s", "a"]).rows:
            try:
                answer = example_of(row.cells, RowColumns({"molecule": ("s",)}, "a", "What?")).rows[0]["messages"][1]
                texts.append(answer["content"][0]["text"])
            except RejectedRecord as rejected:
                texts.append(rejected.reason)
    assert texts == ["0.1", "2", "empty cell", "1", "2", "3", "1970-01-01", "1970-01-02", "1970-01-03", "x", "y", "x"]


def test_several_columns_and_lists_give_several_items_in_order():
    columns = RowColumns({"molecule": ("one", "two"), "protein": ("p",)}, "a", "Do they react?")
    row = example_of({"one": ["CCO", " C "], "two": "N", "p": "m k\nta*", "a": "no"}, columns).rows[0]
    assert (row["molecules"], row["proteins"]) == (["CCO", "C", "N"], ["MKTA"])
    kinds = [block["type"] for block in row["messages"][0]["content"]]
    assert kinds == ["molecule", "molecule", "molecule", "protein", "text"]


def test_items_may_be_lacking_only_where_that_is_allowed():
    cells = {"s": "", "p": "MKTA", "a": "yes"}
    with pytest.raises(RejectedRecord, match="column 's'"):
        example_of(cells, RowColumns({"molecule": ("s",), "protein": ("p",)}, "a", "What?"))
    columns = RowColumns({"molecule": ("s",), "protein": ("p",)}, "a", "What?", optional_items=True)
    example = example_of(cells, columns)
    assert (example.rows[0]["molecules"], example.rows[0]["proteins"]) == ([], ["MKTA"])
    assert example.keys == ("MKTA",)
    assert example_of({"s": None, "p": [], "a": "yes"}, columns).keys == ("What?",)
    with pytest.raises(RejectedRecord, match="unreadable molecule"):
        example_of({**cells, "s": "C("}, columns)


def test_the_first_key_is_what_stays_on_one_side():
    columns = RowColumns({"molecule": ("s",), "protein": ("p",)}, "a", "What?")
    cells = {"s": "CC(=O)O", "p": "mkta", "a": "yes"}
    structure = "QTBSBXVTEAMEQO"  # acetic acid's
    assert example_of(cells, columns).keys == (structure, "MKTA")
    assert example_of(cells, columns, split_by="protein").keys == ("MKTA", structure)
    assert example_of(cells, columns, split_by="row").keys == ("file.csv:1", structure, "MKTA")
    salt = example_of({**cells, "s": "CC(=O)[O-].[Na+]"}, columns)
    assert salt.keys[0] == structure


def test_items_of_a_registered_modality_come_from_a_named_column(cell, monkeypatch):
    monkeypatch.setattr("biomedgpt_hf.sets.table.rows.question_row", lambda *_, **row: row)
    columns = RowColumns({"molecule": ("s",), "cell": ("e",)}, "a", "What?")
    example = example_of({"s": "CC(=O)O", "e": [0.5, 0.1], "a": "yes"}, columns, split_by="cell")
    assert example.rows[0]["cells"] == [[0.5, 0.1]] and example.rows[0]["molecules"] == ["CC(=O)O"]
    assert example.keys == ("[0.5, 0.10000000149011612]", "QTBSBXVTEAMEQO")  # in the precision of a set
    for value, reason in {None: "empty cell", "0.5 0.1": "unreadable cell", 0.5: "unreadable cell"}.items():
        with pytest.raises(RejectedRecord) as rejected:
            example_of({"s": "C", "e": value, "a": "yes"}, columns)
        assert rejected.value.reason == reason


def test_columns_of_a_registered_modality_are_told_in_the_manifest(cell, monkeypatch, tmp_path):
    built = {}
    monkeypatch.setattr(table, "build_set", lambda output, **arguments: built.update(arguments))
    path = tmp_path / "t.jsonl"
    path.write_text('{"e": [0.5], "a": "x"}\n')
    table.build_table([path], tmp_path / "set", item_columns={"cell": ["e"]}, question="?", answer_column="a")
    assert built["options"]["cell_columns"] == "e" and built["options"]["split_by"] == "cell"


def test_a_nucleotide_sequence_is_kept_and_noted(tmp_path):
    path = write_csv(tmp_path / "t.csv", [{"p": "ACGT" * 20, "a": "x"}, {"p": "MKTAYIAK", "a": "x"}])
    manifest, rows, _ = build(path, tmp_path / "set", protein_columns=["p"], question="?", answer_column="a")
    assert len(rows) == 2 and manifest["counts"]["notes"] == {"a protein looks like a nucleotide sequence": 1}


# The set.


def test_a_molecule_is_on_one_side_whatever_else_its_rows_hold(tmp_path):
    path = write_csv(tmp_path / "t.csv", [{**row, "q": f"{row['q']} {copy}"} for copy in range(5) for row in ROWS])
    build(path, tmp_path / "set", **COLUMNS)
    sides = {}
    for split, rows in load_dataset(str(tmp_path / "set"), cache_dir=str(tmp_path / "cache")).items():
        for row in rows:
            sides.setdefault(row["molecules"][0], set()).add(split)
    assert all(len(splits) == 1 for splits in sides.values()) and len(sides) == len(MOLECULES)
    assert (tmp_path / "set/leakage.json").is_file()


@pytest.mark.parametrize("split_by", ["molecule", "protein", "row"])
def test_split_by_decides_what_is_whole(tmp_path, split_by):
    rows = [{"s": f"C{'C' * (i % 30)}O", "p": "MK" + "TA" * (i // 30), "a": f"{i}"} for i in range(900)]
    build_options = {"molecule_columns": ["s"], "protein_columns": ["p"], "question": "?", "answer_column": "a"}
    table.build_table(
        [write_csv(tmp_path / "t.csv", rows)], tmp_path / "set", **build_options, split_by=split_by, settings=QUIET
    )
    sides = {"molecules": {}, "proteins": {}}
    for split, of_split in load_dataset(str(tmp_path / "set"), cache_dir=str(tmp_path / "cache")).items():
        for row in of_split:
            for kind in sides:
                sides[kind].setdefault(row[kind][0], set()).add(split)
    whole = {kind: all(len(splits) == 1 for splits in of.values()) for kind, of in sides.items()}
    assert whole == {"molecules": split_by == "molecule", "proteins": split_by == "protein"}


def test_text_alone_is_split_by_its_question(tmp_path):
    rows = [{"q": f"Question {i % 50}?", "a": f"Answer {i}"} for i in range(200)]
    build(write_csv(tmp_path / "t.csv", rows), tmp_path / "set", question_column="q", answer_column="a")
    sides = {}
    for split, of_split in load_dataset(str(tmp_path / "set"), cache_dir=str(tmp_path / "cache")).items():
        for row in of_split:
            sides.setdefault(row["messages"][0]["content"][0]["text"], set()).add(split)
    assert all(len(splits) == 1 for splits in sides.values()) and len(set.union(*sides.values())) == 3


def test_what_is_found_in_another_set_is_left_out(tmp_path):
    held_out = [{"s": "OCC", "p": "MEEPQSDPSV", "a": "x"}]  # ethanol, written otherwise
    options = {"molecule_columns": ["s"], "protein_columns": ["p"], "question": "?", "answer_column": "a"}
    table.build_table([write_csv(tmp_path / "held.csv", held_out)], tmp_path / "held", **options, settings=QUIET)
    settings = BuildSettings(progress=False, exclude=list((tmp_path / "held/data").iterdir()))
    table.build_table([write_csv(tmp_path / "t.csv")], tmp_path / "set", **COLUMNS, settings=settings)
    stored = load_dataset(str(tmp_path / "set"), cache_dir=str(tmp_path / "cache"))
    kept = [(row["molecules"][0], row["proteins"][0]) for rows in stored.values() for row in rows]
    assert set(kept) == {(row["smiles"], row["sequence"]) for row in ROWS if row["smiles"] != "CCO"} - {
        (row["smiles"], "MEEPQSDPSV") for row in ROWS
    }


def test_without_a_table_of_clusters_proteins_that_share_kmers_are_on_one_side(tmp_path):
    families = ["".join(random.Random(seed).choices("ACDEFGHIKLMNPQRSTVWY", k=60)) for seed in range(30)]
    lines = [f"P{i:05},{families[i // 4]}{'ACDE'[i % 4] * 5},x" for i in range(120)]
    path = write_text(tmp_path / "t.csv", "\n".join(["id,seq,a", *lines]))
    settings = BuildSettings(progress=False, by_similarity=True)
    columns = {"answer_column": "a", "protein_columns": ["seq"], "question": "Q?", "id_column": "id"}
    manifest = table.build_table([path], tmp_path / "set", split_by="cluster", settings=settings, **columns)
    assert manifest["options"]["split_by"] == "cluster"
    splits = load_dataset(str(tmp_path / "set"), cache_dir=str(tmp_path / "cache"))
    sides = [{row["proteins"][0][:60] for row in rows} for rows in splits.values()]
    assert len(sides) == 3 and sum(map(len, sides)) == 30


def test_a_cluster_is_on_one_side_and_is_found_by_the_identifier(tmp_path):
    rows = [{"id": f"P{i:05}", "p": "MK" + "TA" * (i + 1), "a": f"{i}"} for i in range(200)]
    clusters = "".join(f"P{i // 20 * 20:05}\tP{i:05}\n" for i in range(200))
    settings = BuildSettings(progress=False, clusters=write_text(tmp_path / "clusters.tsv", clusters))
    options = {"protein_columns": ["p"], "question": "?", "answer_column": "a", "id_column": "id"}
    manifest = table.build_table([write_csv(tmp_path / "t.csv", rows)], tmp_path / "set", **options, settings=settings)
    assert manifest["options"]["split_by"] == "cluster"
    sides = {}
    for split, of_split in load_dataset(str(tmp_path / "set"), cache_dir=str(tmp_path / "cache")).items():
        for row in of_split:
            sides.setdefault(int(row["id"][1:]) // 20, set()).add(split)
    assert len(sides) == 10 and all(len(splits) == 1 for splits in sides.values())
    with pytest.raises(ValueError, match="leave one of them out"):
        table.build_table([tmp_path / "t.csv"], tmp_path / "x", **options, split_by="protein", settings=settings)


def test_a_row_in_all_the_same_is_kept_once_and_one_with_its_own_identifier_twice(tmp_path):
    path = write_csv(tmp_path / "t.csv", [*ROWS[:4], {**ROWS[1], "number": 99}])
    manifest, rows, rejected = build(path, tmp_path / "set", **COLUMNS)
    assert len(rows) == 4 and [(entry["line"], entry["reason"]) for entry in rejected] == [(8, "duplicate")]
    assert manifest["counts"]["records_read"] == 5
    path = write_csv(tmp_path / "t.csv", [*ROWS[:4], {**ROWS[1], "number": 99}, {**ROWS[2], "number": 99}])
    _, rows, rejected = build(path, tmp_path / "other", **COLUMNS, id_column="number")
    assert len(rows) == 5 and [(entry["id"], entry["reason"]) for entry in rejected] == [("99", "duplicate")]


def test_files_of_one_name_have_rows_of_different_ids(tmp_path):
    (tmp_path / "more").mkdir()
    paths = [write_csv(tmp_path / "t.csv", ROWS[:2]), write_csv(tmp_path / "more" / "t.csv", ROWS[2:4])]
    table.build_table(paths, tmp_path / "set", **COLUMNS, settings=QUIET)
    stored = load_dataset(str(tmp_path / "set"), cache_dir=str(tmp_path / "cache"))
    assert {row["id"] for rows in stored.values() for row in rows} == {"t.csv:1", "t.csv:2", "t.csv#2:1", "t.csv#2:2"}


def test_labels_and_choices_are_in_rows_and_manifest(tmp_path):
    manifest, rows, _ = build(
        write_csv(tmp_path / "t.csv"),
        tmp_path / "set",
        **COLUMNS,
        task="binding",
        source="our laboratory",
        license="CC0-1.0",
        name="Our assays",
    )
    assert {(row["task"], row["source"], row["license"]) for row in rows} == {("binding", "our laboratory", "CC0-1.0")}
    assert manifest["name"] == "Our assays" and manifest["options"]["split_by"] == "molecule"
    assert manifest["options"]["molecule_columns"] == "smiles" and "id_column" not in manifest["options"]
    assert "Our assays" in (tmp_path / "set/README.md").read_text("utf-8")


@pytest.mark.slow
def test_several_processes_give_the_same_set(tmp_path):
    rows = [{**row, "q": f"{row['q']} {copy}"} for copy in range(40) for row in ROWS]
    path = write_csv(tmp_path / "t.csv", rows)
    for processes in (1, 2):
        settings = BuildSettings(progress=False, processes=processes)
        table.build_table([path], tmp_path / str(processes), **COLUMNS, settings=settings)
    for split in ("train", "validation", "test"):
        one, two = (
            [
                row
                for file in sorted((tmp_path / n / "data").glob(f"{split}-*"))
                for row in pq.read_table(file).to_pylist()
            ]
            for n in "12"
        )
        assert one == two


def test_a_long_table_is_read_as_it_comes(tmp_path, monkeypatch):
    """Rows are there before the rest of the file is: memory does not grow with it."""
    taken = []
    real = read_lines

    def counted(path):
        for number, line in real(path):
            taken.append(number)
            yield number, line

    monkeypatch.setattr("biomedgpt_hf.files.tables.table.read_lines", counted)
    monkeypatch.setattr("biomedgpt_hf.files.tables.delimited.read_lines", counted)
    for make in (write_csv, as_json_lines):
        path = make(tmp_path / "t")
        taken.clear()
        rows = open_table(path, ["a"]).rows
        next(rows)
        assert len(taken) <= (2 if make is write_csv else 40)


def test_refusals_travel_between_processes():
    for problem in (RejectedRecord("ragged row", "2 cells"), UnwantedRecord("empty row")):
        again = pickle.loads(pickle.dumps(problem))
        assert (again.reason, again.detail, type(again)) == (problem.reason, problem.detail, type(problem))


@pytest.mark.parametrize("word", ["nan", "NA", "None", "null", "-", "N/A", "#N/A", "<NA>", "—", "\u200b"])
def test_words_for_nothing_in_a_column_of_items_are_empty_cells_and_elsewhere_words(word):
    columns = RowColumns({"molecule": ("s",), "protein": ("p",)}, "a", "What?")
    for cells in ({"s": word, "p": "MKTA"}, {"s": "CCO", "p": word}):
        with pytest.raises(RejectedRecord) as caught:
            example_of({**cells, "a": "yes"}, columns)
        assert caught.value.reason == "empty cell"
        kept = example_of({**cells, "a": "yes"}, columns._replace(optional_items=True)).rows[0]
        assert len(kept["molecules"]) + len(kept["proteins"]) == 1
    if word.isprintable():
        kept = example_of({"s": "CCO", "p": "MKTA", "a": word}, columns).rows[0]
        assert kept["messages"][-1]["content"][0]["text"] == word
    nothing = example_of({"s": word, "p": word, "a": "yes"}, columns._replace(optional_items=True))
    assert nothing.notes == ("a question about items has none, since their cells are empty",)


def test_a_column_of_dates_goes_into_the_rows_and_a_cell_that_is_none_costs_its_row(tmp_path):
    dates = {1: "2023-06-01", 2: "2023", 3: "", 4: "1/6/2023", 5: "2999-01-01"}
    path = write_csv(
        tmp_path / "t.csv", [{**ROWS[number], "made": dates.get(number, "2020-05")} for number in range(10)]
    )
    manifest, rows, rejected = build(path, tmp_path / "out", date_column="made", **COLUMNS)
    assert manifest["options"]["date_column"] == "made"
    assert [(one["reason"], one["detail"].split(" is ")[0]) for one in rejected] == [
        ("unreadable date", "column 'made': '1/6/2023'"),
        ("unreadable date", "column 'made': '2999-01-01' lies in the future, where no entry can have been made."),
    ]
    expected = ["2020-05", "2023-06-01", "2023", None, *["2020-05"] * 4]
    assert [row["entry_date"] for row in rows] == expected
    splits = manifest["counts"]["rows_by_split"]
    asked = [row.expected.entry_date for split in splits for row in read_asked_rows(tmp_path / "out", split)]
    assert sorted(asked, key=str) == sorted(expected, key=str)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [(date(2023, 6, 1), "2023-06-01"), (2023, "2023"), (datetime(2023, 6, 1, 12), "2023-06-01")],
    ids=["days", "years", "times"],
)
def test_days_of_parquet_and_years_as_numbers_are_dates(tmp_path, cell, expected):
    rows = [{**row, "made": cell} for row in ROWS[:10]]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    _, found, _ = build(tmp_path / "t.parquet", tmp_path / "out", date_column="made", **COLUMNS)
    assert {row["entry_date"] for row in found} == {expected}
