"""Tables as text with delimiters, row by row; one bad row costs no other.

CSV    comma or semicolon; cells in quotes as RFC 4180 and spreadsheets write them, line breaks in them
TSV    tabs. Spreadsheets quote cells as in CSV, data bases never do: quotes count as such where a row
       that is read so has as many cells as the header, and its lines are no rows by themselves

A line `sep=;` before the header, as Excel writes it, is understood.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from biomedgpt_hf.files.records import RejectedRecord, UnwantedRecord
from biomedgpt_hf.files.sources import SourceError, read_lines

DELIMITERS = ",;\t"
LONGEST_RECORD = 1_000  # lines; a quote that is open for longer was never meant to be one
LONGEST_CELL = 2**24  # characters; the csv module's own limit is shorter than some proteins' annotations
REMEDY = "Save the table as CSV in UTF-8, as TSV, JSON Lines or Parquet."


class TableRow(NamedTuple):
    """One row of a table.

    Attributes:
        number: its number among the rows, from 1; header and blank lines do not count.
        line: the line where it begins, from 1; in Parquet, the number again.
        cells: the columns that were asked for; None where there is nothing.
        problem: why there are no cells, or None.
    """

    number: int
    line: int
    cells: dict[str, Any]
    problem: RejectedRecord | None = None


class Table(NamedTuple):
    """The names of a table's columns, and its rows with those columns that were asked for."""

    columns: list[str]
    rows: Iterator[TableRow]


def open_delimited(path: Path, wanted: Sequence[str]) -> Table:
    """Open a table; the delimiter is the one that finds most of the wanted columns in the header.

    Raises:
        SourceError: see `files.tables.table.open_table`.
    """
    csv.field_size_limit(LONGEST_CELL)
    lines = NumberedLines(read_lines(path))
    first = skip_blank(lines)
    if first is None:
        raise SourceError(path, 1, "empty file", "holds blank lines only.")
    if "\r" in first[1]:
        raise SourceError(path, 1, "unknown format", f"its lines end in the old Macintosh way. {REMEDY}")
    named = re.fullmatch(r"sep=(.)", first[1].strip(" \"'"))
    lines.put_back([] if named else [first])
    delimiter, columns = _read_header(path, lines, named[1] if named else DELIMITERS, wanted)
    return Table(columns, _delimited_rows(lines, delimiter, columns, wanted))


def skip_blank(lines: NumberedLines) -> tuple[int, str] | None:
    """Take the next line that holds anything."""
    while (line := lines.take()) is not None and not line[1].strip(" \x1a"):
        pass
    return line


def _read_header(path: Path, lines: NumberedLines, delimiters: str, wanted: Sequence[str]) -> tuple[str, list[str]]:
    """Return the delimiter whose reading of the header has most of the wanted columns, or most columns."""
    readings = []
    for delimiter in delimiters:
        record = _cut_row(lines, delimiter, None)
        if record is None:
            raise SourceError(path, 1, "empty file", "has no header.")
        lines.put_back(record.lines)
        columns = [cell.strip() for cell in record.cells]
        readings.append((len(set(wanted) & set(columns)), len(columns), delimiter, columns, len(record.lines)))
    *_, delimiter, columns, height = max(readings, key=lambda reading: reading[:2])
    for _ in range(height):
        lines.take()
    return delimiter, columns


def _delimited_rows(
    lines: NumberedLines, delimiter: str, columns: list[str], wanted: Sequence[str]
) -> Iterator[TableRow]:
    places = {column: columns.index(column) for column in wanted}
    number = 0
    while (record := _cut_row(lines, delimiter, len(columns))) is not None:
        number += 1
        cells, problem = record.cells, record.problem
        if not problem and not any(map(str.strip, cells)):
            problem = UnwantedRecord("empty row")
        elif not problem and len(cells) != len(columns):
            problem = RejectedRecord("ragged row", f"{len(cells)} cells, where the header has {len(columns)}")
        values = {} if problem else {column: cells[place] for column, place in places.items()}
        yield TableRow(number, record.lines[0][0], values, problem)


class _CutRow(NamedTuple):
    """A row's cells, the lines that it takes, and why it has no cells, or None."""

    cells: list[str]
    lines: list[tuple[int, str]]
    problem: RejectedRecord | None = None


def _cut_row(lines: NumberedLines, delimiter: str, width: int | None) -> _CutRow | None:
    """Take the next row, of `width` cells if that is known, or return None at the end."""
    first = skip_blank(lines)
    if first is None:
        return None
    line, taken = first[1], [first]
    if '"' not in line:
        return _CutRow(line.split(delimiter), taken)

    def text() -> Iterator[str]:
        yield line + "\n"
        for further in islice(lines.look_ahead(), LONGEST_RECORD):
            taken.append(further)
            yield further[1] + "\n"

    problem = None
    try:
        cells = next(csv.reader(text(), delimiter=delimiter, strict=True))
        if delimiter != "\t" or (width in (None, len(cells)) and not _are_rows(taken, width)):
            return _CutRow(cells, taken)
    except csv.Error as error:
        problem = RejectedRecord("malformed quotes", f"{error}: {line[:80]!r}")
    lines.put_back(taken[1:])  # so that a stray quote costs its own line only
    return _CutRow(line.split(delimiter), [first], None if delimiter == "\t" else problem)


def _are_rows(lines: Sequence[tuple[int, str]], width: int | None) -> bool:
    """Tell whether several lines, which quotes make one row, are rows of their own without them."""
    return len(lines) > 1 and all(line.count("\t") + 1 == width for _, line in lines)


class NumberedLines:
    """Numbered lines, which can be put back."""

    def __init__(self, lines: Iterator[tuple[int, str]]) -> None:
        self._lines, self._waiting = lines, deque[tuple[int, str]]()
        self._error: SourceError | None = None

    def take(self) -> tuple[int, str] | None:
        """Return the next line, or None at the end; or raise, where the file cannot be read on."""
        if self._waiting:
            return self._waiting.popleft()
        if self._error:
            raise self._error
        return next(self._lines, None)

    def look_ahead(self) -> Iterator[tuple[int, str]]:
        """Yield lines; they end where the file can be read no further, which `take` will tell."""
        while True:
            try:
                line = self.take()
            except SourceError as error:
                self._error, line = error, None
            if line is None:
                return
            yield line

    def put_back(self, lines: Sequence[tuple[int, str]]) -> None:
        """Let lines that were taken be the next ones, in their order."""
        self._waiting.extendleft(reversed(lines))
