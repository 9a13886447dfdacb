"""Rows to training batches: labels on the answers only, in the original's token layout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from biomedgpt_hf.batches.documents import collate_documents, mix
from biomedgpt_hf.batches.lengths import ROWS_AT_ONCE, row_lengths
from biomedgpt_hf.batches.packing import pack
from biomedgpt_hf.batches.shared_prefix import items_of, share_prefixes
from biomedgpt_hf.modalities import MODALITIES
from biomedgpt_hf.processors.prompt_tensors import IGNORE_INDEX
from biomedgpt_hf.rows.documents import is_document
from biomedgpt_hf.rows.schema import to_conversation

if TYPE_CHECKING:
    import datasets
    from transformers import ProcessorMixin

LENGTH_COLUMN = "length"  # transformers' default `length_column_name`


class BioMedGPTDataCollator:
    """Makes one batch of rows as `datasets` gives them (see `schema` for their form).

    The processor's chat template lays out each conversation and marks the assistant's tokens, end
    of sequence included; these are the labels. Everything else is -100: system and user turns,
    placeholders, padding. Of a document (see `documents`) every token is a label.

    Args:
        processor: has `apply_chat_template` as processors of transformers do; where it has
            `molecule_token_id` and the like, no label is ever one of them.
        padding_side: "right" for training, as the original does.
        max_length: most tokens a row may have, atoms and residues included; None for no limit
            beyond the processor's own.
        processor_kwargs: options of the processor's call, e.g. {"truncation": True} for proteins.
        packing: put all rows of a batch into one sequence without padding (see `packing`).
        share_prefix: put neighbouring rows about one item into one sequence that holds it once (see `shared_prefix`).
        **template_arguments: passed on to `apply_chat_template`, e.g. `chat_template`.
    """

    def __init__(
        self,
        processor: ProcessorMixin,
        padding_side: str = "right",
        max_length: int | None = None,
        processor_kwargs: Mapping[str, Any] | None = None,
        packing: bool = False,
        share_prefix: bool = False,
        **template_arguments: Any,
    ) -> None:
        if padding_side not in ("left", "right"):
            raise ValueError(f"padding_side must be 'left' or 'right', got {padding_side!r}.")
        if packing and share_prefix:
            raise ValueError("packing=True and share_prefix=True lay the rows of a batch out differently: choose one.")
        self.processor = processor
        self.packing, self.share_prefix = packing, share_prefix
        self.max_length, self.padding_side = max_length, padding_side
        self.processor_kwargs = {**(processor_kwargs or {}), "padding": True, "padding_side": padding_side}
        self.template_arguments = template_arguments
        token_ids = (getattr(processor, modality.token_id, None) for modality in MODALITIES.values())
        self.placeholder_ids = [token_id for token_id in token_ids if token_id is not None]

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the processor's tensors and `labels`, int64 [B, T]; `pack` or `share_prefixes` say what they become.

        Raises:
            ValueError: a row has no assistant message, breaks the row's rules (`InvalidRowError`),
                cannot be processed, is longer than `max_length`, or gets no label from the
                template; names its id.
        """
        are_documents = [is_document(row) for row in rows]
        documents = [row for row in rows if is_document(row)]
        conversing = [row for row in rows if not is_document(row)]
        conversations = [self._conversation(row) for row in conversing]
        batch = self._collate_conversations(conversing, conversations) if conversing else {}
        if documents:
            texts = self._collate_documents(documents)
            batch = mix(batch, texts, are_documents, self._pad_id, self.padding_side) if batch else texts
        if self.packing:
            return pack(batch)
        if self.share_prefix:
            of_items = iter([items_of(one) for one in conversations])
            items = [() if alone else next(of_items) for alone in are_documents]
            return share_prefixes(batch, items, self.placeholder_ids)
        return batch

    def row_lengths(self, rows: Iterable[Mapping[str, Any]]) -> np.ndarray:
        """Return the number of tokens that each row will have here; see `lengths.row_lengths`."""
        return row_lengths(rows, self.processor, self.processor_kwargs, **self.template_arguments)

    @property
    def _pad_id(self) -> int:
        return self.processor.tokenizer.pad_token_id

    def _collate_documents(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        batch = collate_documents(self.processor.tokenizer, [row["text"] for row in rows], self.padding_side)
        self._check_lengths(rows, batch)
        return batch

    def _collate_conversations(
        self, rows: Sequence[Mapping[str, Any]], conversations: list[list[dict[str, Any]]]
    ) -> dict[str, Any]:
        """Return the processor's tensors of conversations, and their `labels`."""
        try:
            batch = self._process(conversations)
        except ValueError:
            self._name_culprit(rows, conversations)
            raise
        self._check_lengths(rows, batch)
        input_ids = batch["input_ids"]
        answered = torch.as_tensor(batch.pop("assistant_masks")).bool()
        answered &= batch["attention_mask"].bool()
        for token_id in self.placeholder_ids:
            answered &= input_ids != token_id
        for row, has_label in zip(rows, answered.any(dim=1).tolist(), strict=True):
            if not has_label:
                raise ValueError(
                    f"Row {row.get('id')!r} has no token to learn: the chat template marks no "
                    "assistant token. Put the answer inside {% generation %} in the template."
                )
        batch["labels"] = input_ids.masked_fill(~answered, IGNORE_INDEX)
        return batch

    def _process(self, conversations: list[list[dict[str, Any]]]) -> dict[str, Any]:
        return dict(
            self.processor.apply_chat_template(
                conversations,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
                return_assistant_tokens_mask=True,
                processor_kwargs=dict(self.processor_kwargs),
                **self.template_arguments,
            )
        )

    def _name_culprit(self, rows: Sequence[Mapping[str, Any]], conversations: Sequence[list[dict[str, Any]]]) -> None:
        """Raise the error of the row that cannot be processed: the processor knows places in a batch, not ids."""
        for row, conversation in zip(rows, conversations, strict=True):
            try:
                self._process([conversation])
            except ValueError as error:
                raise ValueError(f"Row {row.get('id')!r}: {error}") from error

    def _conversation(self, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        conversation = to_conversation(row)
        if not any(message["role"] == "assistant" for message in conversation):
            raise ValueError(
                f"Row {row.get('id')!r} has no assistant message, so there is nothing to learn. "
                "Add the answer, or leave the row out of training."
            )
        return conversation

    def _check_lengths(self, rows: Sequence[Mapping[str, Any]], batch: Mapping[str, Any]) -> None:
        if self.max_length is None:
            return
        for row, length in zip(rows, batch["attention_mask"].sum(dim=1).tolist(), strict=True):
            if length > self.max_length:
                raise ValueError(
                    f"Row {row.get('id')!r} has {length} tokens, more than max_length="
                    f"{self.max_length}. Filter such rows out first (row_lengths tells which), or raise max_length."
                )


def add_lengths(
    rows: datasets.Dataset,
    collator: BioMedGPTDataCollator,
    column: str = LENGTH_COLUMN,
    num_proc: int | None = None,
) -> datasets.Dataset:
    """Return a data set with its rows' lengths as a column; `datasets` keeps them for the next run.

    Args:
        rows: a data set of rows.
        collator: with which they will be collated.
        column: name of the new column, int64.
        num_proc: number of processes, as for `Dataset.map`.
    """
    return rows.map(
        _lengths_of_columns,
        batched=True,
        batch_size=ROWS_AT_ONCE,
        fn_kwargs={"collator": collator, "column": column},
        num_proc=num_proc,
        desc="lengths",
    )


def _lengths_of_columns(
    columns: Mapping[str, Sequence[Any]], collator: BioMedGPTDataCollator, column: str
) -> dict[str, np.ndarray]:
    rows = (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))
    return {column: collator.row_lengths(rows)}
