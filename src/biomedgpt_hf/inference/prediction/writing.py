"""Predictions as a file: JSON Lines or Parquet, a row for each question about each row of the input."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from biomedgpt_hf.disk.parquet import ParquetWriter
from biomedgpt_hf.inference.prediction.predictor import Prediction

SUFFIXES = (".jsonl", ".parquet")
ROWS_PER_GROUP = 1_000
TEXT = pa.struct([("question", pa.string()), ("answer", pa.string())])
NEIGHBOUR = pa.struct(
    [
        ("modality", pa.string()),
        ("item", pa.string()),
        ("id", pa.string()),
        ("similarity", pa.float64()),
        ("measure", pa.string()),
        ("texts", pa.list_(TEXT)),
        ("source", pa.string()),
        ("license", pa.string()),
        ("same", pa.bool_()),
    ]
)
FIELDS = {
    "row": pa.int64(),
    "id": pa.string(),
    "status": pa.string(),
    "error": pa.string(),
    "question": pa.string(),
    "answer": pa.string(),
    "log_probability": pa.float64(),
    "finish_reason": pa.string(),
    "truncated": pa.bool_(),
}


Write = Callable[[Mapping[str, Any]], object]  # takes a row


def to_bytes(prediction: Prediction) -> bytes:
    """Return a prediction in the form that a journal keeps: JSON, without neighbours if they were not asked for."""
    row = prediction._asdict()
    neighbours = row.pop("neighbours")
    if neighbours is not None:
        row["neighbours"] = [
            {**neighbour._asdict(), "texts": [text._asdict() for text in neighbour.texts]} for neighbour in neighbours
        ]
    return json.dumps(row, ensure_ascii=False).encode("utf-8", "replace")


def write_predictions(path: Path, suffix: str, rows: Iterable[bytes], with_neighbours: bool) -> dict[str, Any]:
    """Write predictions in their order. Memory holds only a few of them.

    Args:
        path: file to write.
        suffix: ".jsonl" or ".parquet".
        rows: what `to_bytes` returned.
        with_neighbours: whether there is a column of neighbours.

    Returns:
        The number of predictions, in all and of each status, and the first error.
    """
    counts: Counter[str] = Counter()
    first_error = None
    opened: AbstractContextManager[Write] = _json_lines(path)
    if suffix == ".parquet":
        opened = _parquet(path, {**FIELDS, "neighbours": pa.list_(NEIGHBOUR)} if with_neighbours else FIELDS)
    with opened as write:
        for row in map(json.loads, rows):
            counts[row["status"]] += 1
            if first_error is None and row["error"]:
                first_error = f"row {row['row']}: {row['error']}"
            write({**row, "neighbours": row.get("neighbours")} if with_neighbours else row)
    return {
        "predictions": counts.total(),
        "answered": counts["ok"],
        "errors": counts["error"],
        "first_error": first_error,
    }


@contextmanager
def _json_lines(path: Path) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        yield lambda row: file.write(json.dumps(row, ensure_ascii=False) + "\n")


@contextmanager
def _parquet(path: Path, fields: Mapping[str, pa.DataType]) -> Iterator[Write]:
    schema = pa.schema(list(fields.items()))
    waiting: list[Mapping[str, Any]] = []
    with ParquetWriter(path, schema, compression="zstd") as file:

        def write(row: Mapping[str, Any]) -> None:
            waiting.append(row)
            if len(waiting) == ROWS_PER_GROUP:
                flush()

        def flush() -> None:
            file.write_table(pa.Table.from_pylist(waiting, schema=schema))
            waiting.clear()

        yield write
        if waiting:
            flush()
