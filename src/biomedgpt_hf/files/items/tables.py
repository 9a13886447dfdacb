"""Tables as item files: their columns of items, questions and ids, which are named or guessed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from biomedgpt_hf.files.items.cells import filled_items
from biomedgpt_hf.files.items.column_choice import ROWS_LOOKED_AT, Choice, Sample, choose_columns, unread_columns
from biomedgpt_hf.files.items.items import Columns, Contents
from biomedgpt_hf.files.items.molblock import Structure, is_mol_block
from biomedgpt_hf.files.items.smiles_lines import undoubled
from biomedgpt_hf.files.items.text_lines import as_label
from biomedgpt_hf.files.records import Record, RejectedRecord
from biomedgpt_hf.files.sources import SourceError, require_utf8
from biomedgpt_hf.files.tables.column_names import id_prefix
from biomedgpt_hf.files.tables.empty_cells import is_null, without_blanks
from biomedgpt_hf.files.tables.table import TABLE_FORMATS, open_table
from biomedgpt_hf.modalities import MODALITIES, MOLECULE

SHOWN = 80  # characters of a cell that errors show


def structure_of(text: str) -> Structure:
    """Return the molecule of a cell: a SMILES, an InChI or a MOL block."""
    return Structure(text, is_mol_block=True) if is_mol_block(text) else Structure(undoubled(without_blanks(text)))


def _stripped(item: Any) -> Any:
    return without_blanks(item) if isinstance(item, str) else item


# What an item of a cell becomes. Those of other modalities lose the blanks around them.
READ_CELL: Mapping[str, Callable[[str], Any]] = {MOLECULE.name: structure_of}


def read_table(path: Path, columns: Columns) -> Iterator[Record]:
    """Yield the rows of a table. The content is `Contents`, whose items are not checked.

    `column_choice` decides which columns are read. A cell may hold a list of items.

    Raises:
        OSError, SourceError: see `files.tables.table.open_table`; or no column is named, and none can be guessed.
        UnknownColumnError: a named column is missing, or occurs twice.
    """
    columns, guessed, _ = table_choice(path, columns)
    prefix = id_prefix(columns.id)
    for row in open_table(path, columns.names, guessed=guessed, format=table_format(columns)).rows:
        if row.problem:
            yield Record(path.name, row.line, problem=row.problem)
            continue
        id = row_id(row.cells[columns.id], prefix) if columns.id else ""
        try:
            yield Record(path.name, row.line, id, row_contents(row.cells, columns))
        except RejectedRecord as problem:
            yield Record(path.name, row.line, id, problem=problem)


def table_choice(path: Path, columns: Columns) -> Choice:
    """Return which columns of a table are read.

    Raises:
        OSError, SourceError: see `read_table`.
    """
    there, sample = _open_sample(path, columns)
    if not there:
        detail = "has no columns. In JSON, each object must be on one line, with the columns as its keys."
        raise SourceError(path, 1, "unknown format", detail)
    try:
        return choose_columns(path.name, there, columns, sample)
    except ValueError as error:
        is_utf8 = all(name.isascii() or name == as_label(name) for name in there)
        remedy = "" if is_utf8 else " A name is not UTF-8 text: save the file as UTF-8."
        raise SourceError(path, 1, "unknown format", f"{error}{remedy}") from error


def _open_sample(path: Path, columns: Columns) -> tuple[list[str], Sample]:
    """Return the columns of a table, and what gives some of their cells in the first rows."""
    format = table_format(columns)

    def sample(wanted: Sequence[str]) -> list[Mapping[str, Any]]:
        rows = open_table(path, wanted, guessed=wanted, format=format).rows
        return [row.cells for row in islice(_readable(rows), ROWS_LOOKED_AT)]

    return open_table(path, [], format=format).columns, sample


def unread_notes(path: Path, columns: Columns, others: Collection[str] = ()) -> tuple[str, ...]:
    """Return a sentence on each column of a table that may hold items of a modality of which no column is named.

    Args:
        path: the table.
        columns: the columns of items that are named.
        others: columns that are named for something else, such as answers.

    Raises:
        OSError, SourceError: see `read_table`.
    """
    there, sample = _open_sample(path, columns)
    return unread_columns(path.name, [name for name in there if name not in others], columns.items, sample)


def _readable(rows: Iterator[Any]) -> Iterator[Any]:
    """Yield rows until the file breaks off, which is told when it is read."""
    try:
        yield from rows
    except SourceError:
        return


def table_format(columns: Columns) -> str | None:
    """Return the kind of table that was named, or None where it has to be recognised."""
    return columns.format if columns.format in TABLE_FORMATS else None


def row_contents(cells: Mapping[str, Any], columns: Columns) -> Contents:
    """Return the items and the question in the cells of a row.

    Raises:
        RejectedRecord: there is no item, or a cell holds something else.
    """
    items: dict[str, tuple[Any, ...]] = {}
    empty = []
    for modality, named in columns.items.items():
        read = READ_CELL.get(modality, _stripped)
        for column in named:
            if found := _items_in(cells[column], column, modality):
                items[modality] = (*items.get(modality, ()), *map(read, found))
            else:
                empty.append(column)
    if not items:
        where = ", ".join(map(repr, columns.of_items))
        raise RejectedRecord(f"no {' or '.join(MODALITIES)}", f"there is nothing in {where}")
    question = _texts_in(cells[columns.question], columns.question)[:1] if columns.question else []
    if columns.question and not question:
        raise RejectedRecord("no question", f"there is nothing in {columns.question!r}")
    return Contents(items, question[0] if question else None, tuple(empty))


def _items_in(cell: Any, column: str, modality: str) -> list[Any]:
    """Return the items of a cell; there may be none. The processor that reads them checks what they hold."""
    items = filled_items(cell, modality)
    if MODALITIES[modality].items_are_texts:
        return [require_utf8(_text(item, column)) for item in items]
    for item in items:
        if MODALITIES[modality].items_are_lists and not isinstance(item, list):
            found = f"column {column!r} holds {str(item)[:SHOWN]!r}: write a list, in JSON Lines or Parquet"
            raise RejectedRecord(f"not a {MODALITIES[modality].item_type}", found)
    return [item for item in items if item != []]


def _texts_in(cell: Any, column: str) -> list[str]:
    """Return the texts of a cell; there may be none."""
    texts = (_text(value, column) for value in (cell if isinstance(cell, list) else [cell]) if not is_null(value))
    return [text.strip() for text in texts if text.strip()]


def _text(value: Any, column: str) -> str:
    if not isinstance(value, str):
        raise RejectedRecord("not text", f"column {column!r} holds {str(value)[:SHOWN]}")
    return value


def row_id(value: object, prefix: str = "") -> str:
    """Return an id as text, a number behind the prefix; "" where there is none."""
    if is_null(value):
        return ""
    id = as_label(str(int(value) if isinstance(value, float) and value.is_integer() else value))
    return f"{prefix}{id}" if id.isdecimal() else id
