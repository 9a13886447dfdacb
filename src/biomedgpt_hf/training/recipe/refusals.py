"""Options that a run would override, ignore or stumble over: refused with the reason, before anything is loaded."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from biomedgpt_hf.training.recipe.settings import Settings
    from biomedgpt_hf.training.trainers.trainer_kinds import TrainerKind

_NO_METRICS = "a run measures losses, which need no such results"
# Keys of `TrainingArguments` that no run heeds, and why.
WITHOUT_EFFECT = {
    "do_train": "`biomedgpt train` trains",
    "do_eval": "eval_strategy says when to evaluate",
    "do_predict": "`biomedgpt predict` does",
    "local_rank": "torchrun says it",
    "length_column_name": "the run counts the tokens of rows itself",
    "label_names": "a batch's labels are named 'labels'",
    "dataloader_in_order": "a run goes on from the order of its rows",
    "include_for_metrics": _NO_METRICS,
    "batch_eval_metrics": _NO_METRICS,
    "enable_jit_checkpoint": "a signal ends in a checkpoint anyway, agreed on by all processes",
}
# Keys that need others, and the values of these with which they say something.
BATCHES = "batching is 'length', which puts the rows in order itself: set batching to random"
LIGER = ("use_liger_kernel", "liger_kernel_config")
PROJECTED = ("galore", "apollo")  # optimizers that read optim_target_modules
WITH_WORKERS = ("dataloader_prefetch_factor", "dataloader_persistent_workers", "dataloader_multiprocessing_context")
BY_STEPS = {"eval": "no", "save": "steps", "logging": "steps"}  # whose numbers of steps a strategy heeds; its default
NOT_ON_A_CPU = ("fp16", "fp16_full_eval", "tf32")


def check_heeded(key: str, value: Any, trainer: TrainerKind) -> None:
    """Raise a ValueError if a recipe gives a key that no run heeds, or none of this trainer."""
    trainer.check(key, value)
    if key == "remove_unused_columns" and value:
        raise ValueError("remove_unused_columns is True, but the collator needs all columns of a row. Leave it out.")
    default = next((f.default for f in dataclasses.fields(trainer.arguments_class) if f.name == key), None)
    harmless = (None, True) if default is True else (None, False)
    if key in WITHOUT_EFFECT and value not in harmless:
        raise ValueError(f"{key} is {value!r}, which would have no effect: {WITHOUT_EFFECT[key]}. Leave it out.")


def check_together(settings: Settings, arguments: Mapping[str, Any], words: Collection[str] = ()) -> None:
    """Raise a ValueError if one option takes the effect of another away.

    Args:
        settings: our keys.
        arguments: keys of the trainer's `TrainingArguments`, as they were given.
        words: those of them that the command line gave.
    """
    for key, reason in [*_clashes(settings, arguments), *_unheeded_steps(arguments, words)]:
        raise ValueError(f"{key} is {arguments[key]!r}, which would have no effect: {reason}, or leave {key} out.")


def _clashes(settings: Settings, arguments: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the keys that others take the effect of, and which change would give it back."""
    given = {key for key, value in arguments.items() if value not in (None, False)}
    clashes = []
    if "train_sampling_strategy" in given and settings.batching == "length":
        clashes.append(("train_sampling_strategy", BATCHES))
    elif arguments.get("train_sampling_strategy") in ("group_by_length", "batch_rebalance"):
        clashes.append(("train_sampling_strategy", "rows have no column of lengths: set batching to length"))
    if "auto_find_batch_size" in given:
        for ours in ("global_batch_size", "max_tokens_per_batch"):
            if getattr(settings, ours):
                clashes.append(("auto_find_batch_size", f"{ours} says how large batches are: set {ours} to null"))
    for key in LIGER:
        if key in given and not settings.language_model_only:
            clashes.append((key, "Liger's kernels are for language models alone: set language_model_only"))
    if "optim_target_modules" in given and not str(arguments.get("optim", "")).startswith(PROJECTED):
        clashes.append(("optim_target_modules", "only optimizers of GaLore and APOLLO read it: set optim to one"))
    for key in WITH_WORKERS:
        if key in given and not arguments.get("dataloader_num_workers"):
            clashes.append((key, "this process reads the rows itself: set dataloader_num_workers to 1 or more"))
    if "label_smoothing_factor" in given and arguments.get("loss_type") == "dft":
        clashes.append(("label_smoothing_factor", "the loss 'dft' has none: set loss_type to nll"))
    return clashes


def _unheeded_steps(arguments: Mapping[str, Any], words: Collection[str]) -> list[tuple[str, str]]:
    """Return the numbers of steps that no strategy heeds; the command line may switch a strategy off, or a recipe's."""
    clashes = []
    for what, default in BY_STEPS.items():
        key, strategy = f"{what}_steps", f"{what}_strategy"
        value = arguments.get(strategy, default)
        is_switched_off = strategy in words and (value == "no" or key not in words)
        if arguments.get(key) and value != "steps" and not is_switched_off:
            clashes.append((key, f"{strategy} is {value!r}: set {strategy} to steps"))
    return clashes


def check_device(arguments: Mapping[str, Any]) -> None:
    """Raise a ValueError if arguments for a run on a CPU ask for what a GPU alone does."""
    for key in NOT_ON_A_CPU:
        if arguments.get(key):
            raise ValueError(
                f"{key} is {arguments[key]!r}, but this run is on a CPU, which trains in float32, or with bf16 in "
                f"bfloat16: leave {key} out."
            )
