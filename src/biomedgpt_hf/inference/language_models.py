"""Language models alone, and BioMedGPTs that are asked like one: items are written out in the prompt."""

from __future__ import annotations

from os import PathLike
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedConfig, PreTrainedTokenizerBase

from biomedgpt_hf.checkpoints import find_config, load_foreign_model, load_tokenizer
from biomedgpt_hf.device import best_device
from biomedgpt_hf.inference.answering import context_length
from biomedgpt_hf.inference.loading import check_machine, load, open_checkpoint, ready
from biomedgpt_hf.inference.text_prompts import TextProcessor
from biomedgpt_hf.mini import mini_checkpoint

OWN_TEMPLATE = (
    "chat_template is {!r}, but a BioMedGPT that sees its items has its own. Write them as text (--items-as-text, or "
    "items_as_text=True), or leave it out."
)
Name = str | PathLike | None
Device = str | torch.device | None


def is_language_model(checkpoint: Name, revision: str | None = None) -> bool:
    """Tell whether a checkpoint is a model other than a BioMedGPT, so that it sees no molecules and proteins.

    Raises:
        OSError, ValueError: there is no such checkpoint, or its configuration cannot be read.
    """
    return bool(find_config(str(checkpoint or mini_checkpoint()), revision).model_type != "biomedgpt")


def load_language_model(
    checkpoint: str, device: Device = None, dtype: str = "auto", revision: str | None = None
) -> tuple[Any, PreTrainedTokenizerBase]:
    """Load any causal language model, in evaluation mode, and its tokenizer.

    Args:
        checkpoint: folder or Hub id.
        device: where to run; None is the first of cuda, mps, cpu.
        dtype: "float32", "bfloat16", "float16", or "auto" for the precision that the checkpoint was saved in.
        revision: refused, since only a BioMedGPT's is read.

    Raises:
        OSError: there is no such checkpoint.
        ValueError: a file of it cannot be used, files do not fit together, or there is no such dtype or device.
    """
    check_machine(device, dtype)
    _refuse_revision(checkpoint, revision)
    model = load_foreign_model(AutoModelForCausalLM, checkpoint, dtype=dtype)
    return ready(model, device or best_device(), dtype), load_tokenizer(checkpoint)


def open_as_text(
    checkpoint: Name,
    device: Device = None,
    dtype: str = "auto",
    revision: str | None = None,
    *,
    chat_template: str | PathLike | None = None,
    new_tokens: int = 0,
) -> tuple[PreTrainedConfig, TextProcessor]:
    """Read all of a checkpoint but its weights, as `open_checkpoint`, for prompts with items as text.

    Args:
        checkpoint, device, dtype, revision: as for `load_as_text`.
        chat_template: see `TextProcessor`; None for a BioMedGPT's own.
        new_tokens: room that a protein, where it is cut, leaves for an answer.

    Raises:
        OSError, ValueError: see `load_as_text`.
    """
    if is_language_model(checkpoint, revision):
        check_machine(device, dtype)
        _refuse_revision(str(checkpoint), revision)
        config: PreTrainedConfig = find_config(str(checkpoint))
        tokenizer = load_tokenizer(str(checkpoint))
    else:
        config, processor = open_checkpoint(checkpoint, device, dtype, revision)
        tokenizer, chat_template = processor.tokenizer, chat_template or processor.chat_template
    context = context_length(config)
    if context is not None and new_tokens >= context:
        raise ValueError(f"max_new_tokens is {new_tokens:,}, but {checkpoint} reads {context:,} tokens in all.")
    size = config.get_text_config().vocab_size
    longest = None if context is None else context - new_tokens
    return config, TextProcessor(tokenizer, chat_template, vocabulary_size=size, longest=longest)


def load_as_text(
    checkpoint: Name, device: Device = None, dtype: str = "auto", revision: str | None = None, **prompts: Any
) -> tuple[Any, TextProcessor]:
    """Load a model that reads items as text, in evaluation mode, and what writes its prompts.

    Args:
        checkpoint: folder or Hub id of a causal language model or of a BioMedGPT; None is the embedded demonstration.
        device: where to run; None is the first of cuda, mps, cpu.
        dtype: "float32", "bfloat16", "float16", or "auto" for the precision that the checkpoint was saved in.
        revision: branch, tag or commit of a BioMedGPT on the Hub.
        prompts: `chat_template` and `new_tokens`, see `open_as_text`.

    Raises:
        OSError: there is no such checkpoint.
        ValueError: a file of it cannot be used, files do not fit together, or there is no such template, dtype or
            device.
    """
    _, processor = open_as_text(checkpoint, device, dtype, revision, **prompts)
    if is_language_model(checkpoint, revision):
        model, _ = load_language_model(str(checkpoint), device, dtype, revision)
        model.generation_config.pad_token_id = processor.tokenizer.pad_token_id
    else:
        model, _ = load(checkpoint, device, dtype, revision)
    return model, processor


def _refuse_revision(checkpoint: str, revision: str | None) -> None:
    if revision is not None:
        told = f"revision is {revision!r}, but {checkpoint} is no BioMedGPT"
        raise ValueError(f"{told}: download that revision to a folder.")
