"""Cutting entries out of large files: blocks of bytes in, pieces out, in constant memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from biomedgpt_hf.files.records import Record, RejectedRecord
from biomedgpt_hf.files.sources import LARGEST_RECORD, SourceError, require_utf8


class FilePiece(NamedTuple):
    """What stands between two ends of entries.

    Attributes:
        line: line where it begins, from 1.
        data: its bytes with the end of the entry, without white space around it.
        complete: whether its end was there.
    """

    line: int
    data: bytes
    complete: bool


def cut_pieces(path: Path, blocks: Iterable[bytes], end: bytes) -> Iterator[FilePiece]:
    """Yield the pieces of a file up to each `end`, and what is left after the last one.

    Raises:
        SourceError: from `blocks`, after what was read; or a piece is longer than any entry.
    """
    line, rest, failure = 1, b"", None
    try:
        for block in blocks:
            searched = max(0, len(rest) - len(end) + 1)
            rest += block
            start = 0
            while (found := rest.find(end, max(start, searched))) >= 0:
                stop = found + len(end)
                yield _file_piece(line, rest[start:stop], complete=True)
                line += rest.count(b"\n", start, stop)
                start = stop
            rest = rest[start:]
            if len(rest) > LARGEST_RECORD:
                detail = f"no end of the entry ({end.decode().strip()}) in {LARGEST_RECORD:,} bytes."
                raise SourceError(path, line, "entry without end", detail)
    except SourceError as error:
        failure = error
    if rest.strip():
        yield _file_piece(line, rest, complete=False)
    if failure:
        raise failure


def _file_piece(line: int, data: bytes, complete: bool) -> FilePiece:
    text = data.lstrip()
    return FilePiece(line + data.count(b"\n", 0, len(data) - len(text)), text, complete)


def cut_entries(
    path: Path,
    pieces: Iterable[FilePiece],
    begins: Callable[[bytes], list[int]],
    accession: re.Pattern[bytes],
    end: str,
) -> Iterator[Record]:
    """Yield the entry that ends each piece as a record of its bytes, and as rejected ones those without an end.

    Args:
        path: the file, for the records.
        pieces: from `cut_pieces`.
        begins: tells where in a piece entries begin.
        accession: finds an entry's accession as its group 1.
        end: how an entry ends, for messages.
    """
    for line, data, complete in pieces:
        starts = begins(data)
        for start, stop in pairwise([*(starts or [0]), len(data)]):
            found = accession.search(data, start, stop)
            id = found[1].decode("ascii", "replace") if found else ""
            number = line + data.count(b"\n", 0, start)
            if starts and complete and stop == len(data):
                yield Record(path.name, number, id, data[start:])
            else:
                yield reject_cut_entry(path, number, id, end)


def reject_cut_entry(path: Path, line: int, accession: str, end: str) -> Record:
    """Return the rejected record of an entry that lacks its beginning or its end."""
    problem = RejectedRecord("entry cut in the middle", f"not whole: there is no {end} before the next one or the end")
    return Record(Path(path).name, line, accession, problem=problem)


def decode_entry(data: bytes) -> str:
    """Return an entry's text.

    Raises:
        RejectedRecord: it is not UTF-8.
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return require_utf8(data.decode("utf-8", "surrogateescape"))
