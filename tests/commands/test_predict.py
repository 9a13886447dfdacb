"""`biomedgpt predict`: files in, a table of answers out."""

import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from biomedgpt_hf.cli import app
from biomedgpt_hf.inference.long_runs import journal
from biomedgpt_hf.inference.prediction.in_memory import predict
from biomedgpt_hf.inference.prediction.predictor import Predictor
from biomedgpt_hf.mini import DEMONSTRATION
from biomedgpt_hf.neighbours import build_index
from biomedgpt_hf.sets.table import builder as table

SMILES = ["CCO", "CC(=O)OC1=CC=CC=C1C(=O)O", "CN(C)(C)(C)C", "CCO", "[Na+].[Cl-]", "CCCCCCCCCC(=O)O", "C1=CC=CC=C1"]
FIELDS = ["row", "id", "status", "error", "question", "answer", "log_probability", "finish_reason", "truncated"]
FIELDS += ["confidence", "computed"]  # evidence; `neighbours` come before it where there is an index
SHORT = ["--max-new-tokens", "8", "--device", "cpu"]


def run(*arguments):
    return CliRunner().invoke(app, ["predict", *map(str, arguments)])


def rows_of(path):
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.fixture
def smiles_file(tmp_path):
    path = tmp_path / "molecules.smi"
    path.write_text("".join(f"{smiles} {'same' if smiles == 'CCO' else 'n'}\n" for smiles in SMILES))
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_each_row_gets_its_answers_in_order_with_every_field(tmp_path, smiles_file, suffix):
    output = tmp_path / f"answers{suffix}"
    result = run(smiles_file, "--question", "What is it?", "--question", "Why?", "--output", output, *SHORT)
    assert result.exit_code == 0, result.output
    assert "12 answers about 7 rows" in result.stdout
    rows = rows_of(output)
    assert [list(row) for row in rows] == [FIELDS] * 14
    assert [(row["row"], row["question"]) for row in rows] == [
        (n, q) for n in range(1, 8) for q in ("What is it?", "Why?")
    ]
    assert [row["id"] for row in rows[::2]] == ["same" if smiles == "CCO" else "n" for smiles in SMILES]
    assert [row["status"] for row in rows[::2]] == ["ok", "ok", "error", "ok", "ok", "ok", "ok"]
    assert "valence" in rows[4]["error"] and "row 3" in result.stderr
    assert result.stderr.count(DEMONSTRATION) == 1
    expected = predict(["What is it?", "Why?"], molecules=SMILES, max_new_tokens=8, device="cpu")
    for row, one in zip(rows, expected, strict=True):
        assert (row["answer"], row["finish_reason"]) == (one.answer, one.finish_reason)
        assert row["log_probability"] == pytest.approx(one.log_probability)
    manifest = json.loads(Path(f"{output}.manifest.json").read_text("utf-8"))
    assert (manifest["rows"], manifest["predictions"], manifest["answered"], manifest["errors"]) == (7, 14, 12, 2)
    assert manifest["inputs"][0]["sha256"] and manifest["questions"] == ["What is it?", "Why?"]
    assert "agreement" not in manifest and manifest["dtype"] == "float32"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["molecules.smi", output.name, f"{output.name}.manifest.json"]
    )


def test_a_table_brings_its_own_questions_and_names(tmp_path):
    table = tmp_path / "table.tsv"
    table.write_text("name\tstructure\tsequence\task\nx\tCCO\t\tWhat?\nx\t\tMKTAYIAKQR\tWhere?\ny\tCCO\tMKT\t \n")
    arguments = ["--molecule-column", "structure", "--protein-column", "sequence", "--id-column", "name"]
    output = tmp_path / "answers.jsonl"
    assert run(table, *arguments, "--question-column", "ask", "--output", output, *SHORT).exit_code == 0
    rows = rows_of(output)
    assert [(row["row"], row["id"], row["status"]) for row in rows] == [
        (1, "x", "ok"),
        (2, "x", "ok"),
        (3, "y", "error"),
    ]
    assert [row["question"] for row in rows] == ["What?", "Where?", None]


def test_files_of_several_kinds_are_one_input(tmp_path, smiles_file):
    fasta = tmp_path / "two.fasta"
    fasta.write_text(">P1 first\nMKTAYIAKQR\nQISFVK\n>P2\nMK1\n")
    output = tmp_path / "answers.jsonl"
    assert run(fasta, smiles_file, "--question", "What?", "--output", output, *SHORT).exit_code == 0
    rows = rows_of(output)
    assert [row["id"] for row in rows[:3]] == ["P1", "P2", "same"] and len(rows) == 9
    assert [row["status"] for row in rows[:3]] == ["ok", "error", "ok"]


def test_in_bf16_the_agreement_with_single_answers_is_reported(tmp_path, smiles_file):
    output = tmp_path / "answers.jsonl"
    result = run(smiles_file, "--question", "What?", "--dtype", "bfloat16", "--output", output, *SHORT)
    assert result.exit_code == 0, result.output
    manifest = json.loads(Path(f"{output}.manifest.json").read_text("utf-8"))
    agreement = manifest["agreement"]
    assert manifest["dtype"] == "bfloat16" and agreement["compared"] == 6 and 0 <= agreement["same"] <= 6
    assert f"In bfloat16, {agreement['same']} of 6 answers" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--question", "What?", "--output", "answers.txt"], ".jsonl or .parquet"),
        (["--output", "answers.jsonl"], "either questions"),
        (["--question", "What?", "--question-column", "q", "--output", "a.jsonl"], "either questions"),
        (["--question", "What?", "--output", "a.jsonl", "--checkpoint", "no/such"], "no/such"),
        (["--question", "What?", "--output", "a.jsonl", "--dtype", "int4"], "bfloat16"),
        (["--question", "What?", "--output", "a.jsonl", "--index", "nowhere", "--neighbours", "2"], "nowhere"),
        (["--question", "<proteinHere>", "--output", "a.jsonl"], "proteinHere"),
        (["--question", "What?", "--output", "molecules.smi"], ".jsonl or .parquet"),
    ],
)
def test_mistakes_are_told_in_one_line_before_anything_is_done(tmp_path, smiles_file, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    result = run(smiles_file, *arguments)
    assert result.exit_code == 1
    assert said in result.stderr and result.stderr.strip().splitlines()[-1].startswith("Error: ")
    assert [path.name for path in tmp_path.iterdir()] == ["molecules.smi"]


def test_an_output_that_is_there_is_not_overwritten(tmp_path, smiles_file):
    output = tmp_path / "answers.jsonl"
    output.write_text("precious")
    result = run(smiles_file, "--question", "What?", "--output", output, *SHORT)
    assert result.exit_code == 1 and "already exists" in result.stderr
    assert output.read_text() == "precious"


def test_nothing_answered_is_no_success_but_the_reasons_are_written(tmp_path):
    (tmp_path / "bad.fasta").write_text(">P1\nM1K\n>P2\n")
    result = run(tmp_path / "bad.fasta", "--question", "What?", "--output", tmp_path / "answers.jsonl", *SHORT)
    assert result.exit_code == 1 and "no row could be answered" in result.stderr
    assert [row["status"] for row in rows_of(tmp_path / "answers.jsonl")] == ["error"] * 2


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_rows_come_with_the_nearest_known_items(tmp_path, smiles_file, suffix):
    (tmp_path / "known.csv").write_text("smiles,answer\nCCO,It is ethanol.\nCCN,It is an amine.\nCCO,It burns.\n")
    build = {"answer_column": "answer", "molecule_columns": ["smiles"], "question": "What is it?"}
    table.build_table([tmp_path / "known.csv"], tmp_path / "set", **build)
    build_index([tmp_path / "set"], tmp_path / "index", splits=("train", "validation", "test"))
    output = tmp_path / f"answers{suffix}"
    known = ["--index", tmp_path / "index", "--neighbours", "2"]
    assert run(smiles_file, "--question", "What?", *known, "--output", output, *SHORT).exit_code == 0
    rows = rows_of(output)
    assert [one["similarity"] for one in rows[0]["neighbours"]] == sorted(
        (one["similarity"] for one in rows[0]["neighbours"]), reverse=True
    )
    nearest = rows[0]["neighbours"][0]
    assert (nearest["item"], nearest["similarity"], nearest["same"]) == ("CCO", 1.0, True)
    assert [text["answer"] for text in nearest["texts"]] == ["It is ethanol.", "It burns."]
    assert rows[2]["status"] == "error" and not rows[2]["neighbours"]
    assert rows[4]["neighbours"] == []  # salt has nothing in common with them
    manifest = json.loads(Path(f"{output}.manifest.json").read_text("utf-8"))
    assert manifest["index"]["sha256"] and manifest["neighbours"] == 2


# Interruptions.


def broken_after(batches, monkeypatch, error):
    """Let the journal fail after some batches."""
    add, seen = journal.Journal.add, []

    def fail(self, results):
        seen.append(None)
        if len(seen) > batches:
            raise error
        add(self, results)

    monkeypatch.setattr(journal.Journal, "add", fail)


def test_a_full_disk_is_told_and_what_was_answered_is_kept(tmp_path, smiles_file, monkeypatch):
    output, asked = tmp_path / "answers.jsonl", []
    arguments = [smiles_file, "--question", "What?", "--batch-tokens", "1", "--output", output, *SHORT]
    with monkeypatch.context() as patch:
        broken_after(3, patch, OSError(28, "No space left on device", "journal"))
        result = run(*arguments)
        assert result.exit_code == 1 and "No space left" in result.stderr
    assert not output.exists()
    generate = Predictor._answer_batch
    monkeypatch.setattr(
        Predictor, "_answer_batch", lambda self, batch, features: asked.extend(batch) or generate(self, batch, features)
    )
    assert run(*arguments).exit_code == 0
    assert len(asked) == 4  # of the seven, the unreadable one and two more were there
    assert [row["row"] for row in rows_of(output)] == [*range(1, 8)]


def test_an_unfinished_run_is_not_gone_on_with_for_another_question(tmp_path, smiles_file, monkeypatch):
    output = tmp_path / "answers.jsonl"
    with monkeypatch.context() as patch:
        broken_after(1, patch, OSError("cut"))
        run(smiles_file, "--question", "What?", "--output", output, *SHORT)
    result = run(smiles_file, "--question", "Why?", "--output", output, *SHORT)
    assert result.exit_code == 1 and "questions was" in result.stderr
    smiles_file.write_text("CCO\n")
    result = run(smiles_file, "--question", "What?", "--output", output, *SHORT)
    assert result.exit_code == 1 and "inputs was" in result.stderr


def test_a_run_that_was_killed_after_its_output_was_written_only_tidies_up(tmp_path, smiles_file, monkeypatch):
    output = tmp_path / "answers.jsonl"
    arguments = [smiles_file, "--question", "What?", "--output", output, *SHORT]
    with monkeypatch.context() as patch:
        patch.setattr(journal.Journal, "remove", lambda self: None)
        run(*arguments)
    before = output.read_bytes()
    assert (tmp_path / ".answers.jsonl.running").exists()
    assert run(*arguments).exit_code == 0
    assert output.read_bytes() == before and not (tmp_path / ".answers.jsonl.running").exists()


def command(*arguments):
    return [sys.executable, "-m", "biomedgpt_hf.cli", "predict", *map(str, arguments)]


def answers_so_far(folder):
    total = 0
    for path in folder.glob("rank-*.sqlite"):
        base = sqlite3.connect(path, timeout=10)
        if base.execute("SELECT 1 FROM sqlite_master").fetchone():
            total += base.execute("SELECT COUNT(*) FROM results").fetchone()[0]
        base.close()
    return total


@pytest.mark.fault
@pytest.mark.slow
@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_killed_again_and_again_writes_the_same_bytes(tmp_path, kill):
    molecules = tmp_path / "molecules.smi"
    molecules.write_text("".join(f"{'C' * (1 + n % 37)}{'O' * (n % 3)} n{n % 5}\n" for n in range(120)))
    settings = ["--question", "What?", "--question", "Why?", "--max-new-tokens", "16", "--batch-tokens", "600"]
    whole, output = tmp_path / "whole.jsonl", tmp_path / "answers.jsonl"
    subprocess.run(command(molecules, *settings, "--output", whole), check=True, timeout=300)
    dice, seen = random.Random(kill), []
    for _ in range(3):
        process = subprocess.Popen(command(molecules, *settings, "--output", output), stderr=subprocess.PIPE)
        enough = (seen[-1] if seen else 0) + dice.randint(1, 50)
        while process.poll() is None and answers_so_far(tmp_path / ".answers.jsonl.running") < enough:
            time.sleep(0.05)
        process.send_signal(kill)
        process.communicate(timeout=60)
        assert process.returncode != 0
        seen.append(answers_so_far(tmp_path / ".answers.jsonl.running"))
    assert seen == sorted(set(seen)) and 0 < seen[0] and seen[-1] < 240
    last = subprocess.run(command(molecules, *settings, "--output", output), check=True, timeout=300, stderr=-1)
    assert re.search(rb"The run continues after \d+ of 120 rows", last.stderr)
    assert output.read_bytes() == whole.read_bytes()


@pytest.mark.slow
def test_two_processes_share_the_work_and_write_the_same_file(tmp_path):
    molecules = tmp_path / "molecules.smi"
    molecules.write_text("".join(f"{'C' * (1 + n % 37)} n\n" for n in range(150)))
    settings = ["--question", "What?", "--max-new-tokens", "8"]
    one, two = tmp_path / "one.parquet", tmp_path / "two.parquet"
    subprocess.run(command(molecules, *settings, "--output", one), check=True, timeout=300)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    subprocess.run(
        [*torchrun, *command(molecules, *settings, "--output", two)[2:]],
        check=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert [(r["row"], r["answer"]) for r in rows_of(two)] == [(r["row"], r["answer"]) for r in rows_of(one)]
    manifest = json.loads((tmp_path / "two.parquet.manifest.json").read_text("utf-8"))
    assert manifest["processes"] == 2 and manifest["predictions"] == 150
    assert not list(tmp_path.glob(".*"))


def test_both_partners_of_a_row_are_asked_about_and_an_empty_one_is_told(tmp_path):
    path, output = tmp_path / "pairs.csv", tmp_path / "out.jsonl"
    path.write_text("Drug,Target\nCCO,MKTAYIAKQR\nnan,MKTAYIAKQR\nCCO,NA\n-,?\n")
    result = CliRunner().invoke(app, ["predict", str(path), "--question", "Why?", "--output", str(output), *SHORT])
    assert result.exit_code == 0, result.stderr
    assert "'Drug' is empty in 1 of the rows" in result.stderr and "'Target' is empty in 1 of the rows" in result.stderr
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert [row["status"] for row in rows] == ["ok", "ok", "ok", "error"]
    alone = predict("Why?", ["CCO", None, "CCO"], ["MKTAYIAKQR", "MKTAYIAKQR", None], max_new_tokens=8, device="cpu")
    assert [row["log_probability"] for row in rows[:3]] == pytest.approx(
        [one.log_probability for one in alone], abs=1e-4
    )
    manifest = json.loads((tmp_path / "out.jsonl.manifest.json").read_text())
    assert manifest["empty_cells"] == {"Drug": 1, "Target": 1}
