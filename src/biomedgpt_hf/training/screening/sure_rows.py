"""Rows that a collator surely builds, and how long they become, known without building them.

Building a row makes tensors that screening throws away. Here conversations are rendered and tokenised many at once, and
items are checked without making their tensors. Whatever is not sure, above all every row that could be refused, is
built after all: the collator alone says what is wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from rdkit import rdBase

from biomedgpt_hf.batches.collator import BioMedGPTDataCollator
from biomedgpt_hf.batches.lengths import TokenCounter
from biomedgpt_hf.rows.documents import is_document
from biomedgpt_hf.rows.schema import to_conversation

# Arguments of a collator that do not change what is said here; with others, rows are built.
PROCESSOR_ARGUMENTS = {"padding", "padding_side", "truncation"}
TEMPLATE_ARGUMENTS = {"chat_template"}
REMEMBERED_ITEMS = 1 << 15  # items that stand in several rows are read once, if not too many others lie between
WRITTEN = re.compile("[A-Za-z0-9]")  # what every tokenizer has tokens for

Conversation = list[dict[str, Any]]


class SureRows:
    """Tells the lengths of rows that a collator surely builds.

    A template decides what of a row is learned. So the first row of each layout, the roles and kinds of its blocks, is
    built, and others of this layout are sure only if that one was, and was as long as it was said to be.

    Args:
        collator: of the run; of other kinds than `BioMedGPTDataCollator` itself no row is sure.
        text_only: rows with items are to be rejected.
    """

    def __init__(self, collator: Any, text_only: bool = False) -> None:
        self._collator, self._text_only = collator, text_only
        self._counter: TokenCounter | None = None
        if (
            type(collator) is BioMedGPTDataCollator
            and hasattr(collator.processor, "readers")
            and collator.processor_kwargs.keys() <= PROCESSOR_ARGUMENTS
            and collator.template_arguments.keys() <= TEMPLATE_ARGUMENTS
        ):
            self._counter = TokenCounter(collator.processor, collator.processor_kwargs, collator.template_arguments)
            self._truncation = self._counter.options["truncation"]
        self._layouts: dict[Hashable, bool] = {}  # those that were tried, and whether they can be relied on
        self._measured: dict[tuple[str, Hashable], int | None] = {}

    def lengths(self, rows: Sequence[Mapping[str, Any]]) -> list[int]:
        """Return the length of each row, 0 where it is not sure that the collator builds the row."""
        lengths = [0] * len(rows)
        if (counter := self._counter) is None:
            return lengths
        conversations = {place: one for place, row in enumerate(rows) if (one := self._read(row)) is not None}
        with rdBase.BlockLogs():
            self._count(counter, list(conversations.items()), lengths)
        for place, conversation in conversations.items():
            layout = _layout(conversation)
            if layout not in self._layouts:
                self._layouts[layout] = lengths[place] > 0 and self._is_built(rows[place], lengths[place])
            if not self._layouts[layout]:
                lengths[place] = 0
        return lengths

    def _read(self, row: Mapping[str, Any]) -> Conversation | None:
        """Return a row's conversation if its answers are surely learned."""
        if is_document(row):
            return None
        try:
            conversation = to_conversation(row)
        except ValueError:
            return None
        answers = [message["content"] for message in conversation if message["role"] == "assistant"]
        if not answers or not all(WRITTEN.search(block.get("text", "")) for blocks in answers for block in blocks):
            return None
        return conversation

    def _count(self, counter: TokenCounter, some: Sequence[tuple[int, Conversation]], lengths: list[int]) -> None:
        """Write the lengths of conversations to their places. Where one is refused, halves are tried."""
        try:
            texts = counter.read_texts([conversation for _, conversation in some]) if some else []
        except ValueError:
            if len(some) > 1:
                for half in (some[: len(some) // 2], some[len(some) // 2 :]):
                    self._count(counter, half, lengths)
            return
        limits = (self._collator.max_length, self._collator.processor.max_context_length)
        for (place, conversation), text in zip(some, texts, strict=True):
            length = self._with_items(conversation, text.tokens, text.separators)
            if all(limit is None or length <= limit for limit in limits):
                lengths[place] = length

    def _with_items(self, conversation: Conversation, tokens: int, separators: Sequence[str]) -> int:
        """Return the tokens of a text and its items, 0 where an item is not sure, or has not its placeholder."""
        items = [(block["type"], block[block["type"]]) for one in conversation for block in one["content"]]
        items = [(modality, item) for modality, item in items if modality != "text"]
        if items and self._text_only:
            return 0
        readers = self._collator.processor.readers
        kinds = [modality for modality, _ in items]
        if any(separators.count(reader.placeholder) != kinds.count(name) for name, reader in readers.items()):
            return 0
        for modality, item in items:
            measured = self._measure(modality, item)
            if measured is None:
                return 0
            tokens += measured
        return tokens

    def _measure(self, modality: str, item: Any) -> int | None:
        if not isinstance(item, str):
            return None
        key = (modality, item)
        if key not in self._measured:
            if len(self._measured) >= REMEMBERED_ITEMS:
                self._measured.clear()
            reader, truncation = self._collator.processor.readers.get(modality), self._truncation
            self._measured[key] = reader and reader.measure(item, self._collator.processor, truncation=truncation)
        return self._measured[key]

    def _is_built(self, row: Mapping[str, Any], length: int) -> bool:
        """Whether the collator builds a row, with this length."""
        try:
            return self._collator([row])["input_ids"].numel() == length
        except ValueError:
            return False


def _layout(conversation: Conversation) -> Hashable:
    return tuple((message["role"], *(block["type"] for block in message["content"])) for message in conversation)
