"""Commands in a pipe: standard input and output, CSV, one JSON object, and nothing else on the way."""

import csv
import io
import json
import os
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner

from biomedgpt_hf import predict
from biomedgpt_hf.cli import app

SOURCE = Path(__file__).resolve().parents[2] / "src"
SHORT = ["--max-new-tokens", "6", "--device", "cpu"]
ASK = ["--question", "What is it?", *SHORT]
INPUTS = {
    "SMILES": "CCO ethanol\nCCN\n",
    "CSV": "name,smiles\nethanol,CCO\nx,CCN\n",
    "TSV": "smiles\tname\nCCO\tethanol\nCCN\tx\n",
    "JSON Lines": '{"smiles": "CCO", "id": "ethanol"}\n{"smiles": "CCN", "id": "x"}\n',
    "FASTA": ">P1\nMKTAYIAK\n>P2\nGIVEQ\n",
}


def run(*words, **options):
    return CliRunner().invoke(app, [str(word) for word in words], **options)


@pytest.mark.parametrize("text", INPUTS.values(), ids=INPUTS)
def test_standard_input_is_known_by_its_content_and_standard_output_has_rows_only(text):
    result = run("predict", "-", *ASK, "--output", "-", input=text)
    assert result.exit_code == 0, result.stderr
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(row["row"], row["status"]) for row in rows] == [(1, "ok"), (2, "ok")]
    assert rows[0]["id"] in ("ethanol", "P1")
    assert "2 answers about 2 rows." in result.stderr


def test_rows_on_standard_output_are_those_of_a_file(tmp_path):
    (tmp_path / "in.smi").write_text("".join(f"{'C' * (1 + n % 7)}O n{n}\n" for n in range(130)) + "C(C bad\n")
    given = ["predict", tmp_path / "in.smi", "--question", "What?", "--max-new-tokens", "2", "--device", "cpu"]
    assert run(*given, "--output", tmp_path / "out.jsonl").exit_code == 0
    assert run(*given, "--output", tmp_path / "out.csv").exit_code == 0
    lines = run(*given, "--output", "-")
    shown = [json.loads(line) for line in lines.stdout.splitlines()]
    kept = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    assert [_exact(row) for row in shown] == [_exact(row) for row in kept]
    answered = [[row["confidence"] for row in rows if row["status"] == "ok"] for rows in (shown, kept)]
    assert answered[0] == pytest.approx(answered[1], abs=1e-5)
    table = run(*given, "--output", "/dev/stdout", "--output-format", "csv").stdout
    written = list(csv.DictReader((tmp_path / "out.csv").open(encoding="utf-8", newline="")))
    assert [row["answer"] for row in csv.DictReader(io.StringIO(table))] == [row["answer"] for row in written]
    assert len(written) == 131 and written[-1]["status"] == "error" and "extra open" in written[-1]["error"]
    assert written[0] == {
        name: "" if value is None else json.dumps(value) if isinstance(value, list) else str(value)
        for name, value in json.loads((tmp_path / "out.jsonl").read_text("utf-8").splitlines()[0]).items()
    }


@pytest.mark.parametrize("words", [["predict", *ASK], ["embed", "--device", "cpu"]], ids=["predict", "embed"])
def test_columns_that_are_passed_over_are_told_beside_a_stream_too(tmp_path, words, caplog):
    (tmp_path / "in.csv").write_text("smiles,canonical_smiles\nCCO,CCO\n")
    assert run(words[0], tmp_path / "in.csv", *words[1:], "--output", "-").exit_code == 0
    assert "molecules are read from 'smiles', passing over 'canonical_smiles'" in caplog.text


@pytest.mark.parametrize("words", [["predict", *ASK], ["embed", "--device", "cpu"]], ids=["predict", "embed"])
def test_several_processes_are_refused_a_stream_before_anything_is_loaded(tmp_path, words, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    (tmp_path / "in.smi").write_text("CCO\n")
    given = [words[0], tmp_path / "in.smi", *words[1:], "--output", "-", "--checkpoint", tmp_path / "missing"]
    result = run(*given)
    assert result.exit_code == 1 and "Several processes cannot write to standard output" in result.stderr


def _exact(row):
    return {name: value for name, value in row.items() if name not in ("log_probability", "confidence")}  # rounding


def test_texts_with_commas_quotes_and_line_breaks_survive_csv(tmp_path):
    question = 'Is it "a salt", or\nnot, é?'
    (tmp_path / "in.smi").write_text("CCO\n")
    words = ("predict", tmp_path / "in.smi", "--question", question, *SHORT, "--output", tmp_path / "out.csv")
    assert run(*words).exit_code == 0
    (row,) = csv.DictReader((tmp_path / "out.csv").open(encoding="utf-8", newline=""))
    assert row["question"] == question


def test_embeddings_as_csv_are_those_of_parquet(tmp_path):
    from pyarrow.parquet import read_table

    (tmp_path / "in.smi").write_text("CCO ethanol\nC(C bad\nCCN\n")
    for name in ("out.parquet", "out.csv"):
        assert run("embed", tmp_path / "in.smi", "--output", tmp_path / name).exit_code == 0
    text = (tmp_path / "out.csv").read_text("utf-8")
    expected = read_table(tmp_path / "out.parquet").to_pylist()
    for row, one in zip(csv.DictReader(io.StringIO(text)), expected, strict=True):
        values = [value for name, value in row.items() if name.startswith("embedding_")]
        assert len(values) == 256 and (row["id"], row["status"]) == (one["id"], one["status"])
        assert values == [""] * 256 if one["embedding"] is None else list(map(float, values)) is not None
        if one["embedding"] is not None:
            assert [float(value) for value in values] == pytest.approx(one["embedding"], rel=1e-3)
    result = run("embed", "-", "--output", "-", input="CCO ethanol\nC(C bad\nCCN\n")
    assert result.exit_code == 0 and result.stdout == text


@pytest.mark.parametrize("words", [["predict", "-", *ASK, "--output", "-"], ["embed", "-", "--output", "-"]])
@pytest.mark.parametrize(
    ("text", "said"), [("", "stdin"), ("garbage %%%\n", "stdin, line 1: begins with 'garbage %%%'")]
)
def test_what_standard_input_does_not_hold_is_told_without_a_folder_of_ours(words, text, said):
    result = run(*words, input=text)
    assert result.exit_code == 1 and result.stdout == ""
    assert result.stderr.startswith("Error: " + said) and "biomedgpt-" not in result.stderr


def test_standard_input_cannot_be_read_twice_or_by_several_processes(monkeypatch):
    assert "named twice" in run("predict", "-", "-", *ASK, "--output", "-", input="C\n").stderr
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert "Several processes cannot share" in run("embed", "-", "--output", "x.csv", input="C\n").stderr


def test_named_pipes_are_read_like_files(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=("CCO ethanol\n",))
    writer.start()
    result = run("predict", tmp_path / "pipe", *ASK, "--output", "-")
    writer.join()
    assert result.exit_code == 0 and json.loads(result.stdout)["id"] == "ethanol"


def test_one_answer_as_json_has_the_fields_of_a_row_of_predict():
    result = run("ask", "What is it?", "--molecule", "CCO", "--json", *SHORT)
    row = json.loads(result.stdout)
    (expected,) = predict("What is it?", ["CCO"], max_new_tokens=6, device="cpu")
    assert list(row) == [field for field in expected._fields if field != "neighbours"]
    assert (row["answer"], row["finish_reason"], row["row"]) == (expected.answer, "length", 1)
    assert result.stdout.count("\n") == 1 and "demonstration" in result.stderr


def test_a_question_about_many_molecules_is_answered_with_a_hint(tmp_path):
    (tmp_path / "many.smi").write_text("CCO\nCCN\nC\n")
    result = run("ask", "What?", "--molecule-file", tmp_path / "many.smi", *SHORT)
    assert result.exit_code == 0 and result.stderr.count("many.smi holds 3 molecules, and all of them go into") == 1
    assert "biomedgpt predict" in result.stderr and "Note" not in result.stdout
    one = run("ask", "What?", "--molecule-file", "-", *SHORT, input="CCO\n")
    assert one.exit_code == 0 and "Note" not in one.stderr
    assert (
        "Standard input holds 2 proteins"
        in run("ask", "?", "--protein-file", "-", *SHORT, input=">a\nMK\n>b\nMV\n").stderr
    )


def started(*words, **options):
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    return subprocess.Popen(
        [sys.executable, "-m", "biomedgpt_command", *map(str, words)], env=environment, text=True, **options
    )


@pytest.mark.slow
def test_a_reader_that_leaves_early_ends_the_run_quietly(tmp_path):
    (tmp_path / "in.smi").write_text("CCO\n" * 300)
    words = ("predict", tmp_path / "in.smi", "--question", "?", "--max-new-tokens", 1, "--output", "-")
    process = started(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert json.loads(process.stdout.readline())["row"] == 1
    process.stdout.close()
    told = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=120) != 0 and told == ""


def test_versions_are_told_at_once():
    process = started("--version", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    told, errors = process.communicate(timeout=60)
    assert process.returncode == 0 and errors == ""
    assert told.startswith("biomedgpt-hf ") and "torch 2" in told and told.count("\n") == 1


@pytest.mark.slow
def test_no_progress_goes_into_a_pipe(tmp_path):
    (tmp_path / "in.csv").write_text("smiles,name\n" + "".join(f"{'C' * n}O,n{n}\n" for n in range(1, 30)))
    columns = ("--molecule-column", "smiles", "--answer-column", "name", "--question", "Its name?")
    commands = {
        "predict": (tmp_path / "in.csv", "--question", "?", "--max-new-tokens", 1, "--output", tmp_path / "out.csv"),
        "embed": (tmp_path / "in.csv", "--modality", "molecule", "--output", tmp_path / "out.parquet"),
        "data": ("table", tmp_path / "in.csv", *columns, "--output", tmp_path / "set"),
        "train": ("mini", "--train-data", tmp_path / "set", "--output-dir", tmp_path / "run", "--max-steps", 1),
    }
    for command, words in commands.items():
        process = started(command, *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        _, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors
        assert "\r" not in errors and "%|" not in errors and "it/s" not in errors, command


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_on_a_terminal_progress_comes_and_goes_on_one_line(tmp_path):
    import fcntl
    import pty
    import termios

    (tmp_path / "in.smi").write_text("CCO\nCCN\n")
    main, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))  # else it has no columns to write in
    words = ("predict", tmp_path / "in.smi", "--question", "?", "--max-new-tokens", 1, "--output", tmp_path / "o.csv")
    process = started(*words, stdout=subprocess.PIPE, stderr=terminal)
    os.close(terminal)
    told = b""
    try:
        while piece := os.read(main, 65536):
            told += piece
    except OSError:  # the terminal has closed
        pass
    process.communicate(timeout=120)
    progress = told.decode().partition("Warning")[0]
    assert process.returncode == 0 and "\r" in progress and progress.count("\n") == 0
