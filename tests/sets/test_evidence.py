"""Sets with evidence in their questions: never from the row's own items."""

import json

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from biomedgpt_hf.cli import app
from biomedgpt_hf.neighbours import build_index
from biomedgpt_hf.rows.row_items import split_files
from biomedgpt_hf.sets.evidence.builder import build_evidence_set

from ..built_set import inline_row, row, write_set

LEFT, RIGHT, SALT = "C[C@H](N)C(O)=O", "C[C@@H](N)C(O)=O", "CC(N)C(=O)[O-].[Na+]"


@pytest.fixture
def folders(tmp_path):
    train = [
        row("left", molecules=[LEFT]),
        row("right", molecules=[RIGHT]),
        row("salt", molecules=[SALT]),
        row("other", molecules=["CCC(N)C(O)=O"]),
        {**row("far", molecules=["NCCCC(O)=O"]), "license": "MIT", "source": "t"},
        row("pair", molecules=["CCCO", "CCCCO"]),
        row("fragment", proteins=["MKVAACDEFGHIKL"]),
        row("bare"),
    ]
    test = [inline_row("held", molecule="CCCCCO"), row("protein", proteins=["MKVAACDEFGHIKLMNPQ"])]
    write_set(tmp_path / "set", {"train": train, "test": test})
    build_index([tmp_path / "set"], tmp_path / "index")
    return tmp_path / "set", tmp_path / "index"


def rows_of(folder):
    files = (path for paths in split_files(folder).values() for path in paths)
    return {one["id"]: one for path in files for one in pq.read_table(path).to_pylist()}


def question(row):
    return row["messages"][0]["content"][-1]["text"]


def test_evidence_is_never_that_of_the_item_itself_or_of_its_stereoisomers(folders, tmp_path):
    manifest = build_evidence_set(*folders, tmp_path / "new", neighbours=9)
    rows = rows_of(tmp_path / "new")
    assert rows.keys() == rows_of(folders[0]).keys()
    for id in ("left", "right", "salt"):
        assert not [one for one in ("left", "right", "salt") if f"It is {one}." in question(rows[id])]
        assert "Known molecule, similarity" in question(rows[id]) and "It is other." in question(rows[id])
    assert "It is pair." not in question(rows["pair"])
    assert question(rows["bare"]) == "What is it?" and "It is fragment." in question(rows["protein"])
    assert question(rows["held"]).endswith("\nWhat is it?") and "It is pair." in question(rows["held"])
    assert question(rows["held"]).count("It is pair.") == 2  # of two known molecules
    assert manifest["counts"]["rows_by_split"] == {"train": 8, "test": 2}
    assert manifest["counts"]["notes"]["without evidence"] == 2  # the bare one, and the only protein of its split
    assert (rows["other"]["source"], rows["other"]["license"]) == ("s, t", "CC0-1.0 AND MIT")


def test_items_of_which_the_question_is_answered_are_chosen_before_nearer_ones(tmp_path):
    rows = [
        row("near", molecules=["CCCCCCO"], question="Which class is it?"),
        row("far", molecules=["CCCO"], question="What is it?"),
        row("asked", molecules=["CCCCCCCO"], question="What is it?"),
    ]
    folder = write_set(tmp_path / "set", {"train": rows})
    build_index([folder], tmp_path / "index")
    build_evidence_set(folder, tmp_path / "index", tmp_path / "new", neighbours=1)
    assert "It is far." in question(rows_of(tmp_path / "new")["asked"])


def test_the_rows_of_several_processes_are_the_same(folders, tmp_path, monkeypatch):
    monkeypatch.setattr("biomedgpt_hf.neighbours.many.CHUNK", 1)
    for processes in (1, 2):
        build_evidence_set(*folders, tmp_path / str(processes), neighbours=2, processes=processes)
    assert rows_of(tmp_path / "1") == rows_of(tmp_path / "2")


def test_what_does_not_fit_is_left_out_the_farthest_first(folders, tmp_path):
    fits = lambda row: question(row).count("Known") <= 1  # noqa: E731
    manifest = build_evidence_set(*folders, tmp_path / "new", neighbours=9, fits=fits)
    left = question(rows_of(tmp_path / "new")["left"])
    assert left.count("Known") == 1 and "It is other." in left
    assert any(note.startswith("without some of the known items") for note in manifest["counts"]["notes"])


def run(*words):
    return CliRunner().invoke(app, ["data", "evidence", *map(str, words)])


def test_the_command_builds_it_for_a_checkpoint_s_context(folders, tmp_path):
    from biomedgpt_hf import mini_checkpoint

    options = ("--index", folders[1], "--neighbours", "2", "--checkpoint", mini_checkpoint(), "--processes", "1")
    result = run(folders[0], *options, "--output", tmp_path / "new")
    assert result.exit_code == 0, result.output
    assert "Wrote 10 rows to" in result.stdout and "Kept, but without evidence: 2." in result.stdout
    manifest = json.loads((tmp_path / "new" / "manifest.json").read_text("utf-8"))
    assert [one.get("role") for one in manifest["sources"]] == ["rows", "evidence"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("set", "--index", "absent"), "absent: there is no such folder"),
        (("set", "--index", "set"), "is not an index"),
        (("index", "--index", "index"), "is not the folder of a set"),
        (("set",), "no embedded index of known items"),
        (("set", "--index", "index", "--neighbours", "0"), "--neighbours"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(folders, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    result = run(*words, "--output", "new")
    assert result.exit_code != 0 and message in result.stderr and "Traceback" not in result.output
    assert not (tmp_path / "new").exists()
