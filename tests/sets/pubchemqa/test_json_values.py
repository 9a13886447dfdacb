import gzip
import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biomedgpt_hf.files.sources import SourceError, read_blocks
from biomedgpt_hf.sets.pubchemqa.json_values import read_values

PATH = Path("file.json")
ELEMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def read(data: bytes, chunk: int = 1 << 20, **arguments):
    return list(read_values(PATH, blocks_of(data, chunk), **arguments))


def blocks_of(data: bytes, size: int):
    return read_blocks(PATH, io.BufferedReader(io.BytesIO(data)), size)


@settings(max_examples=150, deadline=None)
@given(
    documents=st.lists(st.lists(ELEMENTS, max_size=4), min_size=1, max_size=3),
    chunk=st.integers(1, 40),
    indent=st.sampled_from([None, 1]),
    escaped=st.booleans(),
)
def test_the_values_are_the_same_however_the_file_falls_into_chunks(documents, chunk, indent, escaped):
    text = "\n".join(json.dumps(document, indent=indent, ensure_ascii=escaped) for document in documents)

    values = [value.value for value in read(text.encode("utf-8", "surrogatepass"), chunk)]

    assert repr(values) == repr([element for document in documents for element in document])


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
def test_a_page_gives_its_annotations_one_by_one(indent, chunk):
    page = {"Annotations": {"Annotation": [{"a": 1}, {"a": [2]}], "Page": 1}, "Note": "x"}

    values = read(json.dumps(page, indent=indent).encode(), chunk, lists={"Annotation"}, objects={"Annotations"})

    assert [(value.container, value.value) for value in values] == [
        ("Annotation", {"a": 1}),
        ("Annotation", {"a": [2]}),
        ("Annotations", {"Page": 1}),
        ("", {"Note": "x"}),
    ]


def test_values_say_on_which_line_they_begin():
    values = read(b'\n[{"a": "x\\ny"},\n\n  {"b":\n 2},\n3]', chunk=3)

    assert [value.line for value in values] == [2, 4, 6]


def test_a_bad_line_of_json_lines_costs_only_itself():
    values = read(b'{"a": 1}\n{"b": "cut of\n{"c": 3}\n{"d" 4}\n{"e": 5}\n', chunk=5)

    assert [value.value for value in values] == [{"a": 1}, None, {"c": 3}, None, {"e": 5}]
    assert [(value.line, value.problem.reason) for value in values if value.problem] == [
        (2, "malformed JSON"),
        (4, "malformed JSON"),
    ]


@pytest.mark.parametrize(
    ("text", "before", "line", "reason"),
    [
        ('[{"a": 1},\n{"b": "x', 1, 2, "truncated JSON"),
        ('[{"a": 1},\n{"b": [1, 2', 1, 2, "truncated JSON"),
        ('[{"a": 1},\n', 1, 2, "truncated JSON"),
        ('[{"a": 1}\n', 1, 2, "truncated JSON"),
        ('[{"a": 1},\n {"b": nil}, {"c": 3}]', 1, 2, "malformed JSON"),
        ('[{"a": 1}\n {"b": 2}]', 1, 2, "malformed JSON"),
        ("  \n", 0, 0, "empty file"),
        ("", 0, 0, "empty file"),
        ("[" * 100_000, 0, 1, "malformed JSON"),
    ],
)
def test_what_precedes_a_break_is_read_and_the_break_is_told(text, before, line, reason):
    values = []
    with pytest.raises(SourceError) as error:
        for value in read_values(PATH, blocks_of(text.encode(), 6)):
            values.append(value.value)  # noqa: PERF402

    assert (len(values), error.value.line, error.value.reason) == (before, line, reason)


def test_a_truncated_gzip_gives_what_can_be_decompressed(tmp_path):
    rows = [{"id": number, "text": f"{number * 7919 % 9973}" * 20} for number in range(2_000)]
    path = tmp_path / "rows.json.gz"
    path.write_bytes(gzip.compress(json.dumps(rows).encode())[:-2_000])

    values = []
    with gzip.open(path) as file, pytest.raises(SourceError, match="truncated or corrupt") as error:
        values.extend(read_values(path, read_blocks(path, file, 1_000)))

    assert error.value.reason == "truncated or corrupt gzip"


def test_foreign_bytes_come_through_as_lone_surrogates_and_the_byte_order_mark_goes():
    assert read(b'\xef\xbb\xbf["caf\xe9"]')[0].value == "caf\udce9"
