"""Reading the items and questions in the Parquet files of a data set, block by block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from biomedgpt_hf.modalities import item_columns
from biomedgpt_hf.rows.schema import QUESTIONS, SPLITS


class ItemBlock(NamedTuple):
    """The items of one kind in one row group.

    Attributes:
        start: number of the first item in its split, from 0.
        values: the items in order; a value may occur more than once.
        ids: for each item the `id` of its row.
    """

    start: int
    values: list[Any]
    ids: pa.Array


def split_files(folder: Path) -> dict[str, list[Path]]:
    """Return each split's Parquet files in a set's folder, in order. Splits without a file are left out."""
    found = {split: sorted((Path(folder) / "data").glob(f"{split}-*.parquet")) for split in SPLITS}
    return {split: files for split, files in found.items() if files}


def holds_rows(file: pq.ParquetFile) -> bool:
    """Tell whether a Parquet file has the columns that `read_item_blocks` reads.

    Sets that were built before a modality was registered have no column for it.
    """
    schema = file.schema_arrow
    columns = [column for column in item_columns().values() if column in schema.names]
    are_lists = all(pa.types.is_list(schema.field(column).type) for column in columns)
    return {"messages", "id"} <= set(schema.names) and bool(columns) and are_lists


def read_item_blocks(paths: Iterable[Path], kind: str) -> Iterator[ItemBlock]:
    """Yield the items of rows (see `rows.schema`). Memory holds one row group.

    Args:
        paths: Parquet files, in order.
        kind: a column of items, such as "molecules", whose items may also be inside their blocks; or `QUESTIONS`, the
            text of the first user message in rows without any item.
    """
    start = 0
    for path in paths:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                rows, values = _questions(file, group) if kind == QUESTIONS else _items(file, group, kind)
                if len(values):
                    ids = file.read_row_group(group, columns=["id"])["id"].combine_chunks().take(pa.array(rows))
                    yield ItemBlock(start, values.to_pylist(), ids)
                start += len(values)


def _items(file: pq.ParquetFile, group: int, kind: str) -> tuple[np.ndarray, pa.Array]:
    """Return the row numbers and values of a row group's items of one kind, in the rows' order."""
    if kind not in file.schema_arrow.names:
        return np.array([], np.int64), pa.array([], pa.string())
    column = file.read_row_group(group, columns=[kind])[kind].combine_chunks()
    block = next(modality for modality, name in item_columns().items() if name == kind)
    rows, values = pc.list_parent_indices(column).to_numpy(), column.flatten()
    inline_rows, inline = _leaves(file, group, block)
    if len(inline):
        rows = np.concatenate([rows, inline_rows])
        order = np.argsort(rows, kind="stable")
        rows, values = rows[order], pa.concat_arrays([values, inline]).take(pa.array(order))
    return rows, values


def _questions(file: pq.ParquetFile, group: int) -> tuple[np.ndarray, pa.Array]:
    """Return the row numbers and the first user texts of the rows without an item."""
    bare = np.ones(file.metadata.row_group(group).num_rows, dtype=bool)
    for kind in item_columns().values():
        bare[_items(file, group, kind)[0]] = False
    rows = np.flatnonzero(bare)
    if not len(rows):
        return rows, pa.array([], pa.string())
    messages = file.read_row_group(group, columns=["messages"])["messages"].take(pa.array(rows)).to_pylist()
    return rows, pa.array([_first_user_text(row) for row in messages], pa.string())


def _first_user_text(messages: list[dict]) -> str:
    contents = (message["content"] for message in messages if message["role"] == "user")
    return "\n".join(block["text"] for block in next(contents, ()) if block["text"])


def _leaves(file: pq.ParquetFile, group: int, block: str) -> tuple[np.ndarray, pa.Array]:
    """Return the row numbers and values of the items that are inside their blocks.

    Only this one leaf of the nested column is read. It is empty in most sets.
    """
    paths = (file.schema.column(index).path for index in range(len(file.schema)))
    leaf = next((path for path in paths if path.startswith("messages.") and block in path.split(".")), None)
    if leaf is None:
        return np.array([], np.int64), pa.array([], pa.string())
    messages = file.read_row_group(group, columns=[leaf])["messages"].combine_chunks()
    contents = messages.flatten().field("content")
    values = contents.flatten().field(block)
    rows = pc.list_parent_indices(messages).to_numpy()[pc.list_parent_indices(contents).to_numpy()]
    there = values.is_valid()
    return rows[there.to_numpy(zero_copy_only=False)], values.filter(there)
