"""What `TrainingArguments` takes, and a run would fail at only later: found before anything is loaded or written."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from biomedgpt_hf.disk.paths import why_unwritable

if TYPE_CHECKING:
    from transformers import TrainingArguments


def check_output(output_dir: str) -> None:
    """Raise a ValueError unless a folder of this name is there, or can be made, and written to."""
    if reason := why_unwritable(Path(output_dir), itself=True):
        raise ValueError(f"output_dir is {output_dir}, but {reason}: choose another one.")


def check_arguments(arguments: TrainingArguments, metrics: Sequence[str]) -> None:
    """Raise a ValueError if a run with these arguments would fail at its start or its first evaluation.

    Args:
        arguments: of the run.
        metrics: what an evaluation of its trainer gives, without "eval_".
    """
    _check_reports(arguments)
    _check_schedule(arguments)
    _check_pairs(arguments)
    _check_best(arguments, metrics)
    _check_losses(arguments)


def _check_reports(arguments: TrainingArguments) -> None:
    from transformers.integrations import get_available_reporting_integrations
    from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

    for name in arguments.report_to:
        if name not in INTEGRATION_TO_CALLBACK:
            known = ", ".join(sorted(INTEGRATION_TO_CALLBACK))
            raise ValueError(f"report_to has {name!r}: choose from {known}; all and none stand alone.")
        if name not in get_available_reporting_integrations():
            raise ValueError(
                f"report_to has {name!r}, whose package is not installed. Install it, or leave {name!r} out."
            )


def _check_schedule(arguments: TrainingArguments) -> None:
    from transformers.optimization import TYPE_TO_SCHEDULER_FUNCTION

    makes = TYPE_TO_SCHEDULER_FUNCTION.get(arguments.lr_scheduler_type)
    given = arguments.lr_scheduler_kwargs
    if makes is None:
        return
    name, given = arguments.lr_scheduler_type.value, given if isinstance(given, dict) else {}
    taken = inspect.signature(makes).parameters
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken.values())
    own = [key for key in taken if key not in ("optimizer", "num_warmup_steps", "num_training_steps")]
    if not takes_any and (unknown := [key for key in given if key not in own]):
        raise ValueError(f"lr_scheduler_kwargs has {unknown[0]!r}, but {name} takes {', '.join(own) or 'none'}.")
    _try_schedule(arguments, name, given)


def _try_schedule(arguments: TrainingArguments, name: str, given: dict[str, Any]) -> None:
    """Make the schedule of a parameter that nobody trains: most schedules look at their values only then."""
    import torch
    from transformers import get_scheduler

    nobodys = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=arguments.learning_rate)
    steps = arguments.max_steps if arguments.max_steps > 0 else 10**6  # epochs have an unknown number of them
    try:
        get_scheduler(name, nobodys, num_warmup_steps=0, num_training_steps=steps, scheduler_specific_kwargs=given)
    except (ValueError, TypeError, ZeroDivisionError) as error:
        raise ValueError(
            f"lr_scheduler_type {name} cannot be made of learning_rate {arguments.learning_rate} and "
            f"lr_scheduler_kwargs {given or 'null'}: {error}."
        ) from error


def _check_pairs(arguments: TrainingArguments) -> None:
    """Look at what the Trainer takes apart only when it makes the optimizer, or the first checkpointed layer."""
    from torch.utils.checkpoint import checkpoint

    given = arguments.optim_args
    if isinstance(given, str) and any(pair.count("=") != 1 for pair in given.split(",")):
        raise ValueError(f"optim_args is {given!r}, but pairs are wanted, such as 'key=value,other=value'.")
    taken = [key for key in inspect.signature(checkpoint).parameters if key not in ("function", "args", "kwargs")]
    for key in arguments.activation_checkpointing_kwargs or {}:
        if key not in taken:
            raise ValueError(f"activation_checkpointing_kwargs has {key!r}, but torch takes {', '.join(taken)}.")


def _check_best(arguments: TrainingArguments, metrics: Sequence[str]) -> None:
    metric = arguments.metric_for_best_model
    if metric is not None and metric.removeprefix("eval_") not in metrics:
        nearest = difflib.get_close_matches(metric.removeprefix("eval_"), metrics, n=1)
        hint = f": did you mean {nearest[0]!r}?" if nearest else "."
        raise ValueError(f"metric_for_best_model is {metric!r}, but an evaluation gives {', '.join(metrics)}{hint}")


def evaluates_checkpoints(arguments: Mapping[str, Any]) -> bool:
    """Tell whether an evaluation stands beside each checkpoint, as keeping the best one needs."""
    evaluating, saving = (str(arguments.get(f"{what}_strategy", "no")) for what in ("eval", "save"))
    if saving == "steps" == evaluating:
        every = arguments.get("eval_steps") or arguments.get("logging_steps", 500)
        return bool(arguments.get("save_steps", 500) % every == 0)
    return evaluating != "no" and saving in (evaluating, "best")


def _check_losses(arguments: TrainingArguments) -> None:
    """Compare DPO's losses with what belongs to them; other trainers have one loss."""
    losses = getattr(arguments, "loss_type", None)
    if isinstance(losses, list) and "exo_pair" in losses and not arguments.label_smoothing:
        raise ValueError("loss_type has 'exo_pair', which needs a label_smoothing above 0, such as 0.001.")
