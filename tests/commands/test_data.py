"""`biomedgpt data`: options reach the builders, and mistakes are told in one line."""

import json

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from biomedgpt_hf.cli import app
from biomedgpt_hf.sets import catalogue


@pytest.fixture
def run():
    runner = CliRunner()
    return lambda *words: runner.invoke(app, ["data", *map(str, words)])


@pytest.fixture
def pairs(tmp_path):
    """A table with 40 drugs and targets, two rows of which are broken."""
    path = tmp_path / "pairs.csv"
    lines = [f"row{number},{'C' * number}O,M{'AC' * number},{number}" for number in range(1, 41)]
    lines += ["bad1,C(C,MK,1", "bad2,CC,MK,"]
    path.write_text("\n".join(["name,smiles,target,affinity", *lines]) + "\n")
    return path


COLUMNS = ("--molecule-column", "smiles", "--protein-column", "target", "--answer-column", "affinity")
ASKED = ("--question", "How strongly do they bind?", "--id-column", "name")


def rows_of(folder):
    return {path.name.split("-")[0]: pq.read_table(path).to_pylist() for path in (folder / "data").iterdir()}


def test_a_table_of_ones_own_becomes_a_set(run, pairs, tmp_path):
    result = run("table", pairs, *COLUMNS, *ASKED, "--license", "CC0-1.0", "--output", tmp_path / "set")
    assert result.exit_code == 0, result.output
    assert "Wrote 40 rows" in result.stdout and "Left out 2 of 42 records" in result.stdout
    rows = [row for split in rows_of(tmp_path / "set").values() for row in split]
    assert {row["license"] for row in rows} == {"CC0-1.0"}
    row = next(row for row in rows if row["id"].endswith("row3"))
    assert (row["molecules"], row["proteins"]) == (["CCCO"], ["MACACAC"])
    assert row["messages"][0]["content"][2]["text"] == "How strongly do they bind?"


def test_more_broken_rows_than_allowed_are_an_error_and_allowing_them_goes_on(run, pairs, tmp_path):
    words = ("table", pairs, *COLUMNS, *ASKED, "--output", tmp_path / "set")
    result = run(*words, "--max-rejected", "1")
    assert result.exit_code == 1 and not (tmp_path / "set").exists()
    assert result.stderr.splitlines()[-1].startswith("Error: 2 of 42 records read are faulty")
    assert run(*words, "--max-rejected", "5%").exit_code == 0


def test_clusters_and_excluded_files_reach_the_builder(run, pairs, tmp_path):
    (tmp_path / "clusters.tsv").write_text("".join(f"row1\trow{number}\n" for number in range(1, 41)))
    (tmp_path / "benchmark.smi").write_text("OCC ethanol\n")
    clustered = ("--split-by", "cluster", "--clusters", tmp_path / "clusters.tsv")
    excluded = ("--exclude", tmp_path / "benchmark.smi")
    result = run("table", pairs, *COLUMNS, *ASKED, *clustered, *excluded, "--output", tmp_path / "set")
    assert result.exit_code == 0, result.output
    assert [len(rows) for rows in rows_of(tmp_path / "set").values()] == [39]
    manifest = json.loads((tmp_path / "set" / "manifest.json").read_text())
    assert manifest["counts"]["rejected"]["in an excluded file"] == 1
    assert [source["role"] for source in manifest["sources"]] == ["rows", "exclusion", "clusters"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("uniprotqa",), "Name the SOURCE files of uniprotqa, or give --download"),
        (("uniprotqa", "x.dat", "--download"), "Name the SOURCE files of uniprotqa, or give --download"),
        (("uniprotqa", "x.dat", "--clusters", "x.tsv"), "--clusters FILE goes with --split-by cluster"),
        (("uniprotqa", "x.dat", "--max-per-cluster", "3"), "--max-per-cluster N goes with --split-by cluster"),
        (("uniprotqa", "x.dat", "--questions", "ec,colour"), "membrane, description, and not 'colour'"),
        (("uniprotqa", "x.dat", "--split-by", "entry"), "split by protein or by cluster"),
        (("chebi20", "train.txt", "--max-rejected", "many"), "max_rejected is 'many'"),
        (("pubchemqa", "no.json"), "no.json: there is no such file"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(run, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    result = run(*words, "--output", "set")
    assert result.exit_code == 1 and message in result.stderr
    assert "Traceback" not in result.output and list(tmp_path.iterdir()) == []


def test_downloaded_files_are_the_sources(run, tmp_path, monkeypatch):
    def fetch(name, folder):
        assert (name, folder) == ("chebi20", tmp_path / "set-sources")
        folder.mkdir()
        (folder / "train.txt").write_text("CID\tSMILES\tdescription\n1\tCCO\tThe molecule is ethanol.\n")
        return [folder / "train.txt"]

    monkeypatch.setattr(catalogue, "fetch_sources", fetch)
    result = run("chebi20", "--download", "--output", tmp_path / "set")
    assert result.exit_code == 0, result.output
    assert "set-sources" in result.stderr
    assert [row["molecules"] for row in rows_of(tmp_path / "set")["train"]] == [["CCO"]]


def test_a_choice_of_facts_is_read_from_a_list(run, tmp_path):
    (tmp_path / "list.smi").write_text("CCO\nCCN\n")
    result = run("molecule-facts", tmp_path / "list.smi", "--facts", "formula, weight", "--output", tmp_path / "set")
    assert result.exit_code == 0, result.output
    tasks = {row["task"] for rows in rows_of(tmp_path / "set").values() for row in rows}
    assert len(tasks) == 2 and any("formula" in task for task in tasks)


def test_columns_that_are_not_read_are_told_and_written_down(run, pairs, tmp_path, caplog):
    words = ("table", pairs, "--molecule-column", "smiles", "--answer-column", "affinity", *ASKED)
    assert run(*words, "--format", "csv", "--output", tmp_path / "set").exit_code == 0
    options = json.loads((tmp_path / "set" / "manifest.json").read_text())["options"]
    assert (
        options["format"] == "csv"
        and "'target' may hold proteins, which are not read" in options["columns_passed_over"]
    )
    assert options["columns_passed_over"] in caplog.text
    result = run(*words, "--format", "sdf", "--output", tmp_path / "other")
    assert result.exit_code == 1 and "The formats are csv, tsv, jsonl, parquet." in result.stderr


def test_facts_about_the_molecules_of_a_table_need_a_known_or_a_named_column(run, tmp_path):
    (tmp_path / "t.csv").write_text("id,drug,toxic\n1,CCO,0\n2,NA,1\n")
    result = run("molecule-facts", tmp_path / "t.csv", "--output", tmp_path / "none")
    assert result.exit_code == 1 and "has the columns 'id', 'drug', 'toxic'" in result.stderr
    result = run("molecule-facts", tmp_path / "t.csv", "--molecule-column", "drug", "--output", tmp_path / "set")
    assert result.exit_code == 0 and "1 no structure" in result.stdout
    ids = {row["id"].split(":")[0] for rows in rows_of(tmp_path / "set").values() for row in rows}
    assert ids == {"1"}  # and no CID
