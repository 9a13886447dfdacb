"""What the parts of a model take in memory while it trains, counted on a model without weights."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedConfig

from biomedgpt_hf.training.model.adapters import add_lora
from biomedgpt_hf.training.model.model_parts import PARTS, train_only
from biomedgpt_hf.training.model.module_names import check_argument_names
from biomedgpt_hf.training.recipe.settings import Settings

ADAPTERS = "adapters (LoRA)"
# Bytes of optimizer state for each trained parameter; any other optimizer counts as Adam in float32.
STATE_BYTES = {
    **dict.fromkeys(("adamw_8bit", "adamw_bnb_8bit", "paged_adamw_8bit"), 2),
    **dict.fromkeys(("sgd", "adafactor"), 0),  # Adafactor keeps one number for each row and column
}
ADAM_BYTES = 8
NF4_BLOCK, NF4_NESTED_BLOCK = 64, 256  # values with one scale, and scales with one scale (Dettmers et al., 2023)
NF4_CONSTANTS = 4 * (16 + 256 + 1)  # of each matrix: values of the type, values of its scales, their offset


@dataclass
class PartMemory:
    """A part's parameters and the bytes that they and what belongs to them take, on all devices together.

    Attributes:
        parameters: how many there are, copies of trained modules under LoRA included.
        trained: how many of them train.
        weights: bytes of weights and buffers.
        gradients: bytes of gradients.
        states: bytes of the optimizer's states.
    """

    parameters: int = 0
    trained: int = 0
    weights: int = 0
    gradients: int = 0
    states: int = 0

    @property
    def total(self) -> int:
        """Bytes of weights, gradients and states."""
        return self.weights + self.gradients + self.states


def model_without_weights(
    config: PreTrainedConfig, settings: Settings, arguments: Mapping[str, Any] | None = None
) -> nn.Module:
    """Return the model as the run would train it, on the meta device: frozen, with adapters, with no memory taken.

    Raises:
        ValueError: if a name or pattern of modules in the settings or arguments fits none of the model's.
    """
    from transformers import AutoModelForCausalLM

    from biomedgpt_hf.modeling.modeling_biomedgpt import BioMedGPTForConditionalGeneration

    with torch.device("meta"):
        if config.model_type == "biomedgpt":
            model: nn.Module = BioMedGPTForConditionalGeneration(config)
        else:
            model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
        check_argument_names(model, arguments or {})
        if settings.lora is not None:
            return add_lora(model, settings.lora)
    if config.model_type == "biomedgpt":
        train_only(model, settings.trainable)
    return model


def count_parts(model: nn.Module, frozen_dtype: str, quantization: str | None, optim: str) -> dict[str, PartMemory]:
    """Parameters and bytes of each part that there is.

    Args:
        model: on any device; what needs gradients trains, and is held in float32.
        frozen_dtype: "float32" or "bfloat16".
        quantization: "nf4" for the linear layers of the language model, its `lm_head` excepted; or None.
        optim: as in `TrainingArguments`.
    """
    quantized = quantized_weights(model) if quantization else set()
    parts: dict[str, PartMemory] = {}
    for name, parameter in model.named_parameters():
        part = parts.setdefault(part_of(name), PartMemory())
        count = parameter.numel()
        part.parameters += count
        if parameter.requires_grad:
            part.trained += count
            part.weights += 4 * count
            part.gradients += 4 * count
            part.states += STATE_BYTES.get(optim, ADAM_BYTES) * count
        elif name in quantized:
            part.weights += nf4_bytes(count)
        else:
            part.weights += (2 if frozen_dtype == "bfloat16" else 4) * count
    for name, buffer in model.named_buffers():
        parts[part_of(name)].weights += buffer.numel() * buffer.element_size()
    order = [*PARTS, ADAPTERS]
    return dict(sorted(parts.items(), key=lambda item: order.index(item[0])))


def part_of(name: str) -> str:
    """Return the part that a parameter's name belongs to; what is in no encoder and projector is language model."""
    words = name.split(".")
    if any(word.startswith("lora_") for word in words):
        return ADAPTERS
    return next((part for part in PARTS if part in words), "language_model")


def quantized_weights(model: nn.Module) -> set[str]:
    """Names of the matrices that `quantization` reaches: the frozen linear layers of the language model's blocks."""
    return {
        f"{name}.weight"
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear)
        and part_of(name) == "language_model"
        and "lm_head" not in name.split(".")
        and not module.weight.requires_grad
    }


def nf4_bytes(count: int) -> int:
    """Bytes of a matrix of so many values in NF4 with quantised scales."""
    scales = math.ceil(count / NF4_BLOCK)
    return math.ceil(count / 2) + scales + 4 * math.ceil(scales / NF4_NESTED_BLOCK) + NF4_CONSTANTS
