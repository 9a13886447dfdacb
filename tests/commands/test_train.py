"""`biomedgpt train` and `biomedgpt recipes`: words reach the recipe, and mistakes are told in one line."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass

import pytest
from typer.testing import CliRunner

from biomedgpt_hf import mini_checkpoint
from biomedgpt_hf.cli import app
from biomedgpt_hf.conversion import export_language_model
from biomedgpt_hf.training import run as training_run
from biomedgpt_hf.training.recipe.files import FOLDER, recipe_names


@pytest.fixture
def run(monkeypatch):
    for name in ("WORLD_SIZE", "RANK"):
        monkeypatch.delenv(name, raising=False)
    return lambda *words: CliRunner().invoke(app, [*map(str, words)])


@dataclass
class Result:
    stopped_by: int = 0

    def summary(self):
        return "Wrote runs/it after 3 steps."


@pytest.fixture
def trained(monkeypatch):
    """The recipes that a run was started with, which ends at once."""
    recipes = []

    def train(recipe):
        recipes.append(recipe)
        return Result()

    monkeypatch.setattr(training_run, "train", train)
    return recipes


def test_words_behind_the_recipe_reach_it_in_their_order(run, trained):
    words = ["--train-data", "a", "b", "--learning-rate=1e-4", "--lora.r", "4", "--max-steps", "-1", "--debug", "x"]
    result = run("train", "lora_chebi20", *words, "--logging-first-step")
    assert result.exit_code == 0, result.output
    assert result.stdout == "Wrote runs/it after 3 steps.\n"
    (recipe,) = trained
    assert (recipe.name, recipe.settings.train_data, recipe.settings.lora["r"]) == ("lora_chebi20", ["a", "b"], 4)
    assert {"learning_rate": 1e-4, "max_steps": -1, "debug": "x", "logging_first_step": True}.items() <= (
        recipe.arguments.items()
    )


def test_only_the_first_process_tells(run, trained, monkeypatch):
    run("train", "mini")
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert run("train", "mini").stdout == ""
    assert run("train", "mini", "--plan").stdout == ""
    assert len(trained) == 2


def test_a_run_that_was_stopped_is_no_success(run, monkeypatch):
    monkeypatch.setattr(training_run, "train", lambda recipe: Result(stopped_by=15))
    assert run("train", "mini").exit_code == 143


def test_help_lists_every_recipe_and_loads_no_torch():
    script = (
        "import sys; sys.argv = ['biomedgpt', 'train', '--help']\n"
        "from biomedgpt_command import main\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n"
        "    print(end.code, [m for m in ('torch', 'transformers', 'trl') if m in sys.modules])\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert result.stdout.endswith("0 []\n"), result.stdout + result.stderr
    assert all(name in result.stdout for name in recipe_names())
    assert "torchrun --nproc-per-node 8 -m biomedgpt_hf.cli train" in result.stdout


def test_the_plan_is_printed_and_nothing_trains(run, trained):
    result = run("train", "mini", "--plan", "--memory-budget-gib", "8", "--processes", "2")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("mini on 2 processes: memory of one device. Arithmetic")
    assert "fits the 8 GiB" in result.stdout and not trained
    assert run("train", "mini", "--plan", "--memory-budget-gib", "0.01").exit_code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "aling"], "did you mean 'align'"),
        (["train", "mini", "--learning-rat", "1"], "did you mean 'learning_rate'"),
        (["train", "--max-steps", "3", "mini"], "give its name first"),
        (["train", "align", "--plan"], "biomedgpt train align --model C"),
        (["train", "align", "--plan", "--model", "./none"], "no checkpoint folder './none'"),
        (
            ["train", "mini", "--trainer", "grpo"],
            "trainer is 'grpo', which is not supported yet: choose from supervised",
        ),
        (["recipes", "--output", "mine.yaml"], "needs --copy NAME"),
        (["recipes", "--copy", "none"], "There is no recipe 'none': choose align"),
    ],
)
def test_a_mistake_is_told_in_one_line(run, words, said):
    result = run(*words)
    assert result.exit_code == 1 and result.stdout == ""
    assert said in result.stderr and result.stderr.count("\n") == 1


def test_recipes_are_listed_with_what_they_do(run):
    lines = run("recipes").stdout.splitlines()
    names = [line.split()[0] for line in lines]
    assert names[: len(recipe_names())] == recipe_names()
    assert "accelerate/fsdp2_multi_node" in names
    assert all(len(line.split()) > 5 and line.endswith(".") for line in lines)


def test_a_recipe_is_copied_here_and_overwrites_nothing(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("recipes", "--copy", "accelerate/ddp").stdout == "Wrote ddp.yaml\n"
    assert (tmp_path / "ddp.yaml").read_bytes() == (FOLDER / "accelerate" / "ddp.yaml").read_bytes()
    again = run("recipes", "--copy", "accelerate/ddp")
    assert again.exit_code == 1 and "ddp.yaml exists" in again.stderr
    assert run("recipes", "--copy", "mini", "--output", "mine.yaml").exit_code == 0
    assert run("train", "mine.yaml", "--plan").stdout.startswith("mine on 1 process")


def test_init_needs_either_the_encoders_or_a_checkpoint(run, tmp_path):
    output = ("--language-model", "lm", "--output", tmp_path / "new")
    result = run("init", *output)
    assert (
        result.exit_code == 1
        and "needs --protein-encoder and --molecule-encoder; or give --checkpoint" in result.stderr
    )
    result = run("init", *output, "--checkpoint", "c", "--molecule-encoder", "random")
    assert result.exit_code == 1 and "--molecule-encoder is the checkpoint's own" in result.stderr


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Two small sets, one of pairs, and the demonstration's language model alone."""
    folder = tmp_path_factory.mktemp("sets")
    molecules = "".join(f"{'C' * (1 + n % 9)}O,alcohol number {n}\n" for n in range(40))
    (folder / "molecules.csv").write_text(f"smiles,name\n{molecules}")
    (folder / "questions.csv").write_text("q,a\n" + "".join(f"Is {n} even?,yes {n}\n" for n in range(40)))
    table = ["data", "table", "--answer-column"]
    words = ["name", "--molecule-column", "smiles", "--question", "What is it?", "--output", folder / "molecules"]
    assert CliRunner().invoke(app, [*table, *map(str, words), str(folder / "molecules.csv")]).exit_code == 0
    words = ["a", "--question-column", "q", "--split-by", "row", "--output", folder / "questions"]
    assert CliRunner().invoke(app, [*table, *map(str, words), str(folder / "questions.csv")]).exit_code == 0
    question = {"role": "user", "content": [{"type": "molecule"}, {"type": "text", "text": "What is it?"}]}
    pair = {"messages": [question], "molecules": ["CCO"], "chosen": "alcohol number 1", "rejected": "a metal"}
    (folder / "pairs").mkdir()
    (folder / "pairs" / "train.jsonl").write_text(f"{json.dumps(pair)}\n" * 20)
    export_language_model(mini_checkpoint(), folder / "language-model")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_trains_the_demonstration_on_one_cpu(run, sets, tmp_path, name):
    alone = "biomedical_qa" in name
    model, rows = (sets / "language-model", sets / "questions") if alone else ("mini", sets / "molecules")
    rows = sets / "pairs" if name == "dpo" else rows
    output = tmp_path / "run"
    batch = [] if name == "mini" else ["--global-batch-size", "4", "--per-device-train-batch-size", "2"]
    words = ["--model", model, "--train-data", rows, "--output-dir", output, "--dataloader-num-workers", "0"]
    result = run("train", name, *words, *batch, "--max-steps", "2", "--report-to", "none")
    assert result.exit_code == 0, result.output
    assert f"Wrote {output} after 2 steps" in result.stdout
    adapters = "lora" in name or name in ("sft", "dpo")
    weights = "adapter_model.safetensors" if adapters else "model.safetensors"
    assert (output / weights).is_file() and (output / "training_report.md").is_file()
    if name == "biomedical_qa":
        back = ["--checkpoint", mini_checkpoint(), "--language-model", output, "--output", tmp_path / "back"]
        assert run("init", *back).exit_code == 0


@pytest.mark.slow
def test_two_processes_are_started_by_torchrun_and_one_tells(tmp_path):
    """The command itself under torchrun, as far as its plan."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    words = ["biomedgpt_hf.cli", "train", "mini", "--plan"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    result = subprocess.run([*torchrun, *words], capture_output=True, text=True, timeout=120, env=environment)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("mini on 2 processes") == 1
