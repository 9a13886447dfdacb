"""Adapters in a model: how a run puts them in, and how others recognise them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import nn

from biomedgpt_hf.modeling.composition_biomedgpt import freeze_unused
from biomedgpt_hf.training.model.module_names import check_lora_names

if TYPE_CHECKING:
    from peft import PeftModel


def add_lora(model: nn.Module, settings: Mapping[str, Any]) -> PeftModel:
    """Put low-rank adapters into a model; only they, and the `modules_to_save`, are trained.

    Args:
        model: a `BioMedGPTForConditionalGeneration`, or a causal language model.
        settings: keys of `peft.LoraConfig`.

    Returns:
        A `PeftModel`.

    Raises:
        ValueError: if a name or pattern of modules fits none of the model's; names the nearest.
    """
    from peft import LoraConfig, TaskType, get_peft_model

    check_lora_names(model, settings)
    peft_model = get_peft_model(model, LoraConfig(**{"task_type": TaskType.CAUSAL_LM, **settings}))
    freeze_unused(peft_model)
    return peft_model


def is_peft_model(model: nn.Module) -> bool:
    """Whether a model is a `PeftModel`, sharded or not."""
    return hasattr(model, "peft_config") and hasattr(model, "get_base_model")
