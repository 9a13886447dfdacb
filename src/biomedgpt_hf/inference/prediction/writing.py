"""Predictions as a file or on standard output: JSON Lines, CSV or Parquet, a row for each question about each row.

In CSV, lists are JSON, and what is missing is empty.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa

from biomedgpt_hf.disk.parquet import ParquetWriter
from biomedgpt_hf.inference.evidence import EvidenceSource
from biomedgpt_hf.inference.prediction.predictions import row_of
from biomedgpt_hf.inference.prediction.predictor import ERROR, WITHHELD, Prediction

SUFFIXES = (".jsonl", ".parquet", ".csv")
STREAMED = (".jsonl", ".csv")  # what standard output may get
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
        ("name", pa.string()),
        ("identical", pa.bool_()),
        ("in_prompt", pa.bool_()),
    ]
)
COMPUTED = pa.struct(
    [
        ("molecule", pa.string()),
        ("formula", pa.string()),
        ("weight", pa.float64()),
        ("charge", pa.int64()),
        ("functional_groups", pa.list_(pa.string())),
        ("computed_by", pa.string()),
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
    "confidence": pa.float64(),
}


Write = Callable[[Mapping[str, Any]], object]  # takes a row


def to_bytes(prediction: Prediction) -> bytes:
    """Return a prediction in the form that a journal keeps: JSON, without the fields of evidence that it has not."""
    return json.dumps(row_of(prediction), ensure_ascii=False).encode("utf-8", "replace")


def evidence_fields(evidence: EvidenceSource | None) -> dict[str, pa.DataType]:
    """Return the further columns of predictions with evidence."""
    if evidence is None:
        return {}
    neighbours = {"neighbours": pa.list_(NEIGHBOUR)} if evidence.finder else {}
    return {**neighbours, "computed": pa.list_(COMPUTED)}


def write_predictions(
    file: Path | TextIO, suffix: str, rows: Iterable[bytes], evidence: EvidenceSource | None
) -> dict[str, Any]:
    """Write predictions in their order. Memory holds only a few of them.

    Args:
        file: file to write, or an open one if it is not to be Parquet.
        suffix: ".jsonl", ".csv" or ".parquet".
        rows: what `to_bytes` returned.
        evidence: where their evidence comes from, if there is any.

    Returns:
        The number of predictions, in all and of each status, and the first error; where evidence is in the prompt, the
        number of predictions of which some known items do not stand there.
    """
    counts: Counter[str] = Counter()
    first_error, incomplete = None, 0
    further = evidence_fields(evidence)
    fields = {**FIELDS, **further}
    opened: AbstractContextManager[Write]
    if isinstance(file, Path) and suffix == ".parquet":
        opened = _parquet(file, fields)
    else:
        opened = _csv(file, list(fields)) if suffix == ".csv" else _json_lines(file)
    with opened as write:
        for row in map(json.loads, rows):
            counts[row["status"]] += 1
            if first_error is None and row["status"] == ERROR:
                first_error = f"row {row['row']}: {row['error']}"
            incomplete += any(not one["in_prompt"] for one in row.get("neighbours") or ())
            write({**row, **{name: row.get(name) for name in further}})
    return {
        "predictions": counts.total(),
        "answered": counts["ok"],
        "errors": counts[ERROR],
        "withheld": counts[WITHHELD],
        "first_error": first_error,
        **({"without_all_evidence": incomplete} if evidence and evidence.in_prompt else {}),
    }


@contextmanager
def _text(file: Path | TextIO, newline: str) -> Iterator[TextIO]:
    """Open a file for text, or take one that is open."""
    with file.open("w", encoding="utf-8", newline=newline) if isinstance(file, Path) else nullcontext(file) as text:
        yield text


@contextmanager
def _json_lines(file: Path | TextIO) -> Iterator[Write]:
    with _text(file, "\n") as text:
        yield lambda row: text.write(json.dumps(row, ensure_ascii=False) + "\n")


@contextmanager
def _csv(file: Path | TextIO, names: list[str]) -> Iterator[Write]:
    with _text(file, "") as text:
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        yield lambda row: writer.writerow({name: _cell(value) for name, value in row.items()})


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value


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
