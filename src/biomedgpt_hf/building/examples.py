"""What builders make out of records: examples, and rejections of records that give no example."""

from __future__ import annotations

import json
from typing import Any, NamedTuple


class Example(NamedTuple):
    """What a builder makes out of one record.

    Attributes:
        rows: one or more rows (see `rows.schema`).
        keys: the keys of its items: `structure_key(molecule)`, the sequence in upper case, `item_key` of others. For
            text without items, the question. The first key decides the split of a record without a split of its own, so
            that a key is never in two splits.
        split: "train", "validation" or "test" if the source says so, else None.
        marks: identities of the record. It is a duplicate if any of them occurred before.
        notes: what was changed, such as "cropped to 256 words". The manifest counts them.
    """

    rows: list[dict[str, Any]]
    keys: tuple[str, ...]
    split: str | None = None
    marks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class StagedExample(NamedTuple):
    """An accepted record: its number among all records, its place in the source, and what decides its split."""

    number: int
    file: str
    line: int
    id: str
    split: str | None
    keys: tuple[str, ...]


class Rejection(NamedTuple):
    """A line of `rejected.jsonl`; `faulty` is False for an `UnwantedRecord`."""

    source: str
    line: int
    id: str
    reason: str
    detail: str = ""
    faulty: bool = True

    def to_json(self) -> str:
        """Return the line, with its line break."""
        return json.dumps(self._asdict(), ensure_ascii=False) + "\n"
