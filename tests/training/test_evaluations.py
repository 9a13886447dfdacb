"""Evaluation inside a run: after training, and the best checkpoint by a score of answers."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from safetensors.torch import load_file
from trainings import FOLDER
from transformers import TrainingArguments
from typer.testing import CliRunner

from biomedgpt_hf.cli import app
from biomedgpt_hf.evaluation.evaluate import EvaluationOptions
from biomedgpt_hf.rows.schema import question_row
from biomedgpt_hf.sets.biomedical_qa.multiple_choice import MultipleChoiceQuestion, answer, prompt
from biomedgpt_hf.training import evaluations
from biomedgpt_hf.training import run as training_run

from ..built_set import write_set

pytest.importorskip("nltk")
pytest.importorskip("rouge_score")
pytest.importorskip("matplotlib")

NAMES = ("meth", "eth", "prop", "but", "pent", "hex", "hept", "oct")
ABOUT = {"source": "s", "license": "CC0-1.0"}


def captions(split, count):
    return [
        question_row("What is it?", f"The molecule is {NAMES[n % 8]}ane.", molecules=["C" * (n % 8 + 1)],
                     id=f"{split}{n}", task="molecule_caption", **ABOUT)
        for n in range(count)
    ]  # fmt: skip


def names(split, count):
    return [
        question_row("What are its names?", f"{NAMES[n]}in.", proteins=["MKTAYIAKQRQISF"[: 6 + n]], id=f"{split}{n}",
                     task="protein_names", **ABOUT)
        for n in range(count)
    ]  # fmt: skip


def choices(split, count):
    questions = [
        MultipleChoiceQuestion("MedMCQA", f"{split}{n}", f"What is {n}?", ("one", "two", "three", "four"), n % 4)
        for n in range(count)
    ]
    about = {"source": "MedMCQA", "license": "MIT", "task": "medmcqa"}
    return [question_row(prompt(one), answer(one), id=one.id, **about) for one in questions]


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets")
    write_set(folder / "alkanes", {"train": captions("a", 8), "validation": captions("v", 4), "test": captions("t", 3)})
    write_set(folder / "proteins", {"train": names("a", 4), "test": names("t", 3)})
    write_set(folder / "choices", {"train": choices("a", 8), "validation": choices("v", 4), "test": choices("t", 4)})
    return folder


@pytest.fixture(scope="module")
def words(vocabulary):
    """What evaluations of tests are told, so that they need no WordNet and little time."""
    told = [f"--evaluate.{key}" for key in (f"tokenizer={vocabulary}", "wordnet=false", "max-new-tokens=8")]
    told += ["--evaluate.resamples=100", "--evaluate.controls=false"]
    told += [f"--eval-answers.{key}" for key in (f"tokenizer={vocabulary}", "wordnet=false", "max-new-tokens=12")]
    return [*told, "--report-to", "none", "--disable-tqdm", "--per-device-train-batch-size", "4"]


QUICK = ["--max-steps", "2", "--eval-strategy", "no", "--load-best-model-at-end", "false", "--save-strategy", "steps",
         "--save-steps", "2", "--eval-answers", "null"]  # fmt: skip


def train(*told, fails=False, recipe="mini"):
    result = CliRunner().invoke(app, ["train", recipe, *map(str, told)])
    assert (result.exit_code != 0) == fails, f"{result.output}\n{result.exception!r}"
    return result.output


def must_not_train(*_, **__):
    raise AssertionError("it trains again")


def log_of(folder):
    newest = max(folder.glob("checkpoint-*"), key=lambda path: int(path.name[11:]))
    return json.loads((newest / "trainer_state.json").read_text())["log_history"]


@pytest.fixture(scope="module")
def evaluated(sets, words, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    command = ["--train-data", sets / "alkanes", "--output-dir", folder, *words, *QUICK]
    command += ["--evaluate", sets / "alkanes", sets / "proteins", sets / "choices"]
    return folder, command, train(*command)


def test_a_run_scores_its_model_and_tells_it_everywhere(evaluated):
    folder, _, said = evaluated
    assert "Scored on alkanes (test, 3 rows): bleu2 " in said and "Scored on choices (test, 4 rows): accuracy" in said
    for name in ("alkanes", "proteins", "choices"):
        assert (folder / "evaluation" / name / "report.md").is_file()
    report, card = ((folder / name).read_text("utf-8") for name in ("training_report.md", "README.md"))
    assert all("### `proteins`, split test" in text and "best constant answer" in text for text in (report, card))
    found = ModelCard.load(folder / "README.md").data.eval_results
    assert {one.dataset_type for one in found} == {"alkanes", "proteins", "choices"}
    assert {one.task_type for one in found} == {"text-generation", "multiple-choice"}
    assert str(folder) not in card


def test_the_same_command_does_not_train_again(evaluated, monkeypatch):
    folder, command, _ = evaluated
    (folder / "evaluation" / "choices" / "metrics.json").unlink()  # as if it had been killed before it scored
    monkeypatch.setattr(training_run, "load_for_training", must_not_train)
    said = train(*command)
    assert "after 2 steps" in said and "Scored on choices" in said
    assert not list((folder / "evaluation").glob("*.earlier-*"))


def test_what_was_pushed_before_gets_its_scores_in_a_commit_of_their_own(evaluated, sets, vocabulary, monkeypatch):
    folder, _, _ = evaluated
    sent = []
    monkeypatch.setattr(evaluations, "upload", lambda *request, **options: sent.append((request[1:], options)))
    options = EvaluationOptions(tokenizer=str(vocabulary), wordnet=False, max_new_tokens=8, resamples=100)
    arguments = TrainingArguments(str(folder), use_cpu=True, hub_revision="scored")
    evaluations.evaluate_run(folder, {"choices": str(sets / "choices")}, options, arguments, "me/model")
    files = ["README.md", "config.json", "training_report.md"]
    assert sent == [(("me/model", folder, files, "scored"), {"commit_message": "Scores"})]


def test_what_was_asked_otherwise_is_put_aside(evaluated, monkeypatch):
    folder, command, _ = evaluated
    monkeypatch.setattr(training_run, "load_for_training", must_not_train)
    said = train(*command[: command.index("--evaluate")], "--evaluate", command[-1], "--evaluate.limit", "2")
    assert "Scored on choices (test, 2 rows)" in said
    assert (folder / "evaluation" / "choices.earlier-1" / "predictions.jsonl").is_file()


def test_an_evaluation_that_fails_is_one_line_and_goes_on_later(sets, words, tmp_path, monkeypatch):
    def broken(*_, **__):
        raise OSError("the disk is gone.")

    command = [
        "--train-data",
        sets / "alkanes",
        "--output-dir",
        tmp_path,
        *words,
        *QUICK,
        "--evaluate",
        sets / "choices",
    ]
    with monkeypatch.context() as patched:
        patched.setattr(evaluations, "evaluate", broken)
        said = train(*command, fails=True).splitlines()[-1]
    assert "The trained model is in" in said and "the disk is gone. Give the same command again" in said
    before = load_file(tmp_path / "model.safetensors")
    monkeypatch.setattr(training_run, "load_for_training", must_not_train)
    assert "Scored on choices" in train(*command)
    assert all((tensor == before[name]).all() for name, tensor in load_file(tmp_path / "model.safetensors").items())


def test_training_that_goes_on_is_scored_anew(sets, words, tmp_path):
    command = [
        "--train-data",
        sets / "alkanes",
        "--output-dir",
        tmp_path,
        *words,
        *QUICK,
        "--evaluate",
        sets / "choices",
    ]
    train(*command)
    first = (tmp_path / "evaluation" / "choices" / "predictions.jsonl").read_text()
    said = train(*command, "--max-steps", "4", "--learning-rate", "5e-4")
    assert "after 4 steps" in said
    assert (tmp_path / "evaluation" / "choices.earlier-1" / "predictions.jsonl").read_text() == first
    assert (tmp_path / "evaluation" / "choices" / "predictions.jsonl").read_text() != first
    assert "### `choices`" in (tmp_path / "README.md").read_text("utf-8")


BY_ROUGE = ["--metric-for-best-model", "rougeL", "--eval-answers.limit", "3", "--num-train-epochs", "3"]


def test_the_best_checkpoint_is_the_one_of_the_highest_score(sets, words, tmp_path):
    said = train("--train-data", sets / "alkanes", "--output-dir", tmp_path, *words, *BY_ROUGE, "--evaluate", "null",
                 "--learning-rate", "1e-2", "--lr-scheduler-type", "constant")  # fmt: skip
    scores = {entry["step"]: entry["eval_rougeL"] for entry in log_of(tmp_path) if "eval_rougeL" in entry}
    best = max(scores, key=lambda step: (scores[step], -step))
    assert len(scores) == 3
    assert f"with the weights of step {best}, the best evaluation (rougeL {scores[best]:.4f})" in said
    kept, checkpoint = (
        load_file(folder / "model.safetensors") for folder in (tmp_path, tmp_path / f"checkpoint-{best}")
    )
    assert all((tensor == checkpoint[name]).all() for name, tensor in kept.items())
    assert "eval_rougeL" in (tmp_path / "training_report.md").read_text("utf-8")


def test_a_run_stops_early_and_the_same_command_leaves_it_so(sets, words, tmp_path, monkeypatch):
    command = ["--train-data", sets / "alkanes", "--output-dir", tmp_path, *words, *BY_ROUGE, "--learning-rate", "0"]
    command += ["--evaluate", "null", "--num-train-epochs", "9"]
    said = train(*command, "--early-stopping-patience", "2")
    assert "stopped early, of 18 steps: 2 evaluations in a row were no better by rougeL" in said
    assert "after 6 steps" in said and "with the weights of step 2, the best evaluation (rougeL" in said
    with monkeypatch.context() as patched:
        patched.setattr(training_run, "load_for_training", must_not_train)
        again = train(*command, "--early-stopping-patience", "2")
    assert again.strip() in said and again.startswith("Wrote ")
    (tmp_path / "killed").mkdir()
    shutil.copytree(tmp_path / "checkpoint-2", tmp_path / "killed" / "checkpoint-2")
    asked = json.loads((tmp_path / "run.json").read_text())["asked"]
    (tmp_path / "killed" / "run.json").write_text(json.dumps({"asked": {**asked, "output_dir": "moved"}}))
    on = train(*command, "--early-stopping-patience", "2", "--output-dir", tmp_path / "killed")
    assert "after 6 steps" in on and "with the weights of step 2, the best evaluation (rougeL" in on
    more = train(*command, "--early-stopping-patience", "2", "--logging-steps", "7")  # not the same run to the letter
    assert "after 6 steps" in more and len(list(tmp_path.glob("checkpoint-*"))) == 2
    assert "after 8 steps" in train(*command, "--early-stopping-patience", "3")


def test_without_rows_to_evaluate_on_the_last_weights_stay_and_a_line_says_so(sets, words, tmp_path, caplog):
    said = train("--train-data", sets / "proteins", "--output-dir", tmp_path, *words, *BY_ROUGE, "--evaluate", "null",
                 "--early-stopping-patience", "1", "--num-train-epochs", "1")  # fmt: skip
    assert "training goes without evaluation, to its last weights" in caplog.text and "best evaluation" not in said


def test_a_score_that_no_row_can_have_is_told_before_weights_are_loaded(sets, words, tmp_path, monkeypatch):
    monkeypatch.setattr(training_run, "load_for_training", must_not_train)
    said = train("--train-data", sets / "alkanes", "--output-dir", tmp_path, *words, "--evaluate", "null",
                 "--metric-for-best-model", "name_f1", fails=True)  # fmt: skip
    assert "metric_for_best_model is 'name_f1', but none of the 4 evaluated rows" in said


@pytest.mark.slow
def test_adapters_choose_by_accuracy_and_their_card_tells_their_scores(sets, words, tmp_path):
    said = train("--model", "mini", "--train-data", sets / "choices", "--output-dir", tmp_path, *words, "--use-cpu",
                 "--max-steps", "2", "--eval-strategy", "steps", "--eval-steps", "1", "--save-strategy", "steps",
                 "--save-steps", "1", "--load-best-model-at-end", "--metric-for-best-model", "accuracy",
                 "--global-batch-size", "4", "--dataloader-num-workers", "0",
                 "--evaluate", sets / "alkanes", recipe="lora_align")  # fmt: skip
    assert "the best evaluation (accuracy" in said and "Scored on alkanes" in said
    assert (tmp_path / "adapter_model.safetensors").is_file() and not (tmp_path / "config.json").exists()
    assert "### `alkanes`, split test" in (tmp_path / "README.md").read_text("utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["ddp", "fsdp"])
def test_two_processes_evaluate_as_one_does(sets, words, tmp_path, engine):
    command = ["--train-data", sets / "alkanes", *words, *BY_ROUGE, "--learning-rate", "0", "--num-train-epochs", "2",
               "--evaluate", sets / "alkanes", sets / "choices", "--per-device-eval-batch-size", "1"]  # fmt: skip
    train(*command, "--output-dir", tmp_path / "one")
    command = [*command, "--per-device-train-batch-size", "2", "--output-dir", tmp_path / "two"]
    program = ["-m", "biomedgpt_hf.cli", "train"]
    if engine == "fsdp":
        program = [str(FOLDER / "sharded_run.py")]
        command += ["--fsdp", "--fsdp-config.version", "2", "--fsdp-config.cpu-ram-efficient-loading", "false"]
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--rdzv-backend", "c10d"]
    launcher += ["--rdzv-endpoint", "127.0.0.1:0"]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(FOLDER.parents[1] / "src"), str(FOLDER), *sys.path]),
    }
    done = subprocess.run(
        [sys.executable, *launcher, *program, "mini", *map(str, command)], env=environment, capture_output=True,
        text=True, timeout=400,
    )  # fmt: skip
    assert "after 4 steps" in done.stdout and "Scored on choices" in done.stdout, (
        done.stdout[-500:] + done.stderr[-3000:]
    )
    assert engine == "ddp" or "every parameter was divided" in done.stdout
    logged = [
        [entry["eval_rougeL"] for entry in log_of(tmp_path / name) if "eval_rougeL" in entry] for name in ("one", "two")
    ]
    assert logged[0] == pytest.approx(logged[1], abs=1e-12) and len(logged[0]) == 2
    for name in ("alkanes", "choices"):
        one, two = (
            json.loads(Path(tmp_path, run, "evaluation", name, "metrics.json").read_text())["runs"][0]["scores"]
            for run in ("one", "two")
        )
        assert one == two
