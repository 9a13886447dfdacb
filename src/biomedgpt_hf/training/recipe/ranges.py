"""Which numbers a key takes: one table for all numeric keys of the trainers' arguments, of LoRA, FSDP and
evaluations.

Our own numeric keys are checked in `Settings`, which people make in Python too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Range:
    """Numbers between two bounds.

    Attributes:
        least, above: the lower bound, itself allowed or not.
        most, below: the upper bound, itself allowed or not.
        is_share_or_count: whether a number below 1 is a share, so that from 1 on it has to be whole.
        also: a value outside the bounds with a meaning of its own.
        hint: what follows the bounds in an error.
    """

    least: float = -math.inf
    above: float = -math.inf
    most: float = math.inf
    below: float = math.inf
    is_share_or_count: bool = False
    also: float | None = None
    hint: str = ""

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            return False
        if value == self.also:
            return True
        is_whole = value < 1 or float(value).is_integer()
        within = self.least <= value <= self.most and self.above < value < self.below
        return within and (is_whole or not self.is_share_or_count)

    def __str__(self) -> str:
        bounds = [
            text
            for text, bound in (
                (f"{self.least:,} or more", self.least),
                (f"more than {self.above}", self.above),
                (f"{self.most:,} or less", self.most),
                (f"less than {self.below}", self.below),
            )
            if math.isfinite(bound)
        ]
        whole = ", and from 1 on a whole number" if self.is_share_or_count else ""
        return f"{' and '.join(bounds)} is wanted{whole}{self.hint}"


COUNT = Range(least=1)
NOT_NEGATIVE = Range(least=0)
POSITIVE = Range(above=0)
SHARE = Range(least=0, most=1)
SHARE_BELOW_1 = Range(least=0, below=1)
SEED = Range(least=0, most=2**32 - 1)  # what NumPy takes
SOME_STEPS = Range(above=0, is_share_or_count=True)  # below 1 a share of all steps

RANGES: dict[str, Range] = {
    # How long, and in which steps.
    "num_train_epochs": POSITIVE,
    "max_steps": Range(least=1, also=-1, hint=", or null for whole epochs"),
    "per_device_train_batch_size": COUNT,
    "per_device_eval_batch_size": COUNT,
    "gradient_accumulation_steps": COUNT,
    # The optimizer and its rate.
    "learning_rate": NOT_NEGATIVE,
    "warmup_steps": Range(least=0, is_share_or_count=True),
    "weight_decay": NOT_NEGATIVE,
    "adam_beta1": SHARE_BELOW_1,
    "adam_beta2": SHARE_BELOW_1,
    "adam_epsilon": POSITIVE,
    "max_grad_norm": NOT_NEGATIVE,
    # The loss.
    "label_smoothing_factor": SHARE_BELOW_1,
    "neftune_noise_alpha": NOT_NEGATIVE,
    # What is told, evaluated and kept.
    "logging_steps": SOME_STEPS,
    "eval_steps": SOME_STEPS,
    "save_steps": SOME_STEPS,
    "eval_delay": NOT_NEGATIVE,
    "eval_accumulation_steps": COUNT,
    "save_total_limit": Range(least=1, hint=", or null to keep all"),
    # Chance, rows, memory, processes.
    "seed": SEED,
    "data_seed": SEED,
    "dataloader_num_workers": NOT_NEGATIVE,
    "dataloader_prefetch_factor": COUNT,
    "torch_empty_cache_steps": COUNT,
    "ddp_bucket_cap_mb": COUNT,
    "ddp_timeout": COUNT,
    "fsdp_config.min_num_params": NOT_NEGATIVE,
    # TRL's losses.
    "beta": POSITIVE,
    "label_smoothing": Range(least=0, below=0.5),
    "ld_alpha": SHARE,
    "loss_weights": NOT_NEGATIVE,
    "f_alpha_divergence_coef": POSITIVE,
    "discopop_tau": POSITIVE,
    "router_aux_loss_coef": NOT_NEGATIVE,
    # Evaluations.
    "evaluate.limit": COUNT,
    "evaluate.resamples": Range(least=100),
    "evaluate.batch_tokens": COUNT,
    "evaluate.neighbours": COUNT,
    "evaluate.processes": COUNT,
    "evaluate.max_new_tokens": COUNT,
    "evaluate.num_beams": COUNT,
    "evaluate.few_shot": NOT_NEGATIVE,
    "evaluate.shuffles": NOT_NEGATIVE,
    "eval_answers.limit": COUNT,
    "eval_answers.max_new_tokens": COUNT,
    # LoRA.
    "lora.r": COUNT,
    "lora.lora_alpha": COUNT,
    "lora.lora_dropout": SHARE_BELOW_1,
    "lora.rank_pattern": COUNT,
    "lora.alpha_pattern": POSITIVE,
    "lora.qalora_group_size": COUNT,
    "lora.layers_to_transform": NOT_NEGATIVE,
    "lora.trainable_token_indices": NOT_NEGATIVE,
    "lora.alora_invocation_tokens": NOT_NEGATIVE,
    "lora.layer_replication": NOT_NEGATIVE,
}


def check_range(key: str, value: Any) -> None:
    """Raise a ValueError unless all numbers of a key's value, alone or in a list or mapping, are in its range."""
    if key not in RANGES or value is None:
        return
    for name, number in _numbers(key, value):
        if number not in RANGES[key]:
            raise ValueError(f"{name} is {number!r}: {RANGES[key]}.")


def _numbers(name: str, value: Any) -> list[tuple[str, Any]]:
    """Return the numbers of a value, each with the name of its place."""
    if isinstance(value, Mapping):
        return [pair for key, item in value.items() for pair in _numbers(f"{name}.{key}", item)]
    if isinstance(value, list | tuple):
        return [pair for position, item in enumerate(value) for pair in _numbers(f"{name}[{position}]", item)]
    return [(name, value)]
