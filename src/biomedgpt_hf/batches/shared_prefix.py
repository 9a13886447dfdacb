"""Several questions about one item as one sequence: its atoms or residues stand there once, then each question's rest.

    batch = BioMedGPTDataCollator(processor, share_prefix=True)(rows)     # calls `share_prefixes`
    loss = model(**batch).loss                                            # that of the ordinary batch

A mask lets each rest see the prefix and itself, and each rest's positions go on from the prefix, so every token's
attention is that of its own row. `GroupBatchSampler` brings rows about one item together. The mask is boolean, as
PyTorch's own attention ("sdpa") takes it; "eager" and flash attention do not. It has a name of its own in the batch,
since `generate` makes masks of four axes too.

Shape letters:  B rows   S sequences   T tokens of the longest
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence

from biomedgpt_hf.processors.prompt_tensors import IGNORE_INDEX

TEXT_TENSORS = ("input_ids", "attention_mask", "labels")  # what is laid out anew; all else is of items


def items_of(conversation: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, str], ...]:
    """Return a conversation's items in order, as pairs such as ("molecule", "CCO"); see `schema.to_conversation`."""
    blocks = (block for message in conversation for block in message["content"])
    return tuple((block["type"], block[block["type"]]) for block in blocks if block["type"] != "text")


@dataclass
class _Sequence:
    """Rows that stand in one sequence: their numbers in the batch, and how many tokens they share, 0 if alone."""

    rows: list[int]
    prefix: int = 0


def share_prefixes(
    batch: Mapping[str, torch.Tensor], items: Sequence[Hashable], placeholder_ids: Sequence[int]
) -> dict[str, torch.Tensor]:
    """Return a batch in which neighbouring rows about the same items share what stands before their questions differ.

    Args:
        batch: as the processor makes it, padded on either side, with `labels`.
        items: what each row is about; rows may share where these are equal and not empty.
        placeholder_ids: ids that stand for atoms and residues; all of them have to be in what is shared.

    Returns:
        `input_ids`, `attention_mask`, `labels`, `position_ids` [S, T]; `visibility_mask` bool [S, 1, T, T], true where
        a token (third axis) sees another (fourth); the items' tensors as they were, of S rows.
    """
    real = batch["attention_mask"].bool()
    ids = [row[mask] for row, mask in zip(batch["input_ids"], real, strict=True)]
    labels = [row[mask] for row, mask in zip(batch["labels"], real, strict=True)]
    sequences = _find_sequences(ids, labels, items, torch.tensor(list(placeholder_ids)))
    parts = [[slice(0, one.prefix), *(slice(one.prefix, len(ids[row])) for row in one.rows)] for one in sequences]

    def lay_out(rows: Sequence[torch.Tensor], fill: int) -> torch.Tensor:
        """Return the prefix of each sequence's first row, then the rests of all, [S, T]."""
        laid_out = []
        for one, (prefix, *rests) in zip(sequences, parts, strict=True):
            pieces = [rows[row][rest] for row, rest in zip(one.rows, rests, strict=True)]
            laid_out.append(torch.cat([rows[one.rows[0]][prefix], *pieces]))
        return pad_sequence(laid_out, batch_first=True, padding_value=fill)

    pad_id = int(batch["input_ids"][~real][0]) if not real.all() else 0
    owners = [torch.arange(1, len(of)).repeat_interleave(_sizes(of[1:])) for of in parts]
    prefixes = [torch.zeros(one.prefix, dtype=torch.long) for one in sequences]
    owner = pad_sequence([torch.cat(pair) for pair in zip(prefixes, owners, strict=True)], True, padding_value=-1)
    first = [one.rows[0] for one in sequences]
    return {
        "input_ids": lay_out(ids, pad_id),
        "attention_mask": (owner >= 0).long(),
        "labels": lay_out(labels, IGNORE_INDEX),
        "position_ids": lay_out([torch.arange(len(row)) for row in ids], 0),
        "visibility_mask": _visible(owner)[:, None],
        **{name: tensor[first] for name, tensor in batch.items() if name not in TEXT_TENSORS},
    }


def _find_sequences(
    ids: Sequence[torch.Tensor], labels: Sequence[torch.Tensor], items: Sequence[Hashable], placeholders: torch.Tensor
) -> list[_Sequence]:
    """Return which rows go into one sequence, in order."""
    sequences: list[_Sequence] = []
    for row, of_row in enumerate(ids):
        if sequences and items[row] and items[row] == items[row - 1]:
            last = sequences[-1]
            # A rest's first token has no place of its own to be predicted from, so it must not be a label.
            most = min(_first(labels[other] != IGNORE_INDEX) - 1 for other in (*last.rows, row))
            prefix = min(most, last.prefix or most, _common(ids[last.rows[0]], of_row))
            places = torch.isin(of_row, placeholders).nonzero()
            if len(places) and prefix > int(places[-1]):
                last.rows.append(row)
                last.prefix = prefix
                continue
        sequences.append(_Sequence([row]))
    return sequences


def _visible(owner: torch.Tensor) -> torch.Tensor:
    """Return which tokens each one sees, bool [S, T, T]: of those up to itself, the prefix (0) and its own rest."""
    query, key = owner[:, :, None], owner[:, None, :]
    return ((key == 0) | (key == query)).tril()


def _sizes(parts: Sequence[slice]) -> torch.Tensor:
    return torch.tensor([part.stop - part.start for part in parts])


def _common(one: torch.Tensor, other: torch.Tensor) -> int:
    """Return how many ids two rows have in common from the start."""
    length = min(len(one), len(other))
    return _first(one[:length] != other[:length])


def _first(true: torch.Tensor) -> int:
    """Return the first place that is true, or the number of places."""
    places = true.nonzero()
    return int(places[0]) if len(places) else len(true)
