"""Model and processor as a run starts from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMultimodalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TrainingArguments,
)

from biomedgpt_hf.checkpoints import find_config, load_foreign_model, load_model, load_processor, load_tokenizer
from biomedgpt_hf.mini import mini_checkpoint
from biomedgpt_hf.processors.processing_biomedgpt import BioMedGPTProcessor
from biomedgpt_hf.training.engine.lean_start import load_empty, starts_empty
from biomedgpt_hf.training.memory.part_memory import model_without_weights
from biomedgpt_hf.training.model.adapters import add_lora
from biomedgpt_hf.training.model.model_parts import train_in_float32, train_only
from biomedgpt_hf.training.recipe.settings import Settings

if TYPE_CHECKING:
    from peft import PeftModel


class Loaded(NamedTuple):
    """A model to train, the processor that prepares its rows, and what is saved with it: that, or a tokenizer."""

    model: PreTrainedModel | PeftModel
    processor: BioMedGPTProcessor
    saved_with: BioMedGPTProcessor | PreTrainedTokenizerBase


def check_model(settings: Settings, arguments: TrainingArguments) -> tuple[str, Any]:
    """Check what can be known of a model without its weights: its kind, and that all modules are there that are named.

    Returns:
        the folder or Hub id, and the configuration.

    Raises:
        OSError, ValueError: see `load_for_training`.
    """
    checkpoint = str(mini_checkpoint()) if settings.model == "mini" else str(settings.model)
    config = find_config(checkpoint)
    composite = config.model_type == "biomedgpt"
    if settings.language_model_only and composite:
        raise ValueError(
            f"{checkpoint} is a BioMedGPT, and language_model_only trains a plain language model: take it out with "
            f"`biomedgpt convert language-model {settings.model} --output language-model`, train that, and put it back "
            f"with `biomedgpt init --checkpoint {settings.model}`."
        )
    if not composite and not settings.language_model_only:
        raise ValueError(
            f"{checkpoint} is a {config.model_type!r}, not a BioMedGPT: `biomedgpt init` makes one of it, or pass "
            "language_model_only to train it alone."
        )
    names = {key: getattr(arguments, key, None) for key in ("fsdp_config", "optim_target_modules")}
    model_without_weights(config, settings, names)
    return checkpoint, config


def load_for_training(settings: Settings, arguments: TrainingArguments) -> Loaded:
    """Load what a run starts from: the trained parts in float32 and the others frozen.

    Args:
        settings: `model`, `trainable`, `lora`, `dtype`, `quantization`, `language_model_only`.
        arguments: of the training; they tell whether the model will be sharded.

    Raises:
        OSError: if there is no such checkpoint.
        ValueError: if its model and processor do not fit together, or the settings do not fit it.
    """
    checkpoint, config = check_model(settings, arguments)
    composite = config.model_type == "biomedgpt"
    auto_class = AutoModelForMultimodalLM if composite else AutoModelForCausalLM
    remote = starts_empty(arguments)
    if settings.quantization and arguments.fsdp:
        raise ValueError("A quantised model cannot be sharded here: train it on one process, or without fsdp.")
    dtype = settings.frozen_dtype(bool(arguments.bf16))
    if remote:
        model = load_empty(auto_class, config, getattr(torch, dtype))
    elif composite:
        model = load_model(checkpoint, dtype=dtype, **_quantization(settings))
    else:
        model = load_foreign_model(auto_class, checkpoint, dtype=dtype, **_quantization(settings))
    if composite:
        saved_with = processor = load_processor(checkpoint)
        processor.check_model(model.config)
    else:
        saved_with = load_tokenizer(checkpoint)
        processor = BioMedGPTProcessor.from_parts(
            checkpoint, max_context_length=getattr(config, "max_position_embeddings", None)
        )
    return Loaded(_prepare(model, settings, composite, remote), processor, saved_with)


def _prepare(model: PreTrainedModel, settings: Settings, composite: bool, empty: bool) -> PreTrainedModel | PeftModel:
    """Return the model with what does not train frozen, with its adapters, and in the precisions of the run."""
    if settings.lora is not None:
        model = add_lora(model, settings.lora)
    elif composite:
        train_only(model, settings.trainable)
    train_in_float32(model, empty)
    return model


def _quantization(settings: Settings) -> dict[str, Any]:
    """Return the options that quantise the language model; the model's class keeps encoders and projectors exact."""
    if settings.quantization is None:
        return {}
    from transformers import BitsAndBytesConfig

    quantization = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=settings.quantization,
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16 if torch.cuda.is_available() else torch.float32,
    )
    return {"quantization_config": quantization}
