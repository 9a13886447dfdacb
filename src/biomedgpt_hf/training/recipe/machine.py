"""What of a recipe follows from the machine: the processes that there are, and whether they are on CPUs."""

from __future__ import annotations

import copy
import os
from collections.abc import Collection, Mapping
from typing import Any

from biomedgpt_hf.device import best_device
from biomedgpt_hf.training.recipe.agreement import evaluates_checkpoints
from biomedgpt_hf.training.recipe.refusals import check_device
from biomedgpt_hf.training.recipe.settings import Settings


def adapt(
    settings: Settings,
    arguments: Mapping[str, Any],
    given: Collection[str],
    world_size: int | None,
    on_cpu: bool | None,
) -> tuple[dict[str, Any], list[str]]:
    """Return arguments for so many processes, on a CPU or not; and what was changed, in sentences.

    Args:
        settings: our keys.
        arguments: of the recipe, as they were given.
        given: keys that the command line gave.
        world_size, on_cpu: see `Recipe.adapted`.

    Raises:
        ValueError: if `global_batch_size` cannot be divided, or a CPU cannot do what is asked for.
    """
    world_size = int(os.environ.get("WORLD_SIZE", 1)) if world_size is None else world_size
    arguments, notes = dict(copy.deepcopy(arguments)), []
    if on_cpu is None:
        on_cpu = bool(arguments.get("use_cpu")) or best_device().type == "cpu"
    if on_cpu:
        check_device(arguments)
        arguments.setdefault("use_cpu", True)  # else each of several processes would train by itself
    if on_cpu and arguments.get("bf16") and "bf16" not in given:
        del arguments["bf16"]
        notes.append("Training in float32: bf16 is for GPUs, unless --bf16 asks for it on a CPU.")
    if world_size == 1 and arguments.pop("fsdp", None):
        config = arguments.pop("fsdp_config", None)
        if isinstance(config, dict) and config.get("activation_checkpointing"):
            arguments.setdefault("activation_checkpointing", True)
        notes.append("One process holds the whole model: fsdp is for several, started by torchrun.")
    if arguments.get("fsdp"):
        _reduce_each_batch(arguments)
    if arguments.get("load_best_model_at_end") and "load_best_model_at_end" not in given:
        if not evaluates_checkpoints(arguments):
            del arguments["load_best_model_at_end"]
            notes.append("The last weights are kept and not the best, since not every checkpoint is evaluated.")
    if settings.global_batch_size:
        arguments["gradient_accumulation_steps"] = _accumulation(settings.global_batch_size, arguments, world_size)
    return arguments, notes


def _reduce_each_batch(arguments: dict[str, Any]) -> None:
    """Have FSDP reduce gradients for each batch of a step, unless the arguments say otherwise.

    By itself accelerate waits for the last one, and until then every device would hold all gradients whole.
    """
    config = arguments.get("accelerator_config") or {}
    if isinstance(config, Mapping):
        given = config.get("gradient_accumulation_kwargs") or {}
        arguments["accelerator_config"] = {
            **config,
            "gradient_accumulation_kwargs": {"sync_each_batch": True, **given},
        }


def _accumulation(total: int, arguments: Mapping[str, Any], world_size: int) -> int:
    """Return how many batches of each process make up a global batch."""
    rows = arguments.get("per_device_train_batch_size", 8)
    if "gradient_accumulation_steps" in arguments:
        raise ValueError(
            f"global_batch_size is {total} and gradient_accumulation_steps "
            f"{arguments['gradient_accumulation_steps']}, but one follows from the other: set one to null."
        )
    steps, rest = divmod(total, rows * world_size)
    if rest or not steps:
        share = total // world_size if total % world_size == 0 else 0
        fitting = [str(n) for n in range(1, min(share, 64) + 1) if share % n == 0]
        remedy = f"{' or '.join(fitting[-3:])} rows a device" if fitting else "another number of processes"
        raise ValueError(
            f"global_batch_size is {total}, which is no multiple of {world_size} × {rows} (processes × "
            f"per_device_train_batch_size): choose {remedy}, or another global_batch_size."
        )
    return steps
