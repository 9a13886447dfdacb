"""A set as it is just after its rows were written: Parquet files only."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from biomedgpt_hf.rows import schema


def row(
    id: str, molecules: Sequence[str] = (), proteins: Sequence[str] = (), question: str = "What is it?"
) -> dict[str, Any]:
    return schema.question_row(
        question, f"It is {id}.", molecules=molecules, proteins=proteins, task="t", source="s", id=id, license="CC0-1.0"
    )


def inline_row(id: str, **items: str) -> dict[str, Any]:
    """A row whose items stand in their blocks: `inline_row("a", molecule="CCO")`."""
    inside = row(id)
    blocks = [{"type": kind, kind: item} for kind, item in items.items()]
    inside["messages"][0]["content"] = [*blocks, *inside["messages"][0]["content"]]
    return inside


def write_set(
    folder: Path, splits: Mapping[str, Sequence[dict[str, Any]]], rows_per_group: int = 3, rows_per_file: int = 7
) -> Path:
    arrow_schema = schema.features().arrow_schema
    (folder / "data").mkdir(parents=True)
    for split, rows in splits.items():
        starts = range(0, len(rows), rows_per_file)
        for number, start in enumerate(starts):
            table = pa.Table.from_pylist(rows[start : start + rows_per_file], schema=arrow_schema)
            path = folder / "data" / f"{split}-{number:05d}-of-{len(starts):05d}.parquet"
            pq.write_table(table, path, row_group_size=rows_per_group)
    return folder
