"""Documents as batches: a text between the start and the end token, every token of it learned.

Shape letters:  B rows   T tokens of the longest
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn.functional import pad

from biomedgpt_hf.processors.prompt_segments import start_ids, tokenize_text
from biomedgpt_hf.processors.prompt_tensors import IGNORE_INDEX, pad_rows

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def document_ids(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[np.ndarray]:
    """Return the token ids of documents, int64 [start + text + end] each; special tokens in a text are plain text.

    Raises:
        ValueError: the tokenizer has no end token, or a text has a reserved character.
    """
    if tokenizer.eos_token_id is None:
        raise ValueError("A document needs an end token, but the tokenizer has none: set tokenizer.eos_token.")
    start, end = start_ids(tokenizer), [tokenizer.eos_token_id]
    return [np.array([*start, *ids, *end], dtype=np.int64) for ids, _ in tokenize_text(tokenizer, texts)]


def collate_documents(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], side: str) -> dict[str, torch.Tensor]:
    """Return `input_ids`, `attention_mask` and `labels` of documents, padded on one side, int64 [B, T]."""
    ids = document_ids(tokenizer, texts)
    longest = max(map(len, ids))
    columns = {
        "input_ids": (ids, tokenizer.pad_token_id),
        "attention_mask": ([np.ones_like(of) for of in ids], 0),
        "labels": (ids, IGNORE_INDEX),
    }
    return {name: torch.from_numpy(pad_rows(of, fill, longest, side)) for name, (of, fill) in columns.items()}


def mix(
    conversations: Mapping[str, torch.Tensor],
    documents: Mapping[str, torch.Tensor],
    are_documents: Sequence[bool],
    pad_id: int,
    side: str,
) -> dict[str, torch.Tensor]:
    """Return conversations and documents as one batch, in the order of its rows.

    Args:
        conversations: tensors of those rows, with those of their items; a document has no items.
        documents: as `collate_documents` makes them.
        are_documents: which of the B rows are documents.
        pad_id: fills `input_ids`.
        side: on which the rows are padded.
    """
    places = np.argsort(np.argsort(are_documents, kind="stable"), kind="stable")  # of each row among both
    order = torch.from_numpy(places)
    fills = {"input_ids": pad_id, "attention_mask": 0, "labels": IGNORE_INDEX}
    longest = max(conversations["input_ids"].shape[1], documents["input_ids"].shape[1])

    def widened(rows: torch.Tensor, fill: int) -> torch.Tensor:
        missing = longest - rows.shape[1]
        return pad(rows, (missing, 0) if side == "left" else (0, missing), value=fill)

    mixed = {}
    for name, tensor in conversations.items():
        if name in fills:
            rows = [widened(tensor, fills[name]), widened(documents[name], fills[name])]
        else:
            rows = [tensor, tensor.new_zeros(len(documents["input_ids"]), *tensor.shape[1:])]
        mixed[name] = torch.cat(rows)[order]
    return mixed
