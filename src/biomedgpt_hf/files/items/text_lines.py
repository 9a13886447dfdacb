"""Lines of item files, with any kind of line end, and limits for the records that they make."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from biomedgpt_hf.files.sources import SourceError, read_lines

BYTE_ORDER_MARK = "\ufeff"
LINE_END = re.compile(f"\r{BYTE_ORDER_MARK}*|{BYTE_ORDER_MARK}+")
DOS_END = "\x1a"  # the character with which DOS ends a file
LONGEST_RECORD = 2**26  # characters; a longer record shows that the marks between records are missing
HEAD_LINES, HEAD_CHARACTERS = 500, 2**20  # the first part of a file, which shows what kind of file it is


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    r"""Yield (line number from 1, line) like `sources.read_lines`. Lines may also end in a lone \r or in `DOS_END`.

    A byte order mark begins a file, so that a line ends before one that stands in the middle of files that were joined.

    Raises:
        OSError, SourceError: see `sources.read_lines`.
    """
    more = 0
    for number, line in read_lines(path):
        line = line.rstrip(DOS_END)
        if "\r" not in line and BYTE_ORDER_MARK not in line:
            yield number + more, line
            continue
        for extra, part in enumerate(LINE_END.split(line)):
            more += extra > 0
            yield number + more, part


def head_lines(path: Path) -> list[tuple[int, str]]:
    """Return the first lines of a file, fewer if it breaks off. An error before the first line is raised."""
    lines, head, characters = text_lines(path), [], 0
    head.append(next(lines))
    try:
        for line in islice(lines, HEAD_LINES):
            head.append(line)
            characters += len(line[1])
            if characters > HEAD_CHARACTERS:
                break
    except SourceError:  # the same error is raised again when the file is read
        pass
    return head


class RecordSize:
    """Watches that a record of a file has an end.

    Args:
        path: the file.
        mark: what separates records, for the error.
    """

    def __init__(self, path: Path, mark: str) -> None:
        self._path, self._mark, self._characters = path, mark, 0

    def add(self, number: int, line: str, *, is_new: bool) -> None:
        """Count a line of a new record or of the current one.

        Raises:
            SourceError: the record is longer than `LONGEST_RECORD`.
        """
        self._characters = len(line) + (0 if is_new else self._characters)
        if self._characters > LONGEST_RECORD:
            detail = f"a record of more than {LONGEST_RECORD:,} characters ends here. Is a {self._mark} missing?"
            raise SourceError(self._path, number, "endless record", detail)


def as_label(text: str) -> str:
    """Return a name in one line, as a label. Bytes that are not UTF-8 are written as escapes."""
    return " ".join(text.split()).encode("utf-8", "backslashreplace").decode("utf-8")
