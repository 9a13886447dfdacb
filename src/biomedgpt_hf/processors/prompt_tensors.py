"""Rows of token ids to the tensors of a batch: padding, labels, and what else is as long as a row.

Shape letters:  B rows   T tokens of the longest
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .prompt_segments import Placeholder, Row

IGNORE_INDEX = -100  # what PyTorch's cross entropy leaves out


def check_lengths(rows: Sequence[Row], placeholders: Sequence[Placeholder], limit: int | None) -> None:
    """Raise a ValueError where a text with its atoms and residues is longer than `limit`; a text is never cut."""
    for position, row in enumerate(rows):
        ids = np.concatenate(row.ids)
        if limit is not None and len(ids) > limit:
            of_items = ", ".join(f"{(ids == p.token_id).sum():,} of a {p.modality}" for p in placeholders)
            raise ValueError(
                f"Text {position} makes {len(ids):,} tokens ({of_items}), more than the limit of {limit:,}. A text is "
                "not cut: shorten it or its items, or raise max_length or the processor's max_context_length."
            )


def row_tensors(
    rows: Sequence[Row], placeholders: Sequence[Placeholder], pad_id: int, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Return `input_ids` and what is as long as they are.

    Args:
        rows: B tokenised texts.
        placeholders: one for each modality.
        pad_id: fills `input_ids`.
        options: `padding`, `padding_side`, `max_length`, `pad_to_multiple_of` and what to return, by the names that
            transformers' tokenizers and processors have for them.

    Returns:
        `input_ids`, `attention_mask`, `labels` where rows end with an answer, and on demand `mm_token_type_ids` (0 for
        text, then 1 for the first placeholder, …): int64 [B, T], or B arrays without padding; `offset_mapping` and
        `text_replacement_offsets` as lists.
    """
    ids = [np.concatenate(row.ids) for row in rows]
    columns = {"input_ids": (ids, pad_id)}
    if options.get("return_attention_mask") is not False:
        columns["attention_mask"] = ([np.ones_like(of) for of in ids], 0)
    if any(row.answer for row in rows):
        labels = [np.full_like(of, IGNORE_INDEX) for of in ids]
        for target, of, row in zip(labels, ids, rows, strict=True):
            target[-row.answer :] = of[-row.answer :]
        columns["labels"] = (labels, IGNORE_INDEX)
    if options.get("return_mm_token_type_ids"):
        kinds = [sum(kind * (of == p.token_id) for kind, p in enumerate(placeholders, 1)) for of in ids]
        columns["mm_token_type_ids"] = (kinds, 0)
    if options.get("return_offsets_mapping"):
        columns["offset_mapping"] = ([np.concatenate(row.offsets) for row in rows], 0)

    length = padded_length(max(map(len, ids)), options)
    tensors: dict[str, Any] = {
        name: list(values) if length is None else pad_rows(values, fill, length, options["padding_side"])
        for name, (values, fill) in columns.items()
    }
    if "offset_mapping" in tensors:
        tensors["offset_mapping"] = as_lists(tensors["offset_mapping"])
    if options.get("return_text_replacement_offsets"):
        tensors["text_replacement_offsets"] = [row.replacements for row in rows]
    return tensors


def padded_length(longest: int, options: Mapping[str, Any]) -> int | None:
    """Return the common length of a batch whose longest row has `longest` tokens; None where rows keep their own."""
    padding = options.get("padding")
    strategy = "longest" if padding is True else padding or "do_not_pad"
    if strategy == "do_not_pad":
        return None
    if strategy not in ("longest", "max_length"):
        raise ValueError(f"padding={padding!r} is unknown: choose True, False, 'longest' or 'max_length'.")
    if strategy == "max_length":
        if options.get("max_length") is None:
            raise ValueError("padding='max_length' needs max_length.")
        longest = options["max_length"]
    multiple = options.get("pad_to_multiple_of") or 1
    return -(-longest // multiple) * multiple


def pad_rows(rows: Sequence[np.ndarray], value: int, length: int, side: str) -> np.ndarray:
    """Return rows filled up with `value` on their "left" or "right", int64 [B, length, ...]."""
    padded = np.full((len(rows), length, *rows[0].shape[1:]), value, dtype=np.int64)
    for target, row in zip(padded, rows, strict=True):
        first = length - len(row) if side == "left" else 0
        target[first : first + len(row)] = row
    return padded


def as_lists(value: Any) -> list[Any]:
    """Return an array, or a list of arrays, as lists of numbers."""
    return [row.tolist() if isinstance(row, np.ndarray) else row for row in value]
