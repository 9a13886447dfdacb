"""The rows of a set as questions with references: what is asked, and what the answer is compared with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from biomedgpt_hf.evaluation.answers import Answered
from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.neighbours.known_items import read_set_rows, set_files
from biomedgpt_hf.rows.schema import InvalidRowError, entry_date_of, to_conversation

AnyRow = TypeVar("AnyRow")
SPLITS = ("test", "validation")  # the first that a set has is scored


class AskedRow(NamedTuple):
    """A row of a set, ready to be asked and scored.

    Attributes:
        messages: the conversation up to the last answer, with each item inside its block.
        expected: the row's name, question, reference, task and items, without an answer.
    """

    messages: list[dict[str, Any]]
    expected: Answered


def read_asked_rows(folder: str | PathLike, split: str | None = None) -> Iterator[AskedRow]:
    """Yield the rows of a set that have a reference to compare with. The last answer of a conversation is asked for.

    Args:
        folder: a set that `biomedgpt data` made.
        split: "test", "validation" or "train"; None for the first of test and validation that the set has.

    Raises:
        SourceError: it is no set, has no such split, is damaged, or a row breaks the rules or has no reference.
        OSError: the folder is missing.
    """
    folder = Path(folder)
    for path in set_files(folder, [split or chosen_split(folder)]):
        for number, row in enumerate(read_set_rows(path), start=1):
            try:
                yield asked_row(row)
            except ValueError as error:
                raise SourceError(path, 0, "unusable row", f"row {number}: {error}") from error


def has_split(folder: Path, split: str) -> bool:
    """Tell whether a set has rows of a split.

    Raises:
        OSError: the folder is missing.
    """
    try:
        return bool(set_files(folder, [split]))
    except SourceError:
        return False


def chosen_split(folder: Path) -> str:
    """Return the split that is scored where none is named.

    Raises:
        SourceError: the set has neither a test nor a validation split.
    """
    for split in SPLITS:
        if has_split(folder, split):
            return split
    raise SourceError(folder, 0, "no split", f"has no {' and no '.join(SPLITS)} rows. Name the split to score.")


def equally_spaced(rows: Sequence[AnyRow], limit: int | None) -> Sequence[AnyRow]:
    """Return at most `limit` rows, equally spaced; None for all.

    Raises:
        ValueError: the limit is not positive.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit is {limit}. Score at least 1 row, or leave it out for all.")
    if limit is None or limit >= len(rows):
        return rows
    return [rows[place * len(rows) // limit] for place in range(limit)]


def asked_row(row: dict[str, Any]) -> AskedRow:
    """Return a row as a question with its reference.

    Raises:
        ValueError: the row breaks the rules of `rows.schema`, or its last answer is missing or blank.
    """
    conversation = to_conversation(row)
    places = [place for place, message in enumerate(conversation) if message["role"] == "assistant"]
    reference = _words(conversation[places[-1]]) if places else ""
    if not places or places[-1] == 0 or not reference.strip():
        raise InvalidRowError(row.get("id"), "messages", "there is no answer to a question to compare with")
    asked = conversation[: places[-1]]
    items: dict[str, list[Any]] = {}
    for block in (block for message in asked for block in message["content"] if block["type"] != "text"):
        items.setdefault(block["type"], []).append(block[block["type"]])
    question = next((_words(message) for message in reversed(asked) if message["role"] == "user"), "")
    expected = Answered(
        id=row["id"],
        answer="",
        reference=reference,
        question=question,
        task=row.get("task") or "",
        items={name: tuple(of_modality) for name, of_modality in items.items()},
        entry_date=entry_date_of(row),
        source=row.get("source") or "",
    )
    return AskedRow(asked, expected)


def _words(message: dict[str, Any]) -> str:
    return "\n".join(block["text"] for block in message["content"] if block["type"] == "text")
