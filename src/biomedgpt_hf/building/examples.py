"""What builders make of records: examples, and rejections of records that give none."""

from __future__ import annotations

import json
from typing import Any, NamedTuple


class Example(NamedTuple):
    """What a record gives.

    Attributes:
        rows: rows of `schema`, one or more.
        keys: what its items are known by: `structure_key(molecule)`, the sequence in upper case, `item_key` of others.
            For text alone, the question. The first one decides the split of a record without a split of its own, so
            that it is never cut through.
        split: "train", "validation" or "test" where the source says so, else None.
        marks: identities of the record; it is a duplicate if any of them was there before.
        notes: what was changed on the way, e.g. "cropped to 256 words"; counted in the manifest.
    """

    rows: list[dict[str, Any]]
    keys: tuple[str, ...]
    split: str | None = None
    marks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


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
