"""Tables as text with delimiters, row by row; one bad row costs no other.

CSV    comma, semicolon or bar; cells in quotes as RFC 4180 and spreadsheets write them, line breaks in them, and
       blanks before them
TSV    tabs. Spreadsheets quote cells as in CSV, data bases never do: quotes count as such where a row
       that is read so has as many cells as the header, and its lines are no rows by themselves

A line `sep=;` before the header, as Excel writes it, is understood. Where files were joined, the header that stands
between their rows is left out.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from biomedgpt_hf.files.records import RejectedRecord, UnwantedRecord
from biomedgpt_hf.files.sources import SourceError, read_lines
from biomedgpt_hf.files.tables.numbered_lines import NumberedLines, skip_blank

DELIMITERS = ",;\t|"
LONGEST_RECORD = 1_000  # lines; a quote that is open for longer was never meant to be one
LONGEST_CELL = 2**24  # characters; the csv module's own limit is shorter than some proteins' annotations
ROWS_COMPARED = 5  # rows whose width is compared with the header's to find the delimiter
LINES_AHEAD = 200  # at most so many lines are looked at for that
BLANK_BEFORE_QUOTE = re.compile(r' +"')
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


def open_delimited(path: Path, wanted: Sequence[str], delimiters: str = DELIMITERS) -> Table:
    """Open a table; the delimiter is the one of `delimiters` that finds most of the wanted columns in the header.

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
    header = _read_header(path, lines, named[1] if named else delimiters, wanted)
    if len(header.columns) == 1 and delimiters != DELIMITERS and not named:
        _refuse_whole_lines(path, lines, header)
    return Table(header.columns, _delimited_rows(path, lines, header, wanted))


def _refuse_whole_lines(path: Path, lines: NumberedLines, header: _Header) -> None:
    """Raise a SourceError where a table that its user calls CSV or TSV has one column, and another delimiter fits."""
    ahead = list(islice(lines.look_ahead(), LINES_AHEAD))
    lines.put_back(ahead)
    for delimiter in DELIMITERS:
        columns = [in_one_line(cell) for cell in header.columns[0].split(delimiter)]
        other = _Header(delimiter, columns, 0, 0)
        if len(columns) > 1 and any(line.strip() for _, line in ahead) and _share_of_width(ahead, other) == 1:
            kind = "tsv" if delimiter == "\t" else "csv"
            detail = (
                f"the header {header.columns[0][:60]!r} is one column so, but it and the rows have {len(columns)} "
                f"cells with {delimiter!r} between them. Call the format {kind}, or leave it out."
            )
            raise SourceError(path, 1, "another delimiter", detail)


def place_of(column: str, columns: Sequence[str]) -> int | None:
    """Return where a column stands first, or None. A line break in its name may be written as a blank."""
    return next((columns.index(name) for name in (column, in_one_line(column)) if name in columns), None)


def in_one_line(name: str) -> str:
    """Return the name of a column without the blanks around it, and with blanks in the place of line breaks."""
    name = name.strip()
    return re.sub(r"\s*[\r\n]\s*", " ", name) if "\n" in name or "\r" in name else name


class _Header(NamedTuple):
    """A reading of the header: its delimiter, the columns, how many lines it has, how many wanted columns it finds."""

    delimiter: str
    columns: list[str]
    height: int
    found: int


def _read_header(path: Path, lines: NumberedLines, delimiters: str, wanted: Sequence[str]) -> _Header:
    """Take the header with the delimiter that finds most of the wanted columns, or else fits to the rows.

    Raises:
        SourceError: there is no header.
    """
    readings = []
    for delimiter in delimiters:
        record = _cut_row(lines, delimiter, None)
        if record is None:
            raise SourceError(path, 1, "empty file", "has no header.")
        lines.put_back(record.lines)
        columns = [in_one_line(cell) for cell in record.cells]
        found = sum(place_of(column, columns) is not None for column in wanted)
        readings.append(_Header(delimiter, columns, len(record.lines), found))
    most = max(reading.found for reading in readings)
    fitting = [reading for reading in readings if reading.found == most and len(reading.columns) > 1]
    fitting = fitting or [reading for reading in readings if reading.found == most]
    if len(fitting) > 1 and len(fitting[0].columns) > 1:
        ahead = list(islice(lines.look_ahead(), LINES_AHEAD))
        lines.put_back(ahead)
        fitting.sort(key=lambda reading: (-_share_of_width(ahead, reading), -len(reading.columns)))
    for _ in range(fitting[0].height):
        lines.take()
    return fitting[0]


def _share_of_width(ahead: Sequence[tuple[int, str]], header: _Header) -> float:
    """Return the share of the first rows that have as many cells as a reading of the header."""
    lines, width, rows = NumberedLines(iter(ahead[header.height :])), len(header.columns), list[bool]()
    while len(rows) < ROWS_COMPARED and (record := _cut_row(lines, header.delimiter, width)) is not None:
        rows.append(len(record.cells) == width)
    return sum(rows) / len(rows) if rows else 1.0


def _delimited_rows(path: Path, lines: NumberedLines, header: _Header, wanted: Sequence[str]) -> Iterator[TableRow]:
    columns = header.columns
    places = {column: place for column in wanted if (place := place_of(column, columns)) is not None}
    names, number = set(columns), 0
    while (record := _cut_row(lines, header.delimiter, len(columns))) is not None:
        number += 1
        line = record.lines[0][0]
        problem = record.problem or _problem_of(record.cells, columns)
        if not problem and len(columns) > 1 and in_one_line(record.cells[0]) in names:  # rare, so rows cost little
            problem = _header_again(path, line, record.cells, columns)
        values = {} if problem else {column: record.cells[place] for column, place in places.items()}
        yield TableRow(number, line, values, problem)


def _problem_of(cells: Sequence[str], columns: Sequence[str]) -> RejectedRecord | None:
    """Return why a row has no values, or None."""
    if not any(map(str.strip, cells)):
        return UnwantedRecord("empty row")
    if len(cells) != len(columns):
        joined = "; a byte order mark in it shows that files were joined here" if "\ufeff" in "".join(cells) else ""
        return RejectedRecord("ragged row", f"{len(cells)} cells, where the header has {len(columns)}{joined}")
    return None


def _header_again(path: Path, line: int, cells: Sequence[str], columns: Sequence[str]) -> RejectedRecord | None:
    """Return why a row is none, if it names the columns once more.

    Raises:
        SourceError: it names them in another order.
    """
    names = [in_one_line(cell) for cell in cells]
    if names == list(columns):
        return UnwantedRecord("header again", "the columns are named once more, as in files that were joined")
    if sorted(names) == sorted(columns):
        detail = f"the columns are named again, in another order ({', '.join(cells)[:80]}). Split the file."
        raise SourceError(path, line, "joined tables", detail)
    return None


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
    unquoted = _CutRow(first[1].split(delimiter), [first])
    if '"' not in first[1]:
        return unquoted
    row = _read_quoted(lines, first, delimiter, width)
    if delimiter == "\t" and (row.problem or width not in (None, len(row.cells)) or _are_rows(row.lines, width)):
        return unquoted
    if row.problem:  # a stray quote costs its own line only
        return unquoted._replace(problem=row.problem)
    for _ in row.lines[1:]:
        lines.take()
    return row


def _read_quoted(lines: NumberedLines, first: tuple[int, str], delimiter: str, width: int | None) -> _CutRow:
    """Return the row that begins with a line, its cells in quotes read as such; no further line is taken."""
    row = _parse(lines, first, delimiter)
    if row.problem or not any(map(BLANK_BEFORE_QUOTE.match, row.cells)):
        return row
    spaced = _parse(lines, first, delimiter, skipinitialspace=True)
    if spaced.problem:
        return row
    if len(spaced.cells) == len(row.cells):  # the other cells keep their blanks
        pairs = zip(row.cells, spaced.cells, strict=True)
        return spaced._replace(cells=[b if BLANK_BEFORE_QUOTE.match(a) else a for a, b in pairs])
    return spaced if width in (None, len(spaced.cells)) else row


def _parse(lines: NumberedLines, first: tuple[int, str], delimiter: str, *, skipinitialspace: bool = False) -> _CutRow:
    taken = [first]

    def text() -> Iterator[str]:
        yield first[1] + "\n"
        for further in islice(lines.look_ahead(), LONGEST_RECORD):
            taken.append(further)
            yield further[1] + "\n"

    try:
        reader = csv.reader(text(), delimiter=delimiter, strict=True, skipinitialspace=skipinitialspace)
        return _CutRow(next(reader), taken)
    except csv.Error as error:
        return _CutRow([], taken, RejectedRecord("malformed quotes", f"{error}: {first[1][:80]!r}"))
    finally:
        lines.put_back(taken[1:])


def _are_rows(lines: Sequence[tuple[int, str]], width: int | None) -> bool:
    """Tell whether several lines, which quotes make one row, are rows of their own without them."""
    return len(lines) > 1 and all(line.count("\t") + 1 == width for _, line in lines)
