"""What answers: a BioMedGPT, or any causal language model alone, behind one face."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

import torch

from biomedgpt_hf.inference.language_models import OWN_TEMPLATE, is_language_model, load_language_model
from biomedgpt_hf.inference.loading import load
from biomedgpt_hf.mini import mini_checkpoint
from biomedgpt_hf.modalities import MODALITIES
from biomedgpt_hf.processors.chat_templates import find_template

CONTEXT_FIELDS = ("n_positions", "max_position_embeddings", "n_ctx")  # as lm-evaluation-harness looks for them
DEFAULT_CONTEXT = 2048  # its assumption where nothing tells the context
UNLIMITED = int(1e30)  # a tokenizer's word for "unknown"


@dataclass(frozen=True)
class Answerer:
    """A model that answers, and what reads its prompts.

    Attributes:
        model: a causal language model, or a `BioMedGPTForConditionalGeneration`, in evaluation mode.
        tokenizer: of the language model.
        processor: the BioMedGPT's; None for a language model alone.
    """

    model: Any
    tokenizer: Any
    processor: Any = None

    @property
    def modalities(self) -> tuple[str, ...]:
        """Return the modalities whose items the model sees itself."""
        return tuple(self.processor.modalities) if self.processor is not None else ()

    @property
    def chat_template(self) -> str:
        """Return the template of its conversations, "" where it has none."""
        return str((self.processor or self.tokenizer).chat_template or "")

    @property
    def context_length(self) -> int:
        """Return how many tokens the language model reads, by the rule of lm-evaluation-harness."""
        text_config = self.model.config.get_text_config()
        for config in (text_config, self.model.config):
            for field in CONTEXT_FIELDS:
                if length := getattr(config, field, None):
                    return int(length)
        length = self.tokenizer.model_max_length
        return DEFAULT_CONTEXT if length is None or length >= UNLIMITED else int(length)

    @property
    def pad_id(self) -> int:
        """Return the id that fills batches; it is masked, so any id will do where the tokenizer has none."""
        known = (self.tokenizer.pad_token_id, self.tokenizer.eos_token_id, 0)
        return next(number for number in known if number is not None)

    def pad(self, ids: Sequence[Sequence[int]], *, left: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Return tokens of different numbers as one batch on the model's device, ids and mask, int64 [B, T].

        Args:
            ids: of each row.
            left: whether padding stands before them, or else behind.
        """
        width = max(map(len, ids))
        tokens = torch.full((len(ids), width), self.pad_id)
        mask = torch.zeros_like(tokens)
        for row, of_row in enumerate(ids):
            place = slice(width - len(of_row), None) if left else slice(len(of_row))
            tokens[row, place] = torch.tensor(of_row, dtype=torch.long)
            mask[row, place] = 1
        return tokens.to(self.model.device), mask.to(self.model.device)

    def item_tensors(self, items: Sequence[Mapping[str, Sequence[Any]]]) -> dict[str, torch.Tensor]:
        """Return the tensors of a batch's items on the model's device.

        Args:
            items: of each row, by the name of their modality.
        """
        samples = {modality.column: [list(row.get(name, ())) for row in items] for name, modality in MODALITIES.items()}
        columns: dict[str, Any] = {column: of_rows for column, of_rows in samples.items() if any(of_rows)}
        if not columns:
            return {}
        with warnings.catch_warnings(action="ignore", category=UserWarning):
            tensors = self.processor(**columns, return_tensors="pt")
        return {name: tensor.to(self.model.device) for name, tensor in tensors.items()}


def load_answerer(
    checkpoint: str | PathLike | None = None,
    device: str | torch.device | None = None,
    dtype: str = "auto",
    revision: str | None = None,
    items_as_text: bool = False,
    chat_template: str | PathLike | None = None,
) -> Answerer:
    """Load a BioMedGPT or a causal language model.

    Args:
        checkpoint: folder or Hub id; None is the embedded demonstration.
        device: where to run; None is the first of cuda, mps, cpu.
        dtype: "float32", "bfloat16", "float16", or "auto" for the precision that the checkpoint was saved in.
        revision: branch, tag or commit of a BioMedGPT on the Hub.
        items_as_text: let a BioMedGPT read molecules and proteins of a question as text, as any other model does.
        chat_template: "paper", "language-model" or a file, in the place of the model's own; none for a BioMedGPT that
            sees its items.

    Raises:
        OSError: there is no such checkpoint.
        ValueError: a file of the checkpoint cannot be used, files do not fit together, or there is no such dtype or
            device.
    """
    name = str(checkpoint or mini_checkpoint())
    if not is_language_model(name, revision):
        model, processor = load(name, device, dtype, revision)
        if not items_as_text:
            if chat_template is not None:
                raise ValueError(OWN_TEMPLATE.format(str(chat_template)))
            return Answerer(model, processor.tokenizer, processor)
        tokenizer = copy.deepcopy(processor.tokenizer)
        tokenizer.chat_template = processor.chat_template
    else:
        model, tokenizer = load_language_model(name, device, dtype, revision)
    if chat_template is not None:
        tokenizer.chat_template = find_template(chat_template, tokenizer)
    return Answerer(model, tokenizer)
