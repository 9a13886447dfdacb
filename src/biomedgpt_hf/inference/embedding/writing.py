"""Embeddings as a file, in constant memory: Parquet, safetensors or CSV.

    Parquet       a row for each item: row, number, id, item, status, error, truncated, embedding (null on an error)
    safetensors   embeddings [N, D], or [T, D] with offsets [N + 1]; rows, numbers [N]; ids and items as JSON lists and
                  the facts in the header. Items without an embedding are left out.
    CSV           pooled ones only: the columns of Parquet, and embedding_0 … embedding_D-1 in place of the vector

Shape letters:  N items   T their atoms or residues   D width of an embedding
"""

from __future__ import annotations

import csv
import json
import struct
from array import array
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import numpy as np
import pyarrow as pa

from biomedgpt_hf.disk.parquet import ParquetWriter
from biomedgpt_hf.inference.embedding.embedded import BYTES, Embedded, EmbeddedCounts
from biomedgpt_hf.inference.long_runs.journal import Result

SUFFIXES = (".parquet", ".safetensors", ".csv")
STREAMED = (".csv",)  # what standard output may get
FIELDS = ("row", "number", "id", "item", "status", "error", "truncated")  # beside the embedding
ROWS_PER_GROUP, BYTES_PER_GROUP = 1_000, 2**26
LARGEST_HEADER = 100_000_000  # bytes; readers of safetensors accept no longer header
HEADER_FRAME = 65_536  # bytes; the other entries of the header take at most this much


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
    columns.append([one.status for one in group])
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


def write_csv(file: Path | TextIO, results: Iterable[Result], *, width: int) -> dict[str, Any]:
    """Write pooled embeddings as CSV; memory holds one.

    Args:
        file: file to write, or an open one.
        results: what `Embedded.to_result` returned, in order.
        width: D.

    Returns:
        The counts.
    """
    tally = EmbeddedCounts()
    with file.open("w", encoding="utf-8", newline="") if isinstance(file, Path) else nullcontext(file) as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*FIELDS, *(f"embedding_{place}" for place in range(width))])
        for one in tally.see(results, width):
            told = [one.row, one.number, one.id, one.item, one.status, one.error, one.truncated]
            values = [""] * width if one.values is None else map(str, np.frombuffer(one.values, "<f2"))
            writer.writerow([*told, *values])
    return tally.counts()


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
