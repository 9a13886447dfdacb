"""The scripts of TRL's trainers run on a table of somebody's, and what they write answers."""

import csv
import importlib.util
import json
import sys
from pathlib import Path

import pytest
from transformers import AutoModelForMultimodalLM, AutoProcessor
from typer.testing import CliRunner

from biomedgpt_hf.cli import app

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TABLE = [
    ("CCO", "An alcohol.", "train"),
    ("CCCO", "An alcohol.", "train"),
    ("CC(=O)O", "An acid.", "train"),
    ("CCC(=O)O", "An acid.", "train"),
    ("CCCCO", "An alcohol.", "validation"),
]
OPTIONS = ["--max-steps", "4", "--batch-size", "4", "--learning-rate", "1e-3", "--cpu"]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set that the command line made of a table."""
    folder = tmp_path_factory.mktemp("rows")
    with (folder / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("smiles", "answer", "split"), *TABLE])
    command = ["data", "table", folder / "table.csv", "--molecule-column", "smiles", "--answer-column", "answer"]
    command += ["--question", "What is it?", "--split-column", "split", "--processes", "1", "--output", folder / "rows"]
    done = CliRunner().invoke(app, [str(word) for word in command])
    assert done.exit_code == 0, done.output
    return folder / "rows"


def run(name: str, arguments: list, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> list[dict]:
    """Runs a script as the command line would, and returns what TRL's trainer logged."""
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    spec = importlib.util.spec_from_file_location(Path(name).stem, EXAMPLES / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main()
    lines = [line for line in capsys.readouterr().out.splitlines() if line.strip().startswith("{'loss'")]
    return [json.loads(line.strip().replace("'", '"')) for line in lines]


@pytest.mark.parametrize("lora", [[], ["--lora"]], ids=["whole", "lora"])
def test_sft_learns_a_table_and_its_output_loads(rows, lora, tmp_path, monkeypatch, capsys):
    logged = run("sft.py", [rows, "--output", tmp_path / "sft", *OPTIONS, *lora], monkeypatch, capsys)
    assert float(logged[-1]["loss"]) < float(logged[0]["loss"])
    assert (tmp_path / "sft" / "adapter_config.json").exists() == bool(lora)
    model = AutoModelForMultimodalLM.from_pretrained(tmp_path / "sft")
    AutoProcessor.from_pretrained(tmp_path / "sft").check_model(model.config)


def test_dpo_prefers_answers_about_the_item(rows, tmp_path, monkeypatch, capsys):
    logged = run("dpo.py", [rows, "--output", tmp_path / "dpo", *OPTIONS], monkeypatch, capsys)
    assert float(logged[-1]["rewards/margins"]) > float(logged[0]["rewards/margins"])
    AutoModelForMultimodalLM.from_pretrained(tmp_path / "dpo")


def test_dpo_takes_pairs_from_a_file(tmp_path, monkeypatch, capsys):
    message = {"role": "user", "content": [{"type": "molecule"}, {"type": "text", "text": "What is it?"}]}
    pair = {"messages": [message], "molecules": ["CCO"], "chosen": "An alcohol.", "rejected": "A metal.", "id": "1"}
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps({**pair, "id": str(i)}) + "\n" for i in range(4)))
    arguments = [tmp_path / "pairs.jsonl", "--output", tmp_path / "dpo", *OPTIONS]
    logged = run("dpo.py", arguments, monkeypatch, capsys)
    assert float(logged[-1]["rewards/margins"]) > 0


def test_dpo_writes_pairs_that_a_run_by_recipe_learns_from(rows, tmp_path, monkeypatch, capsys):
    run("dpo.py", [rows, "--write-pairs", tmp_path / "pairs"], monkeypatch, capsys)
    words = ["--model", "mini", "--train-data", tmp_path / "pairs", "--output-dir", tmp_path / "run", "--eval-strategy"]
    words += ["no", "--max-steps", "1", "--global-batch-size", "null", "--dataloader-num-workers", "0"]
    done = CliRunner().invoke(app, ["train", "dpo", *map(str, words), "--report-to", "none"])
    assert done.exit_code == 0 and "after 1 steps" in done.output, done.output
    assert "train 4 (left out" in (tmp_path / "run" / "training_report.md").read_text("utf-8")
