"""Tables in memory, pandas DataFrames, by the rules for tables in files. pandas is not imported."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from biomedgpt_hf.files.items.column_choice import ROWS_LOOKED_AT, Choice, choose_columns
from biomedgpt_hf.files.items.items import NO_COLUMNS, Columns
from biomedgpt_hf.files.items.tables import row_contents, row_id
from biomedgpt_hf.files.records import Record, RejectedRecord
from biomedgpt_hf.files.tables.column_names import id_prefix
from biomedgpt_hf.files.tables.table import find_columns

FRAME = "DataFrame"  # what a table in memory is called


def is_frame(value: object) -> bool:
    """Tell whether a value is a DataFrame."""
    return hasattr(value, "iloc") and hasattr(value, "columns")


def read_frame(frame: Any, columns: Columns = NO_COLUMNS) -> Iterator[Record]:
    """Yield the rows of a DataFrame. The content is `Contents`, whose items are not checked.

    Raises:
        UnknownColumnError: a named column is missing, or occurs twice.
        ValueError: no column of items is named, and none can be guessed.
    """
    columns, guessed, _ = frame_choice(frame, columns)
    cells = _cells_of(frame, columns.names, guessed)
    for number in range(len(frame)):
        row = {name: column[number] for name, column in cells.items()}
        id = row_id(row[columns.id], id_prefix(columns.id)) if columns.id else ""
        try:
            yield Record(FRAME, number + 1, id, row_contents(row, columns))
        except RejectedRecord as problem:
            yield Record(FRAME, number + 1, id, problem=problem)


def frame_choice(frame: Any, columns: Columns = NO_COLUMNS) -> Choice:
    """Return which columns of a DataFrame are read.

    Raises:
        ValueError: no column of items is named, and none can be guessed.
    """
    try:
        first = frame.iloc[:ROWS_LOOKED_AT]
        return choice_in_memory(FRAME, _names(frame), columns, lambda wanted: _cells_of(first, wanted, wanted))
    except ValueError as error:
        raise ValueError(f"The {FRAME} {error}") from error


def choice_in_memory(
    table: str, names: Sequence[str], columns: Columns, cells_of: Callable[[Sequence[str]], Mapping[str, Sequence[Any]]]
) -> Choice:
    """Return which columns of any table in memory are read.

    Args:
        table: what it is called in sentences.
        names: of its columns.
        columns: those that are named.
        cells_of: gives the cells of some columns in the first `ROWS_LOOKED_AT` rows.

    Raises:
        ValueError: no column of items is named, and none can be guessed.
    """

    def sample(wanted: Sequence[str]) -> list[Mapping[str, Any]]:
        cells = cells_of(wanted)
        return [dict(zip(cells, row, strict=True)) for row in zip(*cells.values(), strict=True)]

    return choose_columns(table, names, columns, sample)


def _cells_of(frame: Any, wanted: Sequence[str], guessed: Sequence[str] | frozenset[str]) -> dict[str, list[Any]]:
    places = find_columns(FRAME, _names(frame), wanted, guessed)
    return {name: [_plain(cell) for cell in frame.iloc[:, place].tolist()] for name, place in places.items()}


def _names(frame: Any) -> list[str]:
    return [str(column) for column in frame.columns]


def _plain(cell: Any) -> Any:
    """Return a list in place of an array, which pandas makes of the lists in a Parquet file."""
    return cell.tolist() if type(cell).__module__ == "numpy" and hasattr(cell, "tolist") else cell
