"""The keys of a recipe: whose they are, what they take, and which one a wrong name was meant to be."""

import dataclasses
import difflib
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Literal, get_type_hints

from biomedgpt_hf.extras import is_installed
from biomedgpt_hf.training.recipe.evaluations import ANSWERS, EVALUATE, SETS, answer_keys, evaluate_keys
from biomedgpt_hf.training.recipe.settings import Settings
from biomedgpt_hf.training.trainers.trainer_kinds import SUPERVISED, find_trainer

LORA = "lora"
# What TrainingArguments reads of its `fsdp_config`, for FSDP2; it ignores any other key and says nothing.
FSDP_KEYS: dict[str, Any] = {
    "version": Literal[2],
    "auto_wrap_policy": Literal["TRANSFORMER_BASED_WRAP", "SIZE_BASED_WRAP", "NO_WRAP"],
    "min_num_params": int,
    "transformer_layer_cls_to_wrap": list[str] | None,
    "cpu_offload": bool,
    "cpu_ram_efficient_loading": bool,
    "state_dict_type": Literal["FULL_STATE_DICT", "SHARDED_STATE_DICT"],
    "activation_checkpointing": bool,
    "reshard_after_forward": bool,
}
# Annotations of TrainingArguments that allow less than it takes, or values that have no meaning there.
CORRECTED: dict[str, Any] = {
    "fsdp": bool | str | None,
    "log_level": Literal["debug", "info", "warning", "error", "critical", "passive"],
    "log_level_replica": Literal["debug", "info", "warning", "error", "critical", "passive"],
    "train_sampling_strategy": Literal["random", "sequential", "group_by_length", "batch_rebalance"],
}


@cache
def our_keys() -> dict[str, Any]:
    """Types of our own keys, by name."""
    types = {field.name: field.type for field in dataclasses.fields(Settings)}
    return types | {"max_rejected": int | str | None, EVALUATE: list[str] | dict[str, Any] | None}


@cache
def argument_keys(trainer: str = SUPERVISED) -> dict[str, Any]:
    """Types of the keys of a trainer's `TrainingArguments`, by name."""
    kind = find_trainer(trainer)
    return {field.name: field.type for field in dataclasses.fields(kind.arguments_class)} | CORRECTED | dict(kind.types)


@cache
def lora_keys() -> dict[str, Any]:
    """Types of the keys of `LoraConfig`, by name; none where peft is not installed."""
    if not is_installed("peft"):
        return {}
    from peft import LoraConfig

    types = get_type_hints(LoraConfig)
    return {field.name: types[field.name] for field in dataclasses.fields(LoraConfig)}


# Keys that have known keys of their own.
NESTED: dict[str, Callable[[], dict[str, Any]]] = {
    **{LORA: lora_keys, "fsdp_config": lambda: FSDP_KEYS},
    **{EVALUATE: evaluate_keys, ANSWERS: answer_keys},
}
# Which of them a value means that is no mapping: `evaluate: chebi20`.
MEANT = {EVALUATE: SETS}


def full_name(key: str, has_lora: bool, trainer: str = SUPERVISED) -> str:
    """Return a key as a recipe spells it: hyphens become underscores, and LoRA's own get their `lora.`.

    Args:
        key: as the command line has it, such as "learning-rate", "r" or "fsdp_config.version".
        has_lora: whether the recipe has LoRA, so that its keys are known without the prefix.
        trainer: the recipe's.

    Raises:
        ValueError: if no key has that name, with the nearest that there is.
    """
    name = key.replace("-", "_")
    top, _, rest = name.partition(".")
    if rest and top in NESTED:
        check_name(rest, NESTED[top](), f"{top} has no key")
    elif rest and top in our_keys():
        raise ValueError(f"{top} has no keys of its own: give --{top} and its value.")
    elif top not in our_keys() and top not in argument_keys(trainer):
        if top in lora_keys() and has_lora:
            return f"{LORA}.{name}"
        if top in lora_keys():
            raise ValueError(
                f"{top!r} is a key of LoRA, but this recipe trains without LoRA: give --lora.{top} to add it."
            )
        check_top_key(top, trainer, lora_keys() if has_lora else ())
    return name


def check_top_key(name: str, trainer: str, more: Iterable[str] = ()) -> None:
    """Raise a ValueError with the nearest key, unless a recipe for this trainer has it or it is one of `more`."""
    problem = "there is no key" if trainer == SUPERVISED else f"trainer {trainer!r} has no key"
    check_name(name, [*our_keys(), *argument_keys(trainer), *more], problem)


def check_name(name: str, known: Iterable[str], problem: str) -> None:
    """Raise a ValueError with the nearest known name, unless the name is known."""
    known = list(known)
    if name not in known:
        nearest = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {nearest[0]!r}?" if nearest else "see docs/training.md for those that there are."
        raise ValueError(f"{problem} {name!r}: {hint}")


def annotation_of(name: str, trainer: str = SUPERVISED) -> Any:
    """Return the type of a key given by its full name; Any inside dictionaries of TrainingArguments."""
    top, _, rest = name.partition(".")
    if rest and top in NESTED:
        return NESTED[top]()[rest]
    if rest:
        return Any
    return our_keys().get(top) or argument_keys(trainer)[top]
