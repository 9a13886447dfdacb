"""Rows that repeat or contradict each other are counted and told, and dropped where that was chosen."""

import csv
import json

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from biomedgpt_hf.building import parsing
from biomedgpt_hf.building.pipeline import BuildSettings
from biomedgpt_hf.building.repetitions import claim_of
from biomedgpt_hf.rows.schema import question_row
from biomedgpt_hf.sets.table.builder import build_table

QUESTION = "Is it toxic?"
# Written by hand: number, SMILES, answer.
ROWS = [
    (0, "CCO", "no"),
    (1, "CCO", "no"),  # word for word
    (2, "OCC", "no"),  # written differently
    (3, "OCC", "no"),  # word for word as number 2
    (4, "c1ccccc1O", "yes"),
    (5, "C1=CC=CC=C1O", "no"),  # contradicts number 4
    (6, "Oc1ccccc1", "yes"),  # and agrees with it
    (7, "C[C@H](N)C(=O)O", "no"),
    (8, "C[C@@H](N)C(=O)O", "yes"),  # its mirror image is another structure
    (9, "CC(=O)[O-].[Na+]", "no"),
    (10, "CC(=O)O", "yes"),  # and an acid is not its salt
    (11, "[Na+].CC(=O)[O-]", "no"),  # the salt again
    (12, "CCN", "no"),
    (13, "C1CCCCC1", "CCC"),
    (14, "C1CCCCC1", "ccc"),  # an answer may be a SMILES, whose case counts
]
COPIES = {1, 2, 3, 6, 11}
CONTRADICTORY = {4, 5, 6, 13, 14}
FOUND = {
    "copies": 5,
    "copies_written_differently": 3,
    "items_written_differently": 3,
    "contradictory_questions": 2,
    "contradictory_rows": 5,
}


def write_table(path, rows=ROWS, more=("split",), splits=None):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "smiles", "answer", *more])
        writer.writerows([*row, (splits or {}).get(row[0], "train")] for row in rows)
    return path


@pytest.fixture
def build(tmp_path, monkeypatch):
    monkeypatch.setattr(parsing, "CHUNK", 4)  # repetitions lie in several chunks

    def run(rows=ROWS, splits=None, **chosen):
        output = tmp_path / f"set{len(list(tmp_path.iterdir()))}"
        manifest = build_table(
            [write_table(tmp_path / "t.csv", rows, splits=splits)],
            output,
            molecule_columns=["smiles"],
            answer_column="answer",
            question=QUESTION,
            id_column="id",
            split_column="split",
            settings=BuildSettings(progress=False, **chosen),
        )
        kept = [int(id) for file in (output / "data").iterdir() for id in pq.read_table(file)["id"].to_pylist()]
        rejected = [json.loads(line) for line in (output / "rejected.jsonl").read_text().splitlines()]
        return manifest, set(kept), rejected, output

    return run


def test_all_is_kept_and_counted_by_default(build):
    manifest, kept, rejected, _ = build()
    assert kept == set(range(15)) and rejected == []
    assert manifest["counts"]["repetitions"] == {**FOUND, "rows_left_out": 0}
    assert "duplicates" not in manifest["options"] and "contradictions" not in manifest["options"]


def test_dropping_copies_keeps_the_first_of_each_answer_and_lists_the_others(build):
    manifest, kept, rejected, _ = build(duplicates="drop")
    assert kept == set(range(15)) - COPIES
    assert manifest["counts"]["repetitions"] == {**FOUND, "rows_left_out": 5}
    assert manifest["counts"]["rejected"] == {"copy of another row": 5} and manifest["counts"]["records_faulty"] == 0
    assert {int(entry["id"]): entry["detail"] for entry in rejected} == {
        **{number: "repeats 0, line 2 of t.csv" for number in (1, 2, 3)},
        6: "repeats 4, line 6 of t.csv",
        11: "repeats 9, line 11 of t.csv",
    }
    assert manifest["options"]["duplicates"] == "drop"


def test_dropping_contradictions_keeps_none_of_the_answers(build):
    manifest, kept, rejected, _ = build(contradictions="drop")
    assert kept == set(range(15)) - CONTRADICTORY
    assert {int(entry["id"]): entry["detail"] for entry in rejected} == {
        **{number: "contradicts 5, line 7 of t.csv" for number in (4, 6)},
        5: "contradicts 4, line 6 of t.csv",
        13: "contradicts 14, line 16 of t.csv",
        14: "contradicts 13, line 15 of t.csv",
    }
    assert manifest["counts"]["rejected"] == {"contradictory answers": 5}
    counts = manifest["counts"]
    assert counts["rows"] + counts["records_rejected"] == counts["records_read"] == 15


def test_both_may_be_dropped_and_the_set_then_has_neither(build):
    _, kept, _, _ = build(duplicates="drop", contradictions="drop")
    assert kept == set(range(15)) - COPIES - CONTRADICTORY
    manifest, again, _, _ = build([row for row in ROWS if row[0] in kept])
    assert again == kept
    assert set(manifest["counts"]["repetitions"].values()) == {0}


def test_of_copies_the_one_that_is_scored_stays(build):
    _, kept, _, output = build(splits={3: "test", 11: "validation"}, duplicates="drop")
    assert kept & {0, 1, 2, 3} == {3} and kept & {9, 11} == {11}
    assert pq.read_table(next((output / "data").glob("test-*")))["id"].to_pylist() == ["3"]


def test_rows_can_all_contradict_each_other(build):
    with pytest.raises(ValueError, match="No row could be made of the 2 records read. The first: contradictory"):
        build([(0, "CCO", "no"), (1, "OCC", "yes")], contradictions="drop")


def test_a_wrong_choice_is_refused(build):
    with pytest.raises(ValueError, match="duplicates is 'maybe': choose keep or drop"):
        build(duplicates="maybe")


def test_the_card_and_the_command_tell_it(tmp_path):
    from biomedgpt_hf.cli import app

    words = ["data", "table", str(write_table(tmp_path / "t.csv")), "--molecule-column", "smiles", "--id-column", "id"]
    words += ["--question", QUESTION, "--answer-column", "answer", "--processes", "1", "--output"]
    told = CliRunner().invoke(app, [*words, str(tmp_path / "kept")])
    assert told.exit_code == 0, told.output
    card = (tmp_path / "kept" / "README.md").read_text()
    for sentence in (
        "have the same answer: 5, of which 3 write the items differently (kept; --duplicates drop leaves them out).",
        "with different answers: 2, in 5 rows (kept; --contradictions drop leaves them out).",
        "such as one structure by several SMILES: 3.",
    ):
        assert sentence in told.output and sentence in card
    dropping = ["--duplicates", "drop", "--contradictions", "drop"]
    told = CliRunner().invoke(app, [*words, str(tmp_path / "dropped"), *dropping])
    assert told.exit_code == 0, told.output
    card = (tmp_path / "dropped" / "README.md").read_text()
    for sentence in ("differently (left out, but the first of each).", "in 5 rows (left out, all of them)."):
        assert sentence in told.output and sentence in card
    assert "Left out 9 of 15 records: 5 contradictory answers, 4 copy of another row." in told.output


def test_a_record_loses_only_the_rows_that_are_dropped(tmp_path):
    from biomedgpt_hf.sets.uniprotqa.builder import build_uniprotqa

    entry = "ID   X_T Reviewed; 8 AA.\nAC   {};\nDE   RecName: Full={};\nCC   -!- FUNCTION: Does it.\n"
    entry += "SQ   SEQUENCE   8 AA;  1 MW;  0 CRC64;\n     MKTAYIAK\n//\n"
    path = tmp_path / "p.dat"
    path.write_text(entry.format("P00001", "One") + entry.format("P00002", "Two"))
    settings = BuildSettings(progress=False, duplicates="drop")
    manifest = build_uniprotqa([path], tmp_path / "set", settings=settings)
    ids = [id for file in (tmp_path / "set" / "data").iterdir() for id in pq.read_table(file)["id"].to_pylist()]
    assert sorted(ids) == ["P00001:function", "P00001:names", "P00002:names"]
    assert manifest["counts"]["repetitions"] == {
        "copies": 1,
        "copies_written_differently": 0,
        "items_written_differently": 0,
        "contradictory_questions": 1,
        "contradictory_rows": 2,
        "rows_left_out": 1,
    }
    assert manifest["counts"]["rejected"] == {}


@pytest.mark.parametrize("step", ["leakage_report", "dataset_card"])
def test_a_build_that_failed_after_rows_were_dropped_drops_the_same_when_it_goes_on(build, step, monkeypatch, tmp_path):
    from biomedgpt_hf.building import writer

    output = tmp_path / "set0"  # as `build` calls the first one
    with monkeypatch.context() as patch:

        def fail(*arguments, **more):
            raise OSError("No space left on device")

        patch.setattr(writer, step, fail)
        with pytest.raises(OSError, match="No space"):
            build(duplicates="drop", contradictions="drop")
    assert not output.exists()
    settings = BuildSettings(progress=False, duplicates="drop", contradictions="drop")
    columns = {"molecule_columns": ["smiles"], "answer_column": "answer", "id_column": "id", "split_column": "split"}
    manifest = build_table([tmp_path / "t.csv"], output, question=QUESTION, **columns, settings=settings)
    assert manifest["counts"]["rejected"] == {"contradictory answers": 5, "copy of another row": 4}


def row(question, answer, **items):
    return question_row(question, answer, **items, task="t", source="s", id="i", license="CC0-1.0")


def test_a_claim_knows_items_by_what_they_are_and_texts_whatever_their_spaces():
    plain = claim_of(row("What  is\nit?", " It  is.", molecules=["CCO", "N"], proteins=["MKT"]))
    same = claim_of(
        row("What is it?", "It is.", molecules=["InChI=1S/C2H6O/c1-2-3/h3H,2H2,1H3", "[NH3]"], proteins=["mkt"])
    )
    assert plain[:2] == same[:2] and plain.written != same.written
    for other in (
        row("What is it?", "It is.", molecules=["N", "CCO"], proteins=["MKT"]),
        row("What is he?", "It is.", molecules=["CCO", "N"], proteins=["MKT"]),
        row("What is it?", "It is.", molecules=["CCO", "N"], proteins=["MKV"]),
        row("What is it?", "It is.", molecules=["CCO", "N"]),
    ):
        assert claim_of(other).asked != plain.asked and claim_of(other).answer == plain.answer
    assert claim_of(row("What is it?", "it is.", molecules=["CCO", "N"], proteins=["MKT"])).answer != plain.answer


def test_items_of_further_modalities_are_compared_by_value(cell):
    one, same, other = (claim_of(row("Which?", "It.", cells=[cells])) for cells in ([1.0, 2.0], [1, 2], [2.0, 1.0]))
    assert one.asked == same.asked != other.asked
