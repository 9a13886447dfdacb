"""What is known of each item that was to be embedded, and how many there are.

Shape letters:  A units of an item   D width of an embedding
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from biomedgpt_hf.inference.long_runs.journal import Result

BYTES = 2  # size of a float16
MOST_FAILURES = 1_000  # the manifest lists at most so many failures, but counts all of them


class Embedded(NamedTuple):
    """One item of a row, and its embedding or the reason why there is none.

    Attributes:
        row: number of the row in the input, from 1.
        number: number of the item among the items of its row, from 1.
        id: the row's own name, which others may share.
        item: the SMILES, InChI or sequence, or another item as `item_text` writes it; None where there is none.
        values: the bytes of a float16 array, [D] or [A, D]; None on an error.
        error: why there is no embedding.
        reason: the category of the error.
        truncated: whether it was cut at its end.
    """

    row: int
    number: int
    id: str
    item: str | None
    values: bytes | None = None
    error: str | None = None
    reason: str | None = None
    truncated: bool = False

    @property
    def status(self) -> str:
        """Whether there is an embedding: "ok" or "error"."""
        return "error" if self.values is None else "ok"

    def to_result(self) -> Result:
        """Return it in the form that the journal keeps: a line of JSON, and the embedding's bytes."""
        told = [self.id, self.item, self.values is not None, self.error, self.reason, self.truncated]
        return self.row, self.number, json.dumps(told).encode() + b"\n" + (self.values or b"")

    @classmethod
    def from_result(cls, result: Result) -> Embedded:
        """Return what `to_result` made."""
        row, number, payload = result
        told, values = payload.split(b"\n", 1)
        name, item, is_embedded, *rest = json.loads(told)
        return cls(row, number, name, item, values if is_embedded else None, *rest)


class EmbeddedCounts:
    """Counts items as they are written, for the manifest."""

    def __init__(self) -> None:
        self.items = self.vectors = self.truncated = 0
        self.errors: Counter[str] = Counter()
        self.failures: list[dict[str, Any]] = []

    def see(self, results: Iterable[Result], width: int) -> Iterator[Embedded]:
        """Yield results, counted."""
        for result in results:
            one = Embedded.from_result(result)
            self.items += 1
            self.truncated += one.truncated
            if one.values is not None:
                self.vectors += len(one.values) // (BYTES * width)
            else:
                self.errors[str(one.reason)] += 1
                if len(self.failures) < MOST_FAILURES:
                    self.failures.append({"row": one.row, "number": one.number, "id": one.id, "error": one.error})
            yield one

    def counts(self) -> dict[str, Any]:
        """Return the counts and failures for the manifest."""
        failed = self.errors.total()
        return {
            "items": self.items,
            "embedded": self.items - failed,
            "vectors": self.vectors,
            "truncated": self.truncated,
            "failed": failed,
            "errors": dict(self.errors.most_common()),
            "failures": self.failures,
        }
