"""What travels along the road from a source file to a set: records, examples, rejections.

A builder is two functions. `read` yields the `Record`s of its sources, cheaply and in a fixed order,
in the main process. `parse` turns one record into an `Example`, or raises `RejectedRecord`; it is
pure and runs in worker processes. `pipeline.build_set` does everything else.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class RejectedRecord(Exception):
    """A source record that gives no row because something is wrong with it.

    Attributes:
        reason: a short category, counted in the manifest.
        detail: what exactly is wrong, or "".
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail

    @property
    def in_words(self) -> str:
        """The reason and the detail in one text."""
        return f"{self.reason}: {self.detail}" if self.detail else self.reason


class UnwantedRecord(RejectedRecord):
    """A sound record that this set leaves out by rule: a duplicate, an excluded or unreviewed one.

    It is listed and counted like any other, but not against `max_rejected`.
    """


class Record(NamedTuple):
    """One record of a source file, before it is parsed.

    Attributes:
        file: name of the file.
        line: line where the record begins, from 1; for formats without lines, the record's number.
        id: the record's own identifier (accession, CID, …), or "".
        content: what `parse` needs; picklable.
        problem: why there is nothing to parse, or None.
    """

    file: str
    line: int
    id: str = ""
    content: Any = None
    problem: RejectedRecord | None = None
