"""Embeddings as a file, in constant memory: Parquet, or safetensors.

    Parquet       a row for each item: row, number, id, item, status, error, truncated, embedding (null on an error)
    safetensors   embeddings [N, D], or [T, D] with offsets [N + 1]; rows, numbers [N]; ids and items as JSON lists and
                  the facts in the header. Items without an embedding are left out.

Shape letters:  N items   T their atoms or residues   D width of an embedding
"""

from __future__ import annotations

import json
import struct
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa

from biomedgpt_hf.disk.parquet import ParquetWriter
from biomedgpt_hf.inference.long_runs.journal import Result

SUFFIXES = (".parquet", ".safetensors")
BYTES = 2  # size of a float16
ROWS_PER_GROUP, BYTES_PER_GROUP = 1_000, 2**26
LARGEST_HEADER = 100_000_000  # bytes; readers of safetensors accept no longer header
HEADER_FRAME = 65_536  # bytes; the other entries of the header take at most this much
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


def header_bytes(name: str, item: str) -> int:
    """Return how many bytes an item takes in the header of a safetensors file: JSON within JSON."""
    return sum(len(json.dumps(json.dumps(text))) for text in (name, item))


def write_parquet(
    path: Path, results: Iterable[Result], *, width: int, level: str, about: Mapping[str, str]
) -> dict[str, Any]:
    """Write embeddings as Parquet; memory holds one row group.

    Args:
        path: file to write.
        results: what `Embedded.to_result` returned, in order.
        width: D.
        level: "pooled" or "tokens".
        about: the file's metadata.

    Returns:
        The counts.

    Raises:
        OSError: the disk is full.
    """
    vector = pa.list_(pa.float16(), width)
    fields = {
        **{"row": pa.int64(), "number": pa.int64(), "id": pa.string(), "item": pa.string()},
        **{"status": pa.string(), "error": pa.string(), "truncated": pa.bool_()},
        "embedding": pa.list_(vector) if level == "tokens" else vector,
    }
    schema = pa.schema(list(fields.items()), metadata=dict(about))
    tally, group, size = EmbeddedCounts(), [], 0
    with ParquetWriter(path, schema, use_dictionary=["status", "error"]) as writer:
        for one in tally.see(results, width):
            group.append(one)
            size += len(one.values or b"")
            if len(group) == ROWS_PER_GROUP or size >= BYTES_PER_GROUP:
                writer.write_table(_table(group, schema, width))
                group, size = [], 0
        if group:
            writer.write_table(_table(group, schema, width))
    return tally.counts()


def _table(group: list[Embedded], schema: pa.Schema, width: int) -> pa.Table:
    columns: list[Any] = [[getattr(one, name) for one in group] for name in ("row", "number", "id", "item")]
    columns.append(["error" if one.values is None else "ok" for one in group])
    columns += [[one.error for one in group], [one.truncated for one in group]]
    missing = pa.array([one.values is None for one in group])
    if pa.types.is_fixed_size_list(schema.field("embedding").type):
        filled = b"".join(bytes(BYTES * width) if one.values is None else one.values for one in group)
        values = pa.array(np.frombuffer(filled, "<f2"))
        embeddings = pa.FixedSizeListArray.from_arrays(values, width, mask=missing)
    else:
        values = pa.array(np.frombuffer(b"".join(one.values or b"" for one in group), "<f2"))
        offsets = np.cumsum([0, *(len(one.values or b"") // (BYTES * width) for one in group)])
        vectors = pa.FixedSizeListArray.from_arrays(values, width)
        embeddings = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), vectors, mask=missing)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=False)]
    return pa.Table.from_arrays([*arrays, embeddings], schema=schema)


def write_safetensors(
    path: Path,
    results: Iterable[Result],
    *,
    width: int,
    level: str,
    about: Mapping[str, str],
    header_size: int,
) -> dict[str, Any]:
    """Write embeddings as safetensors. Memory holds the future header and a few bytes for each item.

    Args:
        path: file to write.
        results: what `Embedded.to_result` returned, in order.
        width: D.
        level: "pooled" or "tokens".
        about: the header's metadata.
        header_size: the sum of `header_bytes` of all items.

    Returns:
        The counts.

    Raises:
        OSError: the disk is full.
    """
    tally = EmbeddedCounts()
    reserved = header_size + HEADER_FRAME
    reserved += -reserved % 8
    names, items = [], []
    rows, numbers, offsets = array("q"), array("q"), array("q", [0])
    with path.open("wb") as file:
        file.seek(8 + reserved)  # the header is written last
        for one in tally.see(results, width):
            if one.values is not None:
                file.write(one.values)
                names.append(one.id)
                items.append(one.item)
                rows.append(one.row)
                numbers.append(one.number)
                offsets.append(tally.vectors)
        tensors: dict[str, Any] = {"embeddings": ("F16", [tally.vectors, width], BYTES * width * tally.vectors)}
        for name, values in {"rows": rows, "numbers": numbers, "offsets": offsets}.items():
            if name != "offsets" or level == "tokens":
                tensors[name] = ("I64", [len(values)], 8 * len(values))
                file.write(np.frombuffer(values, "<i8").tobytes())
        metadata = {**about, "ids": json.dumps(names), "items": json.dumps(items)}
        _write_header(file, reserved, metadata, tensors)
    return tally.counts()


def _write_header(
    file: BinaryIO, reserved: int, metadata: Mapping[str, str], tensors: Mapping[str, tuple[str, list[int], int]]
) -> None:
    """Write the header of tensors (type, shape, bytes) that follow one another, padded with blanks."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    start = 0
    for name, (dtype, shape, size) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, start + size]}
        start += size
    text = json.dumps(header).encode()
    file.seek(0)
    file.write(struct.pack("<Q", reserved) + text.ljust(reserved))
