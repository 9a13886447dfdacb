"""Batches of whole groups of rows, such as all questions about one protein.

groups = [items_of(to_conversation(row)) for row in rows]
sampler = GroupBatchSampler(collator.row_lengths(rows), groups, max_tokens=16_384)
loader = DataLoader(rows, batch_sampler=sampler, collate_fn=BioMedGPTDataCollator(processor, share_prefix=True))
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from biomedgpt_hf.batches.batching import LengthBatchSampler, RowTooLongError

GROUP_ROWS = 16  # the attention of one sequence grows with the square of what stands in it


class GroupBatchSampler(LengthBatchSampler):
    """A `LengthBatchSampler` whose batches are made of groups: rows of a group follow each other in one batch.

    Args:
        lengths: tokens of each row, as `row_lengths` returns them.
        groups: to which group each row belongs; rows of an empty group, such as texts without items, stand alone.
        group_rows: most rows of a group; larger groups are cut, always at the same rows.
        **options: as `LengthBatchSampler` takes them. `max_rows` counts groups. A group has the tokens of all its
            rows: at least what they take where they share a prefix, so a budget of `max_tokens` holds; a group that
            has more is cut.

    Raises:
        RowTooLongError: names the first row that does not fit into a batch by itself.
        ValueError: for arguments that make no sense.
    """

    def __init__(
        self,
        lengths: Sequence[int] | np.ndarray,
        groups: Sequence[Hashable],
        *,
        group_rows: int = GROUP_ROWS,
        **options: Any,
    ) -> None:
        if len(groups) != len(lengths):
            raise ValueError(f"groups must name a group for each row, got {len(groups)} for {len(lengths)} rows.")
        if group_rows < 1:
            raise ValueError(f"group_rows must be at least 1, got {group_rows}.")
        self.members = _cut_groups(np.asarray(lengths), groups, group_rows, options.get("max_tokens"))
        try:
            super().__init__([int(sum(lengths[row] for row in rows)) for rows in self.members], **options)
        except RowTooLongError as error:  # it knows places of groups
            raise RowTooLongError(int(self.members[error.index][0]), error.length, error.max_tokens) from None
        self.batch_size = None  # of rows: batches differ

    def global_batches(self) -> list[np.ndarray]:
        """Return the epoch's batches of all processes, in order: step by step, and in a step by rank."""
        return [np.concatenate([self.members[group] for group in batch]) for batch in super().global_batches()]


def _cut_groups(
    lengths: np.ndarray, groups: Sequence[Hashable], most_rows: int, most_tokens: int | None
) -> list[np.ndarray]:
    """Return the rows of each group, in order; those of a group that is too large in several parts."""
    parts: list[list[int]] = []
    open_parts: dict[Hashable, list[int]] = {}  # of each group, the part that still takes rows
    for row, group in enumerate(groups):
        part = open_parts.get(group, []) if group else []
        fits = most_tokens is None or lengths[[*part, row]].sum() <= most_tokens
        if not (0 < len(part) < most_rows and fits):
            part = open_parts[group] = []
            parts.append(part)
        part.append(row)
    return [np.array(part) for part in parts]
