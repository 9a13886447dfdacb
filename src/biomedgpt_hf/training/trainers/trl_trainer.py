"""What TRL's trainers share here: rows go to our collators as they are, with their molecules and proteins.

TRL's own classes tokenise rows without their items, drop the columns that hold these, and cut rows in the middle of
one. Log-probabilities are TRL's, computed from `lm_head.weight` itself: the two placeholders are in their denominator,
and losses differ from `BioMedGPTTrainer`'s by their share.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import datasets
import torch
from torch import nn
from transformers import PreTrainedModel, ProcessorMixin
from transformers.utils import ModelOutput
from trl import DPOConfig, SFTConfig

from biomedgpt_hf import checkpoints
from biomedgpt_hf.processors.prompt_tensors import IGNORE_INDEX
from biomedgpt_hf.training.trainers.run_trainer import RunTrainerMixin

if TYPE_CHECKING:
    from peft import PeftModel

Config = TypeVar("Config", SFTConfig, DPOConfig)
Rows: TypeAlias = datasets.Dataset | datasets.IterableDataset
Collator = Callable[[list[dict[str, Any]]], dict[str, torch.Tensor]]

# What a run gives TRL's arguments where its recipe says nothing; by themselves they would train in bfloat16 and compute
# activations twice.
DEFAULTS = {"bf16": False, "activation_checkpointing": False}
FIGURES_OF_ALL = "TRL takes its losses and figures from the logits of whole rows"
_COLLATOR = "this package's collator lays out the rows"
_MODEL = "the run has loaded the model and its processor"
# Fields of all of TRL's arguments that a run cannot heed, and why.
REFUSED = {
    "gradient_checkpointing": "its name is activation_checkpointing now",
    "dataset_num_proc": _COLLATOR,
    "pad_to_multiple_of": _COLLATOR,
    "pad_token": _COLLATOR,
    "padding_free": _COLLATOR,
    "remove_unused_columns": "the collator needs all columns of a row",
    "truncation_mode": "rows with molecules and proteins are never cut",
    "model_init_kwargs": _MODEL,
    "trust_remote_code": _MODEL,
}


class TRLTrainerMixin(RunTrainerMixin):
    """Leaves rows to the collator, which knows what is in them, and counts its tokens."""

    _metrics: dict[str, dict[str, list[float]]]
    _total_train_tokens: float

    def _prepare_dataset(self, dataset: Rows, *arguments: Any, **options: Any) -> Rows:
        return dataset

    def _running_sums(self) -> dict[str, Any]:
        return {**super()._running_sums(), "figures": self._metrics["train"], "tokens": self._total_train_tokens}

    def _set_running_sums(self, every: list[dict[str, Any]], own: int | None) -> None:
        super()._set_running_sums(every, own)
        self._metrics["train"].clear()
        self._metrics["train"].update(every[0]["figures"])  # the same on all: TRL has gathered them
        self._total_train_tokens = every[0]["tokens"]

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor | tuple[torch.Tensor, ModelOutput]:
        """As TRL's; it also notes how many tokens were learnt."""
        if self.model.training:
            self._tally.add(_with_labels(inputs))
        return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)


def take_over(args: Config, collator: str) -> Config:
    """Return a copy of TRL's arguments that keeps TRL's hands off the rows.

    Args:
        args: as they were given.
        collator: name of the class that does in their place what they would do.

    Raises:
        ValueError: if a length was chosen: TRL would cut rows there, in the middle of a molecule.
    """
    default = next(field.default for field in fields(args) if field.name == "max_length")
    if args.max_length not in (None, default):
        raise ValueError(
            f"max_length={args.max_length}: rows with molecules and proteins are never cut. Pass data_collator="
            f"{collator}(processor, max_length={args.max_length}), which refuses longer ones."
        )
    args = copy.copy(args)
    args.max_length = None
    args.remove_unused_columns = False
    return args


def load_model(
    model: PreTrainedModel | PeftModel | str, args: Config, options: dict[str, Any]
) -> PreTrainedModel | PeftModel:
    """Return the model itself. TRL loads none whose configuration has no `auto_map`, such as the embedded one."""
    if not isinstance(model, str):
        return model
    how = {"dtype": "float32", **(args.model_init_kwargs or {})}
    args.model_init_kwargs = None
    if (quantization := options.pop("quantization_config", None)) is not None:
        how["quantization_config"] = quantization
    return checkpoints.load_model(model, **how)


def find_processor(
    model: PreTrainedModel | PeftModel | str, collator: Collator | None, given: ProcessorMixin | None
) -> ProcessorMixin:
    """Return the processor that was given, the collator's, or the one beside the model."""
    found = given or getattr(collator, "processor", None)
    if found is None:
        found = checkpoints.load_processor(model if isinstance(model, str) else model.config._name_or_path)
    return found


@contextmanager
def trained_weights_kept(model: nn.Module) -> Iterator[None]:
    """Keep what trains as exact as it is: TRL rounds all of it to bfloat16 beside a quantised language model."""
    exact = [(parameter, parameter.data) for parameter in model.parameters() if parameter.requires_grad]
    yield
    for parameter, data in exact:
        if parameter.dtype != data.dtype:
            parameter.data = data.to(parameter.device)


def _with_labels(inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the inputs with the labels that a mask of answers stands for."""
    if "completion_mask" not in inputs:
        return inputs
    labels = inputs["input_ids"].masked_fill(inputs["completion_mask"] == 0, IGNORE_INDEX)
    return {**inputs, "labels": labels}
