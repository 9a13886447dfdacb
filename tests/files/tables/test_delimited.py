"""Text with delimiters is cut into rows as people and programs write them."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from biomedgpt_hf.files.items import read_items
from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.files.tables import delimited
from biomedgpt_hf.files.tables.table import UnknownColumnError, open_table


def cells_of(tmp_path, text, *wanted, **options):
    (tmp_path / "t.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    rows = open_table(tmp_path / "t.csv", wanted, **options).rows
    return [row.problem.reason if row.problem else tuple(row.cells.values()) for row in rows]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('a, b\n1, "x, y"\n"2", "z"\n', [("1", "x, y"), ("2", "z")]),
        ('a, "b"\n1, "x\ny"\n2,z\n', [("1", "x\ny"), ("2", "z")]),
        ('a,  "b, c",d\n1,2,3\n', [("1", "3")]),
        ('a;  "b"\n1;"x"\n', [("1", "x")]),
        ('a,b\n  "1", "say ""yes"", please"\n', [("1", 'say "yes", please')]),
        ('a,b\n 1 ,5" pipe\n', [(" 1 ", '5" pipe')]),
        ('a,b\n1, "open\n2,x\n', [("1", ' "open'), ("2", "x")]),
    ],
)
def test_blanks_before_a_quote_do_not_hide_it_and_other_blanks_stay(tmp_path, text, expected):
    assert cells_of(tmp_path, text, "a", "d" if ",d" in text else "b") == expected


@pytest.mark.parametrize("wanted", ["the id", "the\nid", "the\r\nid"])
def test_a_line_break_in_the_header_is_a_blank_of_the_name(tmp_path, wanted):
    assert cells_of(tmp_path, '"the\r\nid","b"\r\n1,2\r\n', wanted, "b") == [("1", "2")]
    with pytest.raises(UnknownColumnError, match="'the id', 'b'. Did you mean 'the id'"):
        cells_of(tmp_path, '"the\nid","b"\n1,2\n', "The id")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a|b\n1|2,5\n", [("1", "2,5")]),
        ("a;b\n1;0,5\n2;1,5\n", [("1", "0,5"), ("2", "1,5")]),
        ("a;b (x, y, z, w)\n1;2\n", [("1",)]),
        ("a\tb|c|d|e\n1\tx\n", [("1",)]),
    ],
)
def test_the_delimiter_is_the_one_by_which_the_rows_fit_to_the_header(tmp_path, text, expected):
    assert cells_of(tmp_path, text, *("ab" if len(expected[0]) == 2 else "a")) == expected


BOM = "\ufeff"


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (f"{BOM}a,b\n2,y\n", ["header again", ("2", "y")]),
        ("a,b\n2,y\n", ["header again", ("2", "y")]),
        (f'{BOM}"a","b"\n2,y\n', ["header again", ("2", "y")]),
        (f"{BOM}2,y\n", [("2", "y")]),
        ("2,y" + f"{BOM}a,b\n3,z\n", ["ragged row", ("3", "z")]),
    ],
)
def test_joined_files_are_read_on_behind_their_marks_and_headers(tmp_path, second, expected):
    assert cells_of(tmp_path, f"{BOM}a,b\n1,x\n{second}", "a", "b") == [("1", "x"), *expected]


def test_joined_files_with_another_order_of_columns_are_an_error_that_names_the_line(tmp_path):
    with pytest.raises(SourceError, match=r"t.csv, line 3: the columns are named again, in another order \(b, a\)"):
        cells_of(tmp_path, f"a,b\n1,x\n{BOM}b,a\ny,2\n", "a")


def test_rows_are_compared_with_the_header_only_where_they_may_name_the_columns(tmp_path, monkeypatch):
    compared, compare = [], delimited._header_again
    monkeypatch.setattr(delimited, "_header_again", lambda *args: compared.append(args[1]) or compare(*args))
    text = "a,b\n" + "1,a\n" * 50 + " b ,x\na,b\n2,y\n"
    assert cells_of(tmp_path, text, "a") == [*[("1",)] * 50, (" b ",), "header again", ("2",)]
    assert compared == [52, 53]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("wanted", ["smiles", " smiles", "smiles "])
@pytest.mark.parametrize("written", ["smiles", " smiles", "smiles "])
def test_blanks_around_the_name_of_a_column_do_not_count_in_any_kind_of_table(tmp_path, kind, wanted, written):
    path = tmp_path / f"t.{kind}"
    if kind == "csv":
        path.write_text(f"id,{written}\n1,CCO\n2,CCN\n")
    elif kind == "jsonl":
        path.write_text(f'{{"id": 1, "{written}": "CCO"}}\n{{"{written}": "CCN"}}\n{{"id": 3}}\n')
    else:
        pq.write_table(pa.table({"id": [1, 2], written: ["CCO", "CCN"]}), path)
    table = open_table(path, [wanted])
    assert table.columns == ["id", "smiles"]
    assert [row.cells[wanted] for row in table.rows][:2] == ["CCO", "CCN"]
    assert [item.molecules for item in read_items([path])][:2] == [("CCO",), ("CCN",)]


def test_names_that_differ_by_blanks_alone_are_told_in_any_kind_of_table(tmp_path):
    (tmp_path / "t.csv").write_text("a,a \n1,2\n")
    (tmp_path / "t.jsonl").write_text('{"a": 1, "a ": 2}\n')
    pq.write_table(pa.table({"a": [1], "a ": [2]}), tmp_path / "t.parquet")
    for name in ("t.csv", "t.jsonl", "t.parquet"):
        with pytest.raises(UnknownColumnError, match="2 columns named 'a'"):
            open_table(tmp_path / name, ["a"])
        assert [row.cells["a"] for row in open_table(tmp_path / name, ["a"], guessed=["a"]).rows] in ([1], ["1"])


def test_a_column_of_one_that_repeats_its_name_is_kept(tmp_path):
    assert cells_of(tmp_path, "C\nC\nCC\n", "C") == [("C",), ("CC",)]


@pytest.mark.parametrize(
    ("text", "reasons", "lines"),
    [
        ('a,b\n1,"x\ny"\n2\n3,4,5\n6,7\n', ["ragged row", "ragged row"], [4, 5]),
        ("a,b\n1,C\x00C\n2\n", ["ragged row"], [3]),
        ("a,b\n1,2\n", [], []),
    ],
)
def test_ragged_rows_are_told_with_their_lines_and_cost_no_other(tmp_path, text, reasons, lines):
    (tmp_path / "t").write_text(text)
    rows = list(open_table(tmp_path / "t", ["a", "b"]).rows)
    wrong = [row for row in rows if row.problem]
    assert ([row.problem.reason for row in wrong], [row.line for row in wrong]) == (reasons, lines)
    assert [row.number for row in rows] == list(range(1, len(rows) + 1))


def test_the_kind_that_is_named_decides_how_a_table_is_read(tmp_path):
    text = "a\tb,c\n1\t2,3\n"
    assert cells_of(tmp_path, text, "a", format="tsv") == [("1",)]
    assert cells_of(tmp_path, text, "c", format="csv") == [("3",)]
    assert cells_of(tmp_path, '\n[1]\n{"a": 1}\n', "a", format="jsonl") == ["not JSON", (1,)]
    with pytest.raises(SourceError, match="corrupt Parquet|not in a .gz|Is it whole"):
        cells_of(tmp_path, text, "a", format="parquet")


@pytest.mark.parametrize(
    ("format", "text"), [("tsv", "smiles,name\nCCO,x\n\nCCN,y\n"), ("csv", "smiles\tname\nCCO\tx\n")]
)
def test_a_kind_that_makes_each_line_one_cell_is_told(tmp_path, format, text):
    with pytest.raises(SourceError, match=rf"'smiles.+name' is one column so, .* Call the format [^{format[0]}]sv"):
        cells_of(tmp_path, text, format=format)


def test_one_column_of_that_kind_stays_one(tmp_path):
    assert cells_of(tmp_path, "a,b\nx, y, z\nx\n", "a,b", format="tsv") == [("x, y, z",), ("x",)]
    assert cells_of(tmp_path, "a,b\n", "a,b", format="tsv") == []
