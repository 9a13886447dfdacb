"""The same model, asked about something else: another item, or none.

A model that answers as well about another molecule, or about none, has not looked at the molecule.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from biomedgpt_hf.evaluation.set_rows import AskedRow
from biomedgpt_hf.files.items.cells import item_identity

SWAPPED, REMOVED = "another item", "no item"
Message = dict[str, Any]


def with_other_items(rows: Sequence[AskedRow], *, seed: int = 0) -> list[AskedRow]:
    """Return the rows about another row's item each; all questions about one item are asked about the same other one.

    Args:
        rows: rows of a set. Those without items stay as they are.
        seed: of the exchange, in which no item keeps its own.

    Raises:
        ValueError: there are not two different items of a modality, so that nothing can be exchanged.
    """
    random = np.random.default_rng(seed)
    other: dict[str, dict[Hashable, Any]] = {}
    for modality in dict.fromkeys(name for row in rows for name in row.expected.items):
        given = (item for row in rows for item in row.expected.items.get(modality, ()))
        items = list({item_identity(item): item for item in given}.values())
        if len(items) < 2:
            raise ValueError(f"All rows are about one {modality}, so there is no other one to ask about.")
        order = random.permutation(len(items))
        other[modality] = {
            item_identity(items[one]): items[two] for one, two in zip(order, np.roll(order, 1), strict=True)
        }

    def exchange(block: dict[str, Any]) -> list[dict[str, Any]]:
        modality = block["type"]
        return [{"type": modality, modality: other[modality][item_identity(block[modality])]}]

    return [_changed(row, exchange) for row in rows]


def without_items(rows: Sequence[AskedRow]) -> list[AskedRow]:
    """Return the rows with their questions only."""
    return [_changed(row, lambda block: []) for row in rows]


def _changed(row: AskedRow, change: Callable[[dict[str, Any]], list[dict[str, Any]]]) -> AskedRow:
    """Return a row whose item blocks are changed; what it is scored against stays the same."""
    messages: list[Message] = []
    for message in row.messages:
        blocks = [
            new for block in message["content"] for new in ([block] if block["type"] == "text" else change(block))
        ]
        messages.append({**message, "content": blocks})
    return row._replace(messages=messages)
