"""Tables of any common kind, row by row: CSV, TSV and JSON Lines, each plain or .gz, and Parquet.

The kind is recognised by the content unless it is named, and memory is that of a few rows.

CSV, TSV  see `delimited`
JSONL     an object on each line; what a row lacks is an empty cell; the first thousand tell the columns
Parquet   columns of text, numbers, dates, lists of text
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from biomedgpt_hf.files.records import RejectedRecord
from biomedgpt_hf.files.sources import BYTE_ORDER_MARK, GZIP_ERRORS, SourceError, open_source, read_lines, truncated
from biomedgpt_hf.files.tables.delimited import (
    DELIMITERS,
    REMEDY,
    Table,
    TableRow,
    in_one_line,
    open_delimited,
    place_of,
)
from biomedgpt_hf.files.tables.numbered_lines import NumberedLines, skip_blank

ROWS_AT_ONCE = 500
OBJECTS_ASKED = 1_000  # JSON objects whose keys are the table's columns
PARQUET = b"PAR1"
CSV, TSV, JSON_LINES, PARQUET_FORMAT = TABLE_FORMATS = ("csv", "tsv", "jsonl", "parquet")
DELIMITERS_OF = {CSV: DELIMITERS.replace("\t", ""), TSV: "\t"}
# What is text, but no table.
FOREIGN = {
    rb"\s*<": "a web page, or XML,",
    rb"\s*\[\s*(\{|$)": "a JSON array",
}


class UnknownColumnError(ValueError):
    """A table lacks a column that was asked for, or has two of that name."""


def open_table(path: Path, wanted: Sequence[str], *, guessed: Collection[str] = (), format: str | None = None) -> Table:
    """Open a table of any kind.

    Args:
        path: the file.
        wanted: columns that its rows are to have.
        guessed: those of them that nobody named: where several columns have such a name, the first is read.
        format: its kind, one of `TABLE_FORMATS`; None recognises it by the content.

    Raises:
        OSError: see `sources.open_source`.
        SourceError: the file is empty, truncated, corrupt, or no table. Its rows raise it, too.
        UnknownColumnError: a wanted column is not there, or is there twice and was not guessed.
    """
    path, wanted = Path(path), list(dict.fromkeys(wanted))
    table = _open(path, wanted, format)
    find_columns(str(path), table.columns, wanted, guessed)
    return table


def find_columns(
    table: str, columns: Sequence[str], wanted: Sequence[str], guessed: Collection[str] = ()
) -> dict[str, int]:
    """Return the place of each wanted column among those of a table.

    Raises:
        UnknownColumnError: one is not there, or is there twice and was not guessed.
    """
    places = {}
    for column in wanted:
        place = place_of(column, columns)
        if place is None or (columns.count(columns[place]) > 1 and column not in guessed):
            raise UnknownColumnError(_column_complaint(table, column, columns))
        places[column] = place
    return places


def _open(path: Path, wanted: Sequence[str], format: str | None) -> Table:
    start = _first_bytes(path)
    if format == PARQUET_FORMAT or (format is None and start.startswith(PARQUET)):
        return _open_parquet(path, wanted)
    if format == JSON_LINES or (format is None and start.lstrip(BYTE_ORDER_MARK + b" \t\r\n").startswith(b"{")):
        return _open_json_lines(path, wanted)
    if format is None:
        _refuse_other_text(path, start)
    return open_delimited(path, wanted, DELIMITERS_OF[format] if format else DELIMITERS)


def _first_bytes(path: Path) -> bytes:
    try:
        with open_source(path) as file:
            return file.read(64)
    except GZIP_ERRORS as error:
        raise truncated(path, 0, error) from error


def _refuse_other_text(path: Path, start: bytes) -> None:
    found = next((kind for pattern, kind in FOREIGN.items() if re.match(pattern, start, re.DOTALL)), None)
    if found:
        raise SourceError(path, 1, "unknown format", f"{found} is no table that can be read row by row. {REMEDY}")


def _column_complaint(path: str, column: str, columns: Sequence[str]) -> str:
    if (place := place_of(column, columns)) is not None:
        return f"{path} has {columns.count(columns[place])} columns named {column!r}: rename all but one."
    same = [name for name in columns if name.strip().casefold() == column.strip().casefold()]
    near = same or difflib.get_close_matches(column, columns, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    listed = ", ".join(map(repr, columns[:50])) + (", …" if len(columns) > 50 else "")
    return f"{path} has no column {column!r}. Its columns are {listed}.{hint}"


def _open_json_lines(path: Path, wanted: Sequence[str]) -> Table:
    lines = NumberedLines(read_lines(path))
    asked = list(islice(lines.look_ahead(), OBJECTS_ASKED))
    lines.put_back(asked)
    objects = (_read_object(line) for _, line in asked if line.strip())
    columns = list(dict.fromkeys(key for one in objects if isinstance(one, dict) for key in one))
    return Table([in_one_line(column) for column in columns], _json_rows(lines, wanted))


def _json_rows(lines: NumberedLines, wanted: Sequence[str]) -> Iterator[TableRow]:
    number = 0
    while (line := skip_blank(lines)) is not None:
        number += 1
        found = _read_object(line[1])
        if isinstance(found, RejectedRecord):
            yield TableRow(number, line[0], {}, found)
        else:
            yield TableRow(number, line[0], {column: _value_of(found, column) for column in wanted})


def _value_of(found: dict[str, Any], column: str) -> Any:
    """Return the value under a column's name, or under the same name with other blanks around it; or None."""
    if column in found:
        return found[column]
    return next((value for key, value in found.items() if in_one_line(key) == in_one_line(column)), None)


def _read_object(line: str) -> dict[str, Any] | RejectedRecord:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        return RejectedRecord("not JSON", f"{error}: {line[:80]!r}")
    if not isinstance(found, dict):
        return RejectedRecord("not JSON", f"{line[:80]!r} is no object with the columns as its keys")
    return found


def _open_parquet(path: Path, wanted: Sequence[str]) -> Table:
    try:
        file = pq.ParquetFile(path, buffer_size=2**16, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(path, 0, "corrupt Parquet", f"{_one_line(error)}. Is it whole, and not in a .gz?") from error
    return Table([in_one_line(name) for name in file.schema_arrow.names], _parquet_rows(path, file, wanted))


def _parquet_rows(path: Path, file: pq.ParquetFile, wanted: Sequence[str]) -> Iterator[TableRow]:
    number, written = 0, list(file.schema_arrow.names)
    places = find_columns(str(path), [in_one_line(name) for name in written], wanted, guessed=wanted)
    names = [written[place] for place in places.values()]
    with file:
        try:
            for batch in file.iter_batches(ROWS_AT_ONCE, columns=list(dict.fromkeys(names))):
                indices = [batch.schema.get_all_field_indices(name)[0] for name in names]
                values = [_values(batch.column(index)) for index in indices]
                for cells in zip(*values, strict=True):
                    number += 1
                    yield TableRow(number, number, dict(zip(wanted, cells, strict=True)))
        except (pa.ArrowException, OSError) as error:
            raise SourceError(path, number, "corrupt Parquet", f"{_one_line(error)}.") from error


def _values(column: pa.Array) -> list[Any]:
    """Return a column's values; text that is not UTF-8 with lone surrogates, as `sources.read_lines` has it."""
    if pa.types.is_float32(column.type):  # so that 0.1 does not become 0.10000000149011612
        return [None if value is None else float(str(np.float32(value))) for value in column.to_pylist()]
    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:
        decoded = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
        raw = decoded.cast(pa.large_binary()).to_pylist()
        return [None if value is None else value.decode("utf-8", "surrogateescape") for value in raw]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
