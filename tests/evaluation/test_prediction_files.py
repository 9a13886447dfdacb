import json

import pytest

from biomedgpt_hf.evaluation.answers import Answered
from biomedgpt_hf.evaluation.prediction_files import PredictionFileError, read_predictions

ROWS = [
    {"id": "a", "status": "ok", "answer": "An acid.", "reference": "An acid.", "task": "t", "molecules": ["CCO"]},
    {"id": "b", "status": "error", "error": "too long", "answer": None, "reference": "A base.", "molecules": ["C"]},
]
SET = {"a": Answered("a", "", "An acid."), "b": Answered("b", "", "A base.")}


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_answers_come_with_their_references_and_failed_ones_score_as_empty(tmp_path):
    found = read_predictions(write(tmp_path / "p.jsonl", ROWS))
    first, second = found.answers
    assert (first.answer, first.reference, first.items) == ("An acid.", "An acid.", {"molecule": ("CCO",)})
    assert (second.answer, second.error) == ("", "too long")
    assert [row.id for row in found.failed] == ["b"]
    assert found.facts["sha256"] and found.facts["run"] is None


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_tables_of_other_kinds_are_read_alike(tmp_path, suffix):
    import pandas

    path = tmp_path / f"p.{suffix}"
    frame = pandas.DataFrame([{"id": "a", "answer": "An acid.", "reference": 'An "acid", said.\nTwice.'}])
    frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path)
    assert read_predictions(path).answers[0].reference == 'An "acid", said.\nTwice.'


def test_the_fields_files_are_read_without_quotes(tmp_path):
    path = tmp_path / "molt5.txt"
    path.write_text('SMILES\tground truth\toutput\nC\tA "5\' end\tan "acid\n')
    (row,) = read_predictions(path).answers
    assert (row.reference, row.answer, row.items) == ("A \"5' end", 'an "acid', {"molecule": ("C",)})


def test_references_of_a_set_are_joined_by_id(tmp_path):
    rows = [{"id": "b", "answer": "y"}, {"id": "a", "answer": "x"}]
    found = read_predictions(write(tmp_path / "p.jsonl", rows), SET)
    assert [(row.answer, row.reference) for row in found.answers] == [("y", "A base."), ("x", "An acid.")]


@pytest.mark.parametrize(
    ("rows", "references", "words"),
    [
        ([{**ROWS[0], "id": ""}], None, "line 1: the row has no id"),
        ([ROWS[0], ROWS[0]], None, "line 2: the id 'a' stands in line 1 already"),
        ([{"id": "a", "answer": "x"}], None, "row 'a' has no reference"),
        ([{**ROWS[0], "answer": ""}], None, "holds no answer: all 1 are empty"),
        ([ROWS[1]], None, r"holds no answer: all 1 are empty \(too long\)"),
        ([{"id": "a", "answer": "x"}], SET, "no prediction for 1 of 2 rows of the set, such as 'b'"),
        ([{"id": "c", "answer": "x"}], SET, "the set has no row 'c'"),
        ([{"id": "a", "answer": "x", "reference": "z"}], SET, "different versions"),
        ([{**ROWS[0], "answer": 3.5}], None, "line 1: answer is '3.5', not a text"),
        ([{**ROWS[0], "log_probability": "high"}], None, "log_probability is 'high', not a number"),
    ],
)
def test_what_cannot_be_scored_is_named(tmp_path, rows, references, words):
    with pytest.raises(PredictionFileError, match=words):
        read_predictions(write(tmp_path / "p.jsonl", rows), references)


def test_a_partial_file_is_scored_where_that_is_asked_for(tmp_path):
    path = write(tmp_path / "p.jsonl", [{"id": "a", "answer": "x"}])
    assert len(read_predictions(path, SET, partial=True).answers) == 1


def test_bytes_that_are_not_utf8_are_named(tmp_path):
    path = tmp_path / "p.csv"
    path.write_bytes(b"id,answer,reference\na,x,caf\xe9\n")
    with pytest.raises(PredictionFileError, match="line 2: reference is not UTF-8 text: byte 0xE9"):
        read_predictions(path)


def test_a_missing_column_is_named(tmp_path):
    with pytest.raises(ValueError, match="no column 'answer'"):
        read_predictions(write(tmp_path / "p.jsonl", [{"id": "a", "reference": "x"}]))


def test_a_prediction_of_another_protocol_is_not_scored(tmp_path):
    path = write(tmp_path / "p.jsonl", ROWS)
    (tmp_path / "p.jsonl.manifest.json").write_text('{"protocol_version": 99}')
    with pytest.raises(PredictionFileError, match="protocol version 99"):
        read_predictions(path)


def test_items_that_are_lists_are_read_as_lists(cell, tmp_path):
    path = tmp_path / "answers.jsonl"
    path.write_text('{"id": "a", "answer": "x", "reference": "x", "cells": [[0.5, 2.0]]}\n')
    assert read_predictions(path).answers[0].items == {"cell": ([0.5, 2.0],)}
