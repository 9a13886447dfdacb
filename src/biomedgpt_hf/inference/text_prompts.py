"""Prompts in which molecules and proteins are text: SMILES and residues where an aligned model has their features.

The paper's baselines without alignment (§4.2, §4.3) are asked so, and any language model can be.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from biomedgpt_hf.confidence.signs import AS_TEXT
from biomedgpt_hf.files.items.cells import item_text
from biomedgpt_hf.modalities import MODALITIES, PROTEIN
from biomedgpt_hf.processors.chat_templates import paper_template
from biomedgpt_hf.processors.control_tokens import control_tokens
from biomedgpt_hf.processors.item_readers import ITEM_READERS
from biomedgpt_hf.processors.processing_biomedgpt import BioMedGPTProcessor

Messages = Sequence[Mapping[str, Any]]
NEXT_TURN = "### Human:"  # begins a turn in the paper's format; a model that goes on with one has given its answer


class TextProcessor:
    """Writes conversations as a language model reads them, with each item as text in the place of its features.

    It has what the `Preparer` of predictions asks of a processor. Special tokens that a message or an item spells are
    plain text, as everywhere.

    Args:
        tokenizer: the language model's. It is copied.
        chat_template: "paper", "language-model" for the tokenizer's own, a file, or a template's text; None for the
            tokenizer's own, or where it has none the paper's.
        vocabulary_size: of the model, whose embedding has no row for a padding token beyond it.
        longest: most tokens of a prompt whose proteins are cut; None for no limit.

    Attributes:
        facts: how items are put, for the manifest, as JSON values.

    Raises:
        ValueError: there is no such template.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        chat_template: str | PathLike | None = None,
        *,
        vocabulary_size: int,
        longest: int | None = None,
    ) -> None:
        chosen = chat_template or ("language-model" if tokenizer.chat_template else "paper")
        self._writer = BioMedGPTProcessor.from_parts(tokenizer, chat_template=chosen, modalities=list(ITEM_READERS))
        self.tokenizer, self.longest = self._writer.tokenizer, longest
        if self.tokenizer.pad_token_id >= vocabulary_size:
            self.tokenizer.pad_token_id = tokenizer.eos_token_id or 0  # it is masked, so any id will do
        self._template = str(self._writer.chat_template)
        self._is_paper = self._template == paper_template()
        self._modalities = {placeholder.token: placeholder.modality for placeholder in self._writer.placeholders}
        self._placeholder = re.compile("|".join(map(re.escape, self._modalities)))
        self.facts = {
            "items": AS_TEXT,
            "chat_template": "paper" if self._is_paper else "of its own" if "{" in str(chosen) else Path(chosen).name,
            "chat_template_sha256": hashlib.sha256(self._template.encode()).hexdigest(),
        }

    def __call__(self, **columns: Any) -> dict[str, Any]:
        """Return no tensors of items: they are text."""
        return {}

    def apply_chat_template(
        self,
        conversation: Sequence[Any],
        *,
        add_generation_prompt: bool = False,
        tokenize: bool = False,
        return_dict: bool = True,
        processor_kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Write conversations as prompts, or make the batch of them.

        Args:
            conversation: a list of messages with each item inside its block, or a list of such lists.
            add_generation_prompt: end with what stands before an answer.
            tokenize: return `input_ids` and `attention_mask`, [B, T] each, and not the texts.
            return_dict: as transformers' processors have it; tokens always come with their names.
            processor_kwargs: options of the processor's call, such as padding. `truncation` cuts proteins at their
                ends, all at the same length, until their prompt has at most `longest` tokens.

        Raises:
            ValueError: a message is none, a text holds a placeholder, or a prompt is too long without its proteins.
        """
        is_batched = not isinstance(conversation[0], Mapping)
        conversations = conversation if is_batched else [conversation]
        prompts = self._writer.apply_chat_template(
            conversations, add_generation_prompt=add_generation_prompt, sanitize_control_tokens=tokenize
        )
        options = dict(processor_kwargs or {})
        is_cut = bool(options.pop("truncation", False))
        filled = [
            self._fill(prompt, _items(messages), tokenize, is_cut)
            for prompt, messages in zip(prompts, conversations, strict=True)
        ]
        if tokenize:
            return self._tokenize(filled, **options)
        return filled if is_batched else filled[0]

    def decode(self, ids: Any, **options: Any) -> str:
        """Return token ids as text; an answer in the paper's format ends where the model begins the next turn."""
        text = str(self.tokenizer.decode(ids, **options))
        return text.partition(NEXT_TURN)[0] if self._is_paper else text

    def _fill(self, prompt: str, items: Mapping[str, Sequence[str]], marked: bool, is_cut: bool) -> str:
        """Return a prompt with items in the places of the placeholders."""
        write = partial(self._write, prompt, items, marked)
        whole = write()
        if not is_cut or self.longest is None or self._length(whole) <= self.longest:
            return whole
        kept = bisect_right(range(len(whole)), self.longest, key=lambda residues: self._length(write(residues))) - 1
        if kept < 1:
            raise ValueError(f"The prompt has no room for a residue: without any, it has {self._length(write(0)):,} "
                             f"tokens, and {self.longest:,} leave room for an answer.")  # fmt: skip
        return write(kept)

    def _write(self, prompt: str, items: Mapping[str, Sequence[str]], marked: bool, residues: int | None = None) -> str:
        left = {modality: iter(of_modality) for modality, of_modality in items.items()}

        def text(placeholder: re.Match[str]) -> str:
            modality = self._modalities[placeholder[0]]
            item = next(left[modality])[: residues if modality == PROTEIN.name else None]
            return str(control_tokens(self.tokenizer, self._template).mark(item)) if marked else item

        return self._placeholder.sub(text, prompt)

    def _length(self, prompt: str) -> int:
        return len(self._tokenize([prompt])["input_ids"][0])

    def _tokenize(self, prompts: list[str], **options: Any) -> Any:
        start = self.tokenizer.bos_token
        if start and prompts[0].startswith(start):  # the template has written it, as transformers' processors see it
            options["add_special_tokens"] = False
        return self._writer(text=prompts, sanitize_control_tokens=True, **options)


def _items(messages: Messages) -> dict[str, list[str]]:
    """Return the items of a conversation as texts, by their modality."""
    items: dict[str, list[str]] = {}
    for block in (
        block for message in messages if not isinstance(message["content"], str) for block in message["content"]
    ):
        if block["type"] in MODALITIES:
            items.setdefault(block["type"], []).append(item_text(block[block["type"]]))
    return items
