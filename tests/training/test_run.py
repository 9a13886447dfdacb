"""Runs by recipe on the embedded checkpoint: what they leave, how they go on, and what they refuse."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import datasets
import pytest
import torch
from safetensors.torch import load_file
from trainings import FOLDER
from transformers import AutoModelForCausalLM, AutoModelForMultimodalLM, AutoProcessor
from typer.testing import CliRunner

from biomedgpt_hf import ask
from biomedgpt_hf.cli import app
from biomedgpt_hf.conversion import export_language_model
from biomedgpt_hf.mini import mini_checkpoint
from biomedgpt_hf.rows import schema
from biomedgpt_hf.rows.schema import question_row

NAMES = ("meth", "eth", "prop", "but", "pent", "hex", "hept", "oct", "non", "dec", "undec", "dodec")
QUIET = ("--report-to", "none", "--disable-tqdm", "--dataloader-num-workers", "0", "--eval-strategy", "no")
SHORT = (*QUIET, "--max-steps", "4", "--save-strategy", "steps", "--save-steps", "2", "--logging-steps", "1")


def write_set(folder: Path, splits: dict[str, list[dict]]) -> Path:
    (folder / "data").mkdir(parents=True)
    for split, rows in splits.items():
        made = datasets.Dataset.from_list(rows, features=schema.features())
        made.to_parquet(folder / "data" / f"{split}-00000-of-00001.parquet")
    return folder


def rows_of(kinds: str, count: int, bad: int = 0) -> list[dict]:
    """Rows about alkanes, peptides and texts in turn, as `kinds` says, and some that no one can read."""
    rows = []
    for number in range(count):
        kind, name = kinds[number % len(kinds)], NAMES[number % len(NAMES)]
        items = {"m": {"molecules": ["C" * (number % 12 + 1)]}, "p": {"proteins": ["MKTAYIAK"[: number % 5 + 3]]}}
        about = {"task": "name", "source": "us", "id": f"{kind}{number}", "license": "CC0-1.0"}
        rows.append(question_row(f"What is it, {number % 3}?", f"It is {name}ane.", **about, **items.get(kind, {})))
    for number in range(bad):
        about = {"task": "name", "source": "us", "id": f"bad{number}", "license": "CC0-1.0"}
        rows.append(question_row("What is it?", "Nothing.", **about, molecules=["C(C)(C)(C)(C)C"]))
    return rows


@pytest.fixture(scope="module")
def mixed(tmp_path_factory) -> str:
    splits = {"train": rows_of("mpt", 36), "validation": rows_of("mp", 6)}
    return str(write_set(tmp_path_factory.mktemp("sets") / "mixed", splits))


def run(*words: str, fails: bool = False) -> str:
    """What `biomedgpt` prints, on either stream."""
    result = CliRunner().invoke(app, list(words))
    assert (result.exit_code != 0) == fails, f"{result.output}\n{result.exception!r}"
    return result.output


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return {name: tensor for file in folder.glob("*model.safetensors") for name, tensor in load_file(file).items()}


def same(one: Path, other: Path) -> bool:
    ours, theirs = weights(one), weights(other)
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.fixture(scope="module")
def trained(mixed, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "mini"
    words = [word for word in SHORT if word not in ("--eval-strategy", "no")]
    said = run("train", "mini", "--train-data", mixed, "--output-dir", str(folder), *words, "--eval-strategy", "steps",
               "--eval-steps", "2", "--hub-token", "hf_secret")  # fmt: skip
    assert f"Wrote {folder} after 4 steps (loss " in said and ", eval_loss " in said
    return folder


def test_a_run_leaves_a_checkpoint_that_loads_and_answers(trained):
    model = AutoModelForMultimodalLM.from_pretrained(trained)
    AutoProcessor.from_pretrained(trained).check_model(model.config)
    assert ask("What is it, 1?", molecules=["CCO"], checkpoint=trained).text
    assert not same(trained, Path(mini_checkpoint()))


def test_it_tells_what_was_done_in_card_and_report(trained, mixed):
    card, report = (trained / "README.md").read_text("utf-8"), (trained / "training_report.md").read_text("utf-8")
    assert (trained / "loss_curve.png").stat().st_size > 5_000
    for told in ("4 (1.33 epochs)", "molecule_encoder", "language_model", "learning_rate 0.0005", "train 36"):
        assert told in card, told
    for told in ("loss_protein", "loss_molecule", "loss_text", "eval_loss_protein", "tokens/s", "| mixed |"):
        assert told in report, told
    assert str(Path(mixed).parent) not in card + report
    assert not list(trained.rglob("training_args.bin"))


def test_no_token_is_written_down(trained):
    files = [path for path in trained.rglob("*") if path.is_file()]
    assert len(files) > 20 and not any(b"hf_secret" in path.read_bytes() for path in files)


def test_losses_by_kind_throughput_and_memory_are_in_the_log(trained):
    log = json.loads((trained / "checkpoint-4" / "trainer_state.json").read_text())["log_history"]
    kinds = {"loss_molecule", "loss_protein", "loss_text"}
    steps = [entry for entry in log if "loss" in entry]
    assert len(steps) == 4 and all(entry["tokens_per_second"] > entry["label_tokens_per_second"] for entry in steps)
    assert set().union(*steps) >= kinds and all(0 < entry["memory_gib"] < 24 for entry in steps)
    for entry in (entry for entry in log if "eval_loss" in entry):
        assert min(entry["eval_loss_molecule"], entry["eval_loss_protein"]) <= entry["eval_loss"]


def test_the_same_command_again_changes_nothing(trained, mixed):
    before = weights(trained)
    words = [word for word in SHORT if word not in ("--eval-strategy", "no")]
    said = run("train", "mini", "--train-data", mixed, "--output-dir", str(trained), *words, "--eval-strategy", "steps",
               "--eval-steps", "2")  # fmt: skip
    assert f"Wrote {trained} after 4 steps" in said
    assert all(torch.equal(tensor, before[name]) for name, tensor in weights(trained).items())


def test_a_runs_folder_shows_results_and_its_card_is_its_own(trained):
    assert not list(trained.glob("*.py")) and (trained / "code" / "modeling_biomedgpt.py").is_file()
    card = (trained / "README.md").read_text("utf-8")
    assert "\n# mini\n" in card and '{"type": "text", "text": "What is it, 0?"}' in card
    assert "Please describe this molecule" not in card and "licences of its rows" not in card  # it has no manifest


def test_mini_ends_with_the_weights_of_its_best_evaluation_and_so_does_the_same_command_again(mixed, tmp_path):
    folder = tmp_path / "best"
    words = (
        "train",
        "mini",
        "--train-data",
        mixed,
        "--output-dir",
        str(folder),
        *QUIET[:-2],
        "--learning-rate",
        "1e-2",
    )
    words = (*words, "--num-train-epochs", "3", "--warmup-steps", "0", "--lr-scheduler-type", "constant")
    said = run(*words)
    log = json.loads(max(folder.glob("checkpoint-*/trainer_state.json"), key=lambda file: int(file.parent.name[11:]))
                     .read_text())["log_history"]  # fmt: skip
    losses = {entry["step"]: entry["eval_loss"] for entry in log if "eval_loss" in entry}
    best = min(losses, key=losses.get)
    assert len(losses) == 3 and same(folder, folder / f"checkpoint-{best}")
    assert f"with the weights of step {best}, the best evaluation" in said
    assert f"weights: those of step {best}, the best evaluation" in (folder / "README.md").read_text("utf-8")
    before = weights(folder)
    assert "the best evaluation" in run(*words)
    assert all(torch.equal(tensor, before[name]) for name, tensor in weights(folder).items())


def test_without_rows_to_evaluate_on_mini_keeps_its_last_weights(tmp_path):
    rows = str(write_set(tmp_path / "rows", {"train": rows_of("m", 8)}))
    folder = tmp_path / "run"
    said = run(
        "train", "mini", "--train-data", rows, "--output-dir", str(folder), *QUIET[:-2], "--num-train-epochs", "2"
    )
    assert "best evaluation" not in said and same(folder, folder / "checkpoint-2")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--seed", "3"), "holds a run with seed 42, and now it is 3"),
        (("--trainable", "molecule_projector"), "holds a run with trainable ['molecule_encoder', "),
        (("--learning-rate", "1e-3"), "holds a run with learning_rate 0.0005, and now it is 0.001"),
        (("--weight-decay", "0.1"), "holds a run with weight_decay 0.0, and now it is 0.1"),
        (("--packing",), "holds a run with packing False, and now it is True"),
    ],
)
def test_a_folder_of_another_run_is_refused(trained, mixed, words, message):
    said = run("train", "mini", "--train-data", mixed, "--output-dir", str(trained), *SHORT, *words, fails=True)
    assert message in said and "choose another output_dir" in said and said.count("\n") == 1


def test_a_run_goes_on_saving_as_often_as_it_is_told_now(trained, mixed, tmp_path):
    for name in ("checkpoint-2", "run.json"):
        source = trained / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    run("train", "mini", "--train-data", mixed, "--output-dir", str(tmp_path), *SHORT, "--save-steps", "1")
    assert (tmp_path / "checkpoint-3" / "complete.json").exists()


def test_rows_that_no_one_can_read_are_listed_and_counted(tmp_path):
    sets = str(write_set(tmp_path / "set", {"train": rows_of("m", 30, bad=2)}))
    words = ("train", "mini", "--train-data", sets, *SHORT, "--max-steps", "1")
    said = run(*words, "--output-dir", str(tmp_path / "no"), fails=True)
    assert "2 of 32 rows cannot be trained on, more than max_rejected='1%' allows: row 30, id 'bad0'" in said
    assert len((tmp_path / "no" / "rejected_rows.jsonl").read_text().splitlines()) == 2
    run(*words, "--output-dir", str(tmp_path / "yes"), "--max-rejected", "2")
    report = (tmp_path / "yes" / "training_report.md").read_text("utf-8")
    assert "train 30 (left out as unreadable or too long: 2)" in report


def first_loss(folder: Path) -> float:
    log = json.loads((folder / "checkpoint-2" / "trainer_state.json").read_text())["log_history"]
    return next(entry["loss"] for entry in log if "loss" in entry)


@pytest.fixture(scope="module")
def without_dropout(tmp_path_factory) -> str:
    """The embedded checkpoint, without the chance that its molecule encoder trains with."""
    folder = tmp_path_factory.mktemp("checkpoint")
    model = AutoModelForMultimodalLM.from_pretrained(mini_checkpoint())
    model.config.molecule_config.hidden_dropout_prob = 0.0
    model.save_pretrained(folder)
    AutoProcessor.from_pretrained(mini_checkpoint()).save_pretrained(folder)
    return str(folder)


def test_packed_rows_and_rows_that_share_a_prefix_train_as_others_do(mixed, without_dropout, tmp_path):
    words = ("train", "mini", "--model", without_dropout, "--train-data", mixed, *SHORT, "--max-steps", "2")
    words += ("--per-device-train-batch-size", "40")
    for name, more in {"plain": (), "packed": ("--packing",), "shared": ("--share-prefix",)}.items():
        run(*words, "--output-dir", str(tmp_path / name), *more)
    assert first_loss(tmp_path / "packed") == pytest.approx(first_loss(tmp_path / "plain"), abs=1e-5)
    assert first_loss(tmp_path / "shared") == pytest.approx(first_loss(tmp_path / "plain"), abs=1e-5)
    assert not same(tmp_path / "packed", Path(mini_checkpoint()))


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["lora_align", "lora_chebi20", "qlora_24gb", "align", "chebi20"])
def test_every_recipe_for_the_whole_model_trains_and_goes_on_bit_by_bit(mixed, tmp_path, recipe):
    words = ("train", recipe, "--model", "mini", "--train-data", mixed, *SHORT, "--global-batch-size", "16")
    words += ("--per-device-train-batch-size", "4")
    run(*words, "--output-dir", str(tmp_path / "whole"))
    (tmp_path / "again").mkdir()
    for name in ("checkpoint-2", "run.json"):
        os.rename(tmp_path / "whole" / name, tmp_path / "again" / name)
    run(*words, "--output-dir", str(tmp_path / "again"))
    assert same(tmp_path / "whole", tmp_path / "again")
    assert "resumed once" in (tmp_path / "again" / "training_report.md").read_text("utf-8")
    answer = ask("What is it, 1?", molecules=["CCO"], checkpoint=tmp_path / "whole").text
    assert answer == ask("What is it, 1?", molecules=["CCO"], checkpoint=tmp_path / "again").text


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["biomedical_qa", "lora_biomedical_qa"])
def test_a_language_model_trains_alone_and_is_put_back(tmp_path, recipe):
    sets = str(write_set(tmp_path / "set", {"train": rows_of("t", 24)}))
    export_language_model(mini_checkpoint(), tmp_path / "lm")
    words = ("--model", str(tmp_path / "lm"), "--train-data", sets, "--output-dir", str(tmp_path / "qa"), *SHORT)
    run("train", recipe, *words, "--global-batch-size", "8", "--per-device-train-batch-size", "4")
    if recipe == "biomedical_qa":
        run("init", "--checkpoint", str(mini_checkpoint()), "--language-model", str(tmp_path / "qa"), "--output",
            str(tmp_path / "back"))  # fmt: skip
        alone = AutoModelForCausalLM.from_pretrained(tmp_path / "qa")
        whole = AutoModelForMultimodalLM.from_pretrained(tmp_path / "back")
        ids = torch.arange(3, 40)[None]
        torch.testing.assert_close(whole(input_ids=ids).logits[..., :-2], alone(input_ids=ids).logits)
        assert ask("What is it, 1?", checkpoint=tmp_path / "back").text


@pytest.mark.slow
@pytest.mark.fault
def test_torchrun_of_the_command_line_stops_at_a_signal_and_goes_on_to_the_same_weights(mixed, tmp_path):
    def begin(folder: str) -> subprocess.Popen:
        launcher = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--rdzv-backend", "c10d"]
        launcher += ["--rdzv-endpoint", "127.0.0.1:0", "-m", "biomedgpt_hf.cli", "train", "mini", "--train-data", mixed]
        words = [*SHORT, "--max-steps", "12", "--per-device-train-batch-size", "4", "--output-dir", folder]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(FOLDER.parents[1] / "src"), *sys.path])}
        return subprocess.Popen(
            [sys.executable, *launcher, *words], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, start_new_session=True,
        )  # fmt: skip

    whole = begin(str(tmp_path / "whole"))
    assert "after 12 steps" in whole.communicate(timeout=200)[0]
    stopped = begin(str(tmp_path / "again"))
    end = time.monotonic() + 150
    while not (tmp_path / "again" / "checkpoint-2" / "complete.json").exists() and time.monotonic() < end:
        time.sleep(0.05)
    os.kill(stopped.pid, signal.SIGTERM)
    said = stopped.communicate(timeout=150)[0]
    assert "Stopped by SIGTERM after step" in said, said[-3000:]
    assert not (tmp_path / "again" / "model.safetensors").exists()
    assert "after 12 steps" in begin(str(tmp_path / "again")).communicate(timeout=200)[0]
    assert same(tmp_path / "whole", tmp_path / "again")


def test_a_set_that_is_not_there_is_told_before_the_model_is_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr("biomedgpt_hf.training.run.load_for_training", lambda *_: pytest.fail("A model was loaded."))
    for name, told in ((str(tmp_path / "nowhere"), "There is no folder"), (str(tmp_path), "is no data set")):
        words = ("train", "mini", "--train-data", name, "--output-dir", str(tmp_path / "run"), *SHORT)
        assert told in run(*words, fails=True)
