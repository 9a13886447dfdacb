"""Tables as item files: their columns of items, questions and ids, which are named or guessed."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from biomedgpt_hf.files.items.cells import cell_items
from biomedgpt_hf.files.items.column_names import guess_item_columns, id_column, id_prefix
from biomedgpt_hf.files.items.items import Columns, Contents
from biomedgpt_hf.files.items.molblock import Structure
from biomedgpt_hf.files.items.smiles_lines import undoubled
from biomedgpt_hf.files.items.text_lines import as_label
from biomedgpt_hf.files.records import Record, RejectedRecord
from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.files.tables.table import open_table
from biomedgpt_hf.modalities import MODALITIES, MOLECULE

SHOWN = 80  # characters of a cell that errors show
# What the text of a cell becomes. Items of other modalities stay unchanged.
READ_CELL: Mapping[str, Callable[[str], Any]] = {MOLECULE.name: lambda text: Structure(undoubled(text))}


def read_table(path: Path, columns: Columns) -> Iterator[Record]:
    """Yield the rows of a table. The content is `Contents`, whose items are not checked.

    Where no column of items is named, `guess_item_columns` looks for them. A cell may hold a list of items.

    Raises:
        OSError, SourceError: see `files.tables.table.open_table`; or no column is named, and none can be guessed.
        UnknownColumnError: a named column is missing, or occurs twice.
    """
    columns = _chosen(path, columns)
    prefix = id_prefix(columns.id)
    for row in open_table(path, columns.names).rows:
        if row.problem:
            yield Record(path.name, row.line, problem=row.problem)
            continue
        id = _label(row.cells[columns.id]) if columns.id else ""
        id = f"{prefix}{id}" if id.isdecimal() else id
        try:
            yield Record(path.name, row.line, id, _contents(row.cells, columns))
        except RejectedRecord as problem:
            yield Record(path.name, row.line, id, problem=problem)


def _chosen(path: Path, columns: Columns) -> Columns:
    """Return the named columns, and guesses for those that are not."""
    there = open_table(path, []).columns
    if not there:
        detail = "has no columns. In JSON, each object must be on one line, with the columns as its keys."
        raise SourceError(path, 1, "unknown format", detail)
    items = columns.items or guess_item_columns(there)
    if not items:
        near = difflib.get_close_matches("smiles", there, n=1) or difflib.get_close_matches("sequence", there, n=1)
        hint = f" Is it {near[0]!r}?" if near else ""
        wanted = " or ".join(modality.column for modality in MODALITIES.values())
        detail = f"has the columns {', '.join(map(repr, there))[:200]}. Name the columns of {wanted}.{hint}"
        raise SourceError(path, 1, "unknown format", detail)
    return Columns(question=columns.question, id=columns.id or id_column(there), items=items)


def _contents(cells: Mapping[str, Any], columns: Columns) -> Contents:
    items = {}
    for modality, named in columns.items.items():
        read = READ_CELL.get(modality)
        found = [item for column in named for item in _items_in(cells[column], column, modality)]
        if found:
            items[modality] = tuple(map(read, found) if read else found)
    if not items:
        where = ", ".join(map(repr, columns.of_items))
        raise RejectedRecord(f"no {' or '.join(MODALITIES)}", f"there is nothing in {where}")
    question = _texts_in(cells[columns.question], columns.question)[:1] if columns.question else []
    if columns.question and not question:
        raise RejectedRecord("no question", f"there is nothing in {columns.question!r}")
    return Contents(items, question[0] if question else None)


def _items_in(cell: Any, column: str, modality: str) -> list[Any]:
    """Return the items of a cell; there may be none. The processor that reads them checks what they hold."""
    if MODALITIES[modality].items_are_texts:
        return _texts_in(cell, column)
    items = [item for item in cell_items(cell, modality) if not _is_missing(item)]
    for item in items:
        if MODALITIES[modality].items_are_lists and not isinstance(item, list):
            found = f"column {column!r} holds {str(item)[:SHOWN]!r}: write a list, in JSON Lines or Parquet"
            raise RejectedRecord(f"not a {MODALITIES[modality].item_type}", found)
    return [item for item in items if item != []]


def _texts_in(cell: Any, column: str) -> list[str]:
    """Return the texts of a cell; there may be none."""
    texts = []
    for value in cell if isinstance(cell, list) else [cell]:
        if _is_missing(value):
            continue
        if not isinstance(value, str):
            raise RejectedRecord("not text", f"column {column!r} holds {str(value)[:SHOWN]}")
        if value.strip():
            texts.append(value.strip())
    return texts


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _label(value: object) -> str:
    """Return an id as text; "" where there is none."""
    if _is_missing(value):
        return ""
    return as_label(str(int(value) if isinstance(value, float) and value.is_integer() else value))
