"""The question that a trained checkpoint's card asks: one of its own training rows, about an item of that set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from biomedgpt_hf.rows.schema import InvalidRowError, to_conversation

SEARCHED = 100  # rows
SHORT = 120  # characters of a question and its items that a card shows well


def example_question(rows: Any) -> list[dict[str, Any]] | None:
    """Return the first question of some rows that is short enough to be read, or the first of all.

    Args:
        rows: rows of the schema that have an index, as lists and `datasets` have; of others it knows nothing.

    Returns:
        The blocks of a user's message, each item in its block; None where no row has such a message.
    """
    if not hasattr(rows, "__getitem__") or not hasattr(rows, "__len__"):
        return None
    questions = filter(None, (_question(rows[number]) for number in range(min(SEARCHED, len(rows)))))
    first = None
    for question in questions:
        if sum(len(str(block[block["type"]])) for block in question) <= SHORT:
            return question
        first = first or question
    return first


def _question(row: Any) -> list[dict[str, Any]] | None:
    if not isinstance(row, Mapping) or not row.get("messages"):
        return None
    try:
        messages = to_conversation(row)
    except InvalidRowError:
        return None
    return next((message["content"] for message in messages if message["role"] == "user"), None)
