"""Options that a run would override or ignore are refused with the reason, before rows are read."""

import re

import pytest
from transformers.optimization import TYPE_TO_SCHEDULER_FUNCTION

from biomedgpt_hf.training.recipe import machine
from biomedgpt_hf.training.recipe.keys import argument_keys
from biomedgpt_hf.training.recipe.recipe import read_recipe
from biomedgpt_hf.training.recipe.refusals import WITHOUT_EFFECT

REFUSED = {
    "--train-sampling-strategy sequential": "batching is 'length', which puts the rows in order itself",
    "--train-sampling-strategy random": "set batching to random, or leave train_sampling_strategy out",
    "--batching random --train-sampling-strategy group_by_length": "set batching to length",
    "--share-prefix --batching random": "only batches by length bring questions about one item together",
    "--length-column-name size": "the run counts the tokens of rows itself",
    "--dataloader-in-order false": "a run goes on from the order of its rows",
    "--do-eval": "eval_strategy says when to evaluate",
    "--do-predict": "`biomedgpt predict` does",
    "--local-rank 1": "torchrun says it",
    "--enable-jit-checkpoint": "a signal ends in a checkpoint anyway",
    "--batch-eval-metrics": "a run measures losses",
    "--use-liger-kernel": "Liger's kernels are for language models alone",
    "--optim-target-modules q_proj": "only optimizers of GaLore and APOLLO read it",
    "--dataloader-persistent-workers": "set dataloader_num_workers to 1 or more",
    "--auto-find-batch-size --global-batch-size 16": "set global_batch_size to null",
    "--label-names answers": "a batch's labels are named 'labels'",
    "--remove-unused-columns": "the collator needs all columns",
    "--eval-steps 3": "eval_strategy is 'epoch': set eval_strategy to steps, or leave eval_steps out",
    "--save-steps 0.2": "set save_strategy to steps",
    "--logging-steps 7 --logging-strategy epoch": "set logging_strategy to steps",
    "--fp16": "fp16 is True, but this run is on a CPU",
    "--fp16-full-eval": "this run is on a CPU",
    "--tf32": "this run is on a CPU",
}


@pytest.mark.parametrize("words", REFUSED)
def test_an_option_without_effect_is_refused_when_the_recipe_is_read(words):
    with pytest.raises(ValueError) as error:
        read_recipe("mini", words.split())
    said = str(error.value)
    assert REFUSED[words] in said and "\n" not in said and "command line" in said


@pytest.mark.parametrize(
    ("recipe", "words", "said"),
    [
        ("dpo", "--label-smoothing-factor 0.1", "its losses have label_smoothing in its place"),
        ("dpo", "--ref-model-sync-steps 9", "does not hold a reference that moves"),
        ("sft", "--remove-unused-columns", "the collator needs all columns"),
        ("sft", "--loss-type dft --label-smoothing-factor 0.1", "set loss_type to nll"),
    ],
)
def test_trls_trainers_refuse_what_they_do_not_heed(recipe, words, said):
    with pytest.raises(ValueError, match=said):
        read_recipe(recipe, words.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--loss-type sigmoid,ipo --loss-weights 1", "Got 1 weights for 2 loss types"),
        ("--loss-type exo_pair", "needs a label_smoothing above 0"),
    ],
)
def test_losses_that_do_not_fit_each_other_are_refused_before_rows_are_read(words, said, tmp_path):
    required = ["--model", "mini", "--train-data", "rows", "--output-dir", str(tmp_path / "run"), "--use-cpu"]
    with pytest.raises(ValueError, match=said):
        read_recipe("dpo", [*required, *words.split()]).training_arguments()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--lr-scheduler-type warmup_stable_decay", "'num_decay_steps'"),
        ("--lr-scheduler-type cosine_with_min_lr", "min_lr"),
        ("--lr-scheduler-type polynomial --learning-rate 1e-8", "lr_end"),
        ("--lr-scheduler-kwargs.num_cycles x", "lr_scheduler_kwargs {'num_cycles': 'x'}"),
        ("--optim-args eps", "optim_args is 'eps'"),
        ("--gradient-checkpointing --gradient-checkpointing-kwargs.reentrant true", "use_reentrant"),
    ],
)
def test_values_that_a_run_would_stumble_over_are_refused_before_rows_are_read(words, said, tmp_path):
    required = ["--train-data", "rows", "--output-dir", str(tmp_path / "run")]
    with pytest.raises(ValueError, match=re.escape(said)) as error:
        read_recipe("mini", [*required, *words.split()]).training_arguments()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("schedule", TYPE_TO_SCHEDULER_FUNCTION)
def test_a_schedule_of_every_kind_can_be_made(schedule, tmp_path):
    more = {"warmup_stable_decay": "num_decay_steps", "cosine_with_min_lr": "min_lr"}
    more["cosine_warmup_with_min_lr"] = "min_lr"
    words = ["--lr-scheduler-type", schedule.value, "--train-data", "rows", "--output-dir", str(tmp_path / "run")]
    if key := more.get(schedule.value):
        words += [f"--lr-scheduler-kwargs.{key}", "2" if key == "num_decay_steps" else "1e-5"]
    assert read_recipe("mini", words).training_arguments().lr_scheduler_type == schedule


def test_a_strategy_of_the_command_line_stands_above_a_recipes_number_of_steps():
    assert read_recipe("mini", ["--logging-strategy", "epoch"]).arguments["logging_steps"] == 5


@pytest.mark.parametrize("key", ["fp16", "fp16_full_eval", "tf32"])
def test_what_a_gpu_alone_does_is_refused_where_there_is_none_and_planned_for_where_there_will_be(key, monkeypatch):
    recipe = read_recipe("chebi20", [f"--{key}", "--bf16", "false", "--global-batch-size", "null"])
    assert recipe.adapted(1, on_cpu=False)[0][key] is True
    monkeypatch.setattr(machine, "best_device", lambda: type("Device", (), {"type": "cpu"}))
    with pytest.raises(ValueError, match=f"{key} is True, but this run is on a CPU"):
        recipe.adapted(1)


def test_keys_with_their_usual_values_and_those_that_have_an_effect_are_taken():
    words = "--batching random --train-sampling-strategy sequential --dataloader-in-order --do-train false"
    assert read_recipe("mini", words.split()).arguments["train_sampling_strategy"] == "sequential"
    words = "--dataloader-num-workers 1 --dataloader-persistent-workers --dataloader-prefetch-factor 2"
    assert read_recipe("mini", words.split()).arguments["dataloader_prefetch_factor"] == 2


def test_the_keys_without_effect_exist():
    assert argument_keys().keys() >= WITHOUT_EFFECT.keys()
