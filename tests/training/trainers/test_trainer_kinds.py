"""Trainers that a recipe can name: which there are, which are refused, and when TRL is loaded."""

import dataclasses
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from transformers import Trainer, TrainingArguments
from trl import DPOTrainer

from biomedgpt_hf.training.recipe.keys import our_keys
from biomedgpt_hf.training.recipe.recipe import read_recipe
from biomedgpt_hf.training.trainers import trainer_kinds
from biomedgpt_hf.training.trainers.dpo import Divergence, Loss
from biomedgpt_hf.training.trainers.trainer_kinds import NOT_YET, TRAINERS, check_trainer_name, find_trainer

SOURCE = Path(trainer_kinds.__file__).resolve().parents[3]


@pytest.mark.parametrize("name", TRAINERS)
def test_every_trainer_has_a_file_of_its_own_name(name):
    kind = find_trainer(name)
    assert kind.name == name and issubclass(kind.trainer_class, Trainer)
    assert inspect.getsourcefile(kind.trainer_class) == str(Path(trainer_kinds.__file__).with_name(f"{name}.py"))
    assert issubclass(kind.arguments_class, TrainingArguments)


@pytest.mark.parametrize("name", TRAINERS)
def test_keys_that_are_refused_or_have_a_default_are_keys(name):
    kind = find_trainer(name)
    keys = {field.name for field in dataclasses.fields(kind.arguments_class)} | set(our_keys())
    assert {*kind.refused, *kind.defaults, *kind.types} <= keys
    assert not {*kind.refused} & {*kind.defaults}


# Each key that TRL adds is heeded by a run or refused: a new one of a later TRL has to be looked at.
HEEDED = {
    "sft": {"loss_type", "activation_offloading", "router_aux_loss_coef", "max_length", "packing"},
    "dpo": {
        *("beta", "loss_type", "loss_weights", "ld_alpha", "f_divergence_type", "f_alpha_divergence_coef"),
        *("label_smoothing", "use_weighting", "discopop_tau", "disable_dropout", "activation_offloading"),
        *("router_aux_loss_coef", "ref_model_mixup_alpha", "ref_model_sync_steps", "max_length"),
    },
}


@pytest.mark.parametrize("name", HEEDED)
def test_every_key_that_trl_adds_is_heeded_or_refused(name):
    kind, common = find_trainer(name), {field.name for field in dataclasses.fields(TrainingArguments)}
    added = {field.name for field in dataclasses.fields(kind.arguments_class)} - common
    assert added == (HEEDED[name] | (set(kind.refused) - set(our_keys()) - common))


def test_the_losses_of_dpo_are_those_that_trl_computes():
    computed = re.findall(r'if loss_type == "(\w+)"', inspect.getsource(DPOTrainer._compute_loss))
    assert sorted(get_args(Loss)) == sorted(computed)
    assert all(f'"{name}"' in inspect.getsource(DPOTrainer._compute_loss) for name in get_args(Divergence))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "sfft",
            "trainer is 'sfft', but no trainer has that name: did you mean 'sft'? Known are supervised, sft, dpo.",
        ),
        ("align", "trainer is 'align', but no trainer has that name: choose from supervised, sft, dpo."),
        *((name, f"trainer is '{name}', which is not supported yet: choose from supervised") for name in NOT_YET),
    ],
)
def test_a_trainer_that_does_not_exist_is_told_with_those_that_do(name, said, tmp_path):
    with pytest.raises(ValueError) as error:
        check_trainer_name(name)
    assert str(error.value).startswith(said)
    with pytest.raises(ValueError) as error:
        read_recipe("mini", ["--trainer", name])
    assert str(error.value).startswith(f"In the command line, {said}") and "\n" not in str(error.value)
    (tmp_path / "mine.yaml").write_text(f"trainer: {name}\n")
    with pytest.raises(ValueError, match="mine.yaml, trainer is"):
        read_recipe(str(tmp_path / "mine.yaml"))


def test_a_recipe_has_the_keys_of_its_trainer_and_checks_their_values():
    recipe = read_recipe("dpo", ["--beta", "0.2", "--loss-type", "sigmoid", "sft", "--loss-weights=1,0.5"])
    assert recipe.arguments["beta"] == 0.2
    assert (recipe.arguments["loss_type"], recipe.arguments["loss_weights"]) == (["sigmoid", "sft"], [1, 0.5])
    assert read_recipe("dpo").arguments["loss_type"] == ["sigmoid"]
    assert read_recipe("mini", ["--trainer", "dpo", "--beta", "1"]).trainer.name == "dpo"
    assert read_recipe("sft", ["--trainer", "null"]).trainer.name == "supervised"


BAD_WORDS = {
    "mini --beta 0.1": "there is no key 'beta'",
    "dpo --bta 0.1": "trainer 'dpo' has no key 'bta': did you mean 'beta'",
    "dpo --beta much": "is 'much': a number is wanted",
    "dpo --loss-type sigmod": "is 'sigmod': one of sigmoid, sigmoid_norm",
    "sft --loss-type chunked_nll": "is 'chunked_nll': one of nll, dft is wanted",
    "dpo --packing": "packing is True, which trainer 'dpo' cannot take: a batch of preferences has a sequence",
    "dpo --precompute-ref-log-probs": "the collator reads no columns with precomputed log-probabilities",
    "dpo --sync-ref-model": "a checkpoint does not hold a reference that moves",
    "sft --dataset-text-field text": "rows are conversations. Leave it out",
    "sft --gradient-checkpointing": "its name is activation_checkpointing now",
}


@pytest.mark.parametrize("words", BAD_WORDS)
def test_a_key_that_the_trainer_cannot_take_is_told_in_one_line(words):
    name, *words_behind = words.split()
    with pytest.raises(ValueError) as error:
        read_recipe(name, words_behind)
    assert BAD_WORDS[words] in str(error.value) and "\n" not in str(error.value)


def test_trl_trains_in_float32_and_without_checkpointing_unless_the_recipe_says_so(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("trainer: dpo\nmodel: mini\ntrain_data: [pairs]\nuse_cpu: true\n")
    arguments = read_recipe(str(file), ["--output-dir", str(tmp_path / "run")]).training_arguments()
    assert (arguments.bf16, arguments.activation_checkpointing) == (False, False)
    assert type(arguments) is find_trainer("dpo").arguments_class
    arguments = read_recipe(str(file), ["--output-dir", str(tmp_path / "run"), "--bf16"]).training_arguments()
    assert arguments.bf16 is True


def test_no_reference_is_copied_before_the_weights_are_there(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    words = ["--model", "mini", "--train-data", "pairs", "--output-dir", str(tmp_path / "run"), "--fsdp"]
    words += ["--fsdp-config.cpu-ram-efficient-loading", "--lora", "null"]
    with pytest.raises(ValueError, match="'dpo' without lora copies the model before its weights have reached every"):
        read_recipe("dpo", words).training_arguments()
    assert read_recipe("sft", words).adapted()[0]["fsdp"] is True


def test_only_a_recipe_for_trl_loads_trl():
    script = (
        "import sys\n"
        "from biomedgpt_hf.training.recipe.recipe import read_recipe\n"
        "read_recipe('align', ['--learning-rate', '1e-4'])\nprint('trl' in sys.modules)\n"
        "read_recipe('dpo')\nprint('trl' in sys.modules)\n"
    )
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(SOURCE)!r})\n{script}"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.stdout.split() == ["False", "True"], result.stderr
