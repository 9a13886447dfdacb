"""Runs of TRL's trainers by recipe on the embedded checkpoint: what they leave, how they go on, what they refuse."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from trainings import FOLDER, logged
from transformers import AutoModelForMultimodalLM
from typer.testing import CliRunner

from biomedgpt_hf import ask
from biomedgpt_hf.cli import app
from biomedgpt_hf.conversion import export_language_model
from biomedgpt_hf.mini import mini_checkpoint

NAMES = ("meth", "eth", "prop", "but", "pent", "hex")
SHORT = (
    *("--model", "mini", "--report-to", "none", "--disable-tqdm", "--dataloader-num-workers", "0"),
    *("--global-batch-size", "8", "--per-device-train-batch-size", "4", "--max-steps", "4"),
    *("--save-strategy", "steps", "--save-steps", "2", "--eval-steps", "2", "--logging-steps", "3"),
)
WHOLE = ("--lora", "null", "--trainable", "language_model", "molecule_projector")


def question(number: int) -> dict:
    """A question about an alkane, a peptide or nothing, in turn."""
    kind = ("molecule", "protein", None)[number % 3]
    item = [{"type": kind}] if kind else []
    return {
        "messages": [{"role": "user", "content": [*item, {"type": "text", "text": f"What is it, {number % 4}?"}]}],
        "molecules": ["C" * (number % 12 + 1)] if kind == "molecule" else [],
        "proteins": ["MKTAYIAK"[: number % 5 + 3]] if kind == "protein" else [],
        "id": str(number),
    }


def pair(number: int) -> dict:
    return {**question(number), "chosen": f"It is {NAMES[number % 6]}ane.", "rejected": "A metal, of course."}


def row(number: int) -> dict:
    asked = question(number)
    answer = {"role": "assistant", "content": [{"type": "text", "text": f"It is {NAMES[number % 6]}ane."}]}
    about = {"task": "name", "source": "us", "license": "CC0-1.0"}
    return {**asked, "messages": [*asked["messages"], answer], **about}


def write(folder: Path, **splits: list[dict]) -> Path:
    folder.mkdir()
    for split, rows in splits.items():
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return folder


def run(*words: object, fails: bool = False) -> str:
    """What `biomedgpt` prints, on either stream."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert (result.exit_code != 0) == fails, f"{result.output}\n{result.exception!r}"
    return result.output


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return {name: tensor for file in folder.glob("*model.safetensors") for name, tensor in load_file(file).items()}


def same(one: Path, other: Path) -> bool:
    ours, theirs = weights(one), weights(other)
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def history_of(folder: Path) -> list[dict]:
    return json.loads((folder / "checkpoint-4" / "trainer_state.json").read_text())["log_history"]


@pytest.fixture(scope="module")
def sets(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("sets")
    return {
        "sft": write(folder / "rows", train=[row(n) for n in range(24)], validation=[row(n) for n in range(6)]),
        "dpo": write(folder / "pairs", train=[pair(n) for n in range(24)], validation=[pair(n) for n in range(6)]),
    }


@pytest.fixture(scope="module", params=["sft", "dpo"])
def trained(request, sets, tmp_path_factory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp("runs") / request.param
    said = run("train", request.param, "--train-data", sets[request.param], "--output-dir", folder, *SHORT)
    assert f"Wrote {folder} after 4 steps (eval_loss " in said and ", loss " in said
    return request.param, folder


def test_a_run_leaves_an_adapter_that_answers_with_report_card_and_notes(trained, sets):
    name, folder = trained
    assert ask("What is it, 1?", molecules=["CCO"], checkpoint=folder).text
    assert (folder / "adapter_model.safetensors").is_file() and (folder / "loss_curve.png").stat().st_size > 5_000
    assert not list(folder.rglob("training_args.bin")) and not list(folder.rglob("ref"))
    card, report = (folder / "README.md").read_text("utf-8"), (folder / "training_report.md").read_text("utf-8")
    figure = {"sft": "mean_token_accuracy", "dpo": "rewards/margins"}[name]
    assert f"| {figure} |" in report and f"| eval_{figure} |" in report and f"| trainer | {name} |" in report
    assert "train 24" in card and f"trainer: {name}" in card.replace("**", "")
    assert json.loads((folder / "run.json").read_text("utf-8"))["asked"]["trainer"] == name
    assert all(e["tokens_per_second"] > e["label_tokens_per_second"] > 0 for e in history_of(folder) if "loss" in e)


def test_a_run_goes_on_to_the_same_weights_bit_by_bit(trained, sets, tmp_path):
    name, folder = trained
    for kept in ("checkpoint-2", "run.json"):
        source = folder / kept
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / kept)
    run("train", name, "--train-data", sets[name], "--output-dir", tmp_path, *SHORT)
    assert same(folder, tmp_path)
    ours, theirs = (logged(history_of(each)) for each in (tmp_path, folder))
    assert ours == theirs and any("num_tokens" in entry for entry in ours)
    assert "resumed once" in (tmp_path / "training_report.md").read_text("utf-8")


def test_another_trainer_or_loss_is_another_run(trained, sets):
    name, folder = trained
    words, said = {
        "sft": (("--loss-type", "dft"), "holds a run with loss_type 'nll', and now it is 'dft'"),
        "dpo": (("--beta", "0.3"), "holds a run with beta 0.1, and now it is 0.3"),
    }[name]
    assert said in run("train", name, "--train-data", sets[name], "--output-dir", folder, *SHORT, *words, fails=True)
    other = "dpo" if name == "sft" else "sft"
    refused = run("train", other, "--train-data", sets[other], "--output-dir", folder, *SHORT, fails=True)
    assert f"holds a run with trainer '{name}', and now it is '{other}'" in refused


def test_dpo_without_adapters_compares_with_the_model_that_it_began_with(sets, tmp_path):
    words = ("train", "dpo", "--train-data", sets["dpo"], *SHORT, *WHOLE, "--learning-rate", "1e-3")
    words += ("--logging-steps", "1")
    run(*words, "--output-dir", tmp_path / "whole", "--eval-strategy", "no")
    (tmp_path / "again").mkdir()
    for name in ("checkpoint-2", "run.json"):
        os.rename(tmp_path / "whole" / name, tmp_path / "again" / name)
    run(*words, "--output-dir", tmp_path / "again", "--eval-strategy", "no")
    assert same(tmp_path / "whole", tmp_path / "again")
    state = json.loads((tmp_path / "whole" / "checkpoint-4" / "trainer_state.json").read_text())
    margins = [entry["rewards/margins"] for entry in state["log_history"] if "rewards/margins" in entry]
    assert margins[0] == pytest.approx(0, abs=1e-4) and margins[-1] > 0.05
    AutoModelForMultimodalLM.from_pretrained(tmp_path / "whole")


def test_pairs_that_no_one_can_learn_from_are_listed(tmp_path):
    pairs = [pair(number) for number in range(8)]
    pairs[1]["rejected"], pairs[3]["molecules"] = None, ["C(C)(C)(C)(C)C"]
    pairs[4]["chosen"] = {"role": "assistant", "content": "It is so."}
    words = ("train", "dpo", "--train-data", write(tmp_path / "pairs", train=pairs), *SHORT, "--max-steps", "1")
    said = run(*words, "--output-dir", tmp_path / "no", fails=True)
    assert "2 of 8 rows cannot be trained on" in said and "row 1, id '1'" in said and said.count("\n") < 9
    run(*words, "--output-dir", tmp_path / "yes", "--max-rejected", "2")
    listed = [json.loads(line) for line in (tmp_path / "yes" / "rejected_rows.jsonl").read_text("utf-8").splitlines()]
    assert [rejection["index"] for rejection in listed] == [1, 3]
    assert "field 'rejected'" in listed[0]["reason"] and "Cannot read molecule" in listed[1]["reason"]
    assert "left out as unreadable or too long: 2" in (tmp_path / "yes" / "training_report.md").read_text("utf-8")


def test_a_set_of_plain_rows_is_no_set_of_preferences(sets, tmp_path):
    said = run("train", "dpo", "--train-data", sets["sft"], "--output-dir", tmp_path / "run", *SHORT, fails=True)
    assert "has no rows to train on: column chosen, rejected is missing" in said


@pytest.mark.slow
def test_sft_trains_a_language_model_alone(tmp_path):
    export_language_model(mini_checkpoint(), tmp_path / "lm")
    rows = [row(number) for number in range(2, 60, 3)]  # those without items
    words = ("train", "sft", "--train-data", write(tmp_path / "rows", train=rows), *SHORT, "--lora", "null")
    words += ("--language-model-only", "--model", tmp_path / "lm", "--output-dir", tmp_path / "run")
    run(*words, "--eval-strategy", "no")
    assert (tmp_path / "run" / "model.safetensors").is_file()


@pytest.mark.slow
def test_four_bits_leave_what_trains_in_float32(sets, tmp_path):
    words = ("--train-data", sets["sft"], "--output-dir", tmp_path / "run", *SHORT, "--quantization", "nf4")
    run("train", "sft", *words, "--max-steps", "2", "--eval-strategy", "no")
    floats = {tensor.dtype for tensor in weights(tmp_path / "run").values() if tensor.is_floating_point()}
    assert floats == {torch.float32}


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["ddp", "fsdp"])
@pytest.mark.parametrize("name", ["sft", "dpo"])
def test_two_processes_reach_the_weights_of_one(sets, tmp_path, name, engine):
    words = [*SHORT, *WHOLE, "--lr-scheduler-type", "constant", "--eval-strategy", "no", "--batching", "random"]
    words += ["--global-batch-size", "8", "--per-device-train-batch-size", "4", "--train-data", str(sets[name])]
    run("train", name, *words, "--output-dir", tmp_path / "one")
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    program = {"ddp": ["-m", "biomedgpt_hf.cli", "train"], "fsdp": [str(FOLDER / "sharded_run.py")]}[engine]
    words += ["--fsdp", "--fsdp-config.version", "2"] if engine == "fsdp" else []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(FOLDER.parents[1] / "src"), *sys.path])}
    command = [sys.executable, *launcher, *program, name, *words, "--output-dir", str(tmp_path / "two")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert "after 4 steps" in done.stdout, done.stderr[-3000:]
    assert engine == "ddp" or "every parameter was divided" in done.stdout
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert max((one[key] - two[key]).abs().max().item() for key in one) < 2e-6
