"""Raw source files: plain or gzip, text line by line."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

from biomedgpt_hf.disk.paths import existing_file
from biomedgpt_hf.files.records import RejectedRecord

if TYPE_CHECKING:
    from typing_extensions import Buffer

GZIP_MAGIC = b"\x1f\x8b"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
MARKS = re.compile(rb"^(\xef\xbb\xbf)+")
GZIP_ERRORS = (EOFError, zlib.error, gzip.BadGzipFile)  # of a gzip file that is truncated or corrupt
LONGEST_LINE = 2**26  # bytes; a longer line means that the file has no line breaks
# Bytes or characters. No record comes near it (the entry of titin, the longest protein, has some megabytes); a file
# that is not what its beginning says must not fill the memory.
LARGEST_RECORD = 2**28
LARGEST_GZIP = 2**30  # bytes that any gzip may unpack to; a larger one is limited by the next figure
TIGHTEST_GZIP = 200  # how many times larger it may become, which tables of equal lines just reach
UNPACK = "Unpack it, and pass the files in it."
SAVE_AS_TEXT = "Save what it holds as text in UTF-8."
# First bytes of what is no lines of text, what that is, and what to do.
FOREIGN = {
    rb"PK\x03\x04": (
        "a zip archive, such as an Excel workbook",
        "Save a workbook as CSV in UTF-8; unpack any other archive.",
    ),
    rb"\xd0\xcf\x11\xe0": ("an old Excel workbook", "Save it as CSV in UTF-8."),
    rb"BZh\d": ("packed with bzip2", UNPACK),
    rb"\xfd7zXZ\x00": ("packed with xz", UNPACK),
    rb"\x28\xb5\x2f\xfd": ("packed with zstd", UNPACK),
    rb"7z\xbc\xaf|Rar!": ("a 7z or rar archive", UNPACK),
    rb"\xff\xfe|\xfe\xff": ("text in UTF-16", "Save it as UTF-8."),
    rb"%PDF": ("a PDF document", SAVE_AS_TEXT),
    rb"\x89PNG|\xff\xd8\xff|GIF8|II\*\x00|MM\x00\*": ("an image", SAVE_AS_TEXT),
    rb"[^\n]{,4096}\x00": ("binary data", SAVE_AS_TEXT),
}


class SourceError(ValueError):
    """A source file that cannot be read (on), as a whole: empty, cut, of an unknown format.

    Attributes:
        reason: a short category, counted in the manifest.
        line: the last line that was read, from 1, or 0.
    """

    def __init__(self, path: Path, line: int, reason: str, detail: str) -> None:
        place = f"{path}, line {line}" if line else str(path)
        super().__init__(f"{place}: {detail}")
        self.path, self.line, self.reason = path, line, reason


def open_source(path: Path) -> io.BufferedReader:
    """Open a plain or gzip file for reading bytes; gzip is recognised by its first bytes.

    Reading a gzip raises SourceError where it holds another gzip, or unpacks without an end.

    Raises:
        OSError: the file is missing, a folder, or unreadable.
    """
    path = existing_file(path)
    with path.open("rb") as file:
        compressed = file.read(2) == GZIP_MAGIC
    return io.BufferedReader(_Unpacked(path), 2**16) if compressed else path.open("rb")


class _Unpacked(io.RawIOBase):
    """The bytes in a gzip file, as long as they are worth reading."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path, self._file = path, gzip.open(path, "rb")
        self._most = max(LARGEST_GZIP, TIGHTEST_GZIP * path.stat().st_size)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: Buffer) -> int:
        is_start = self._file.tell() == 0
        data = self._file.read1(memoryview(buffer).nbytes)
        if is_start and data.startswith(GZIP_MAGIC):
            raise SourceError(self._path, 0, "nested gzip", "is a gzip file in a gzip file. Unpack it once.")
        if self._file.tell() > self._most:
            detail = f"unpacks to more than {self._most:,} bytes: it looks endless. Unpack and check it."
            raise SourceError(self._path, 0, "endless gzip", detail)
        memoryview(buffer)[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def read_blocks(path: Path, file: io.BufferedReader, size: int) -> Iterator[bytes]:
    """Yield the bytes of an open source in blocks of `size`; the last one may be shorter.

    Args:
        path: for errors.
        file: from `open_source`.
        size: bytes in a block.

    Raises:
        SourceError: the file cannot be read on; after everything that could be read.
    """
    lines = 0
    failure: SourceError | None = None
    while failure is None:
        block = bytearray()
        try:
            # read1 hands over what it has before an error; read would lose it.
            while len(block) < size and (data := file.read1(size - len(block))):
                block += data
        except SourceError as error:
            failure = error
        except GZIP_ERRORS as error:
            failure = truncated(path, lines + block.count(b"\n"), error)
            failure.__cause__ = error
        if block:
            lines += block.count(b"\n")
            yield bytes(block)
        elif failure is None:
            return
    raise failure


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, line without its line break) of a text file, plain or .gz.

    Memory is that of one line. A byte order mark at the beginning of a line is dropped: files that were joined have
    one in their middle. Bytes that are not UTF-8 come through as lone surrogates
    (PEP 383), so that one bad record costs no other; `require_utf8` finds them.

    Raises:
        OSError: see `open_source`.
        SourceError: the file is empty, no text, a truncated or corrupt gzip (after what could be read), or has a
            line of more than `LONGEST_LINE`.
    """
    number = 0
    try:
        with open_source(path) as file:
            refuse_foreign(path, file.peek(1))
            lines = iter(partial(file.readline, LONGEST_LINE + 1), b"")
            for number, line in enumerate(lines, start=1):
                if len(line) > LONGEST_LINE:
                    detail = f"the line goes on for more than {LONGEST_LINE:,} bytes. Is it a text file?"
                    raise SourceError(path, number, "endless line", detail)
                if line.startswith(BYTE_ORDER_MARK):
                    line = MARKS.sub(b"", line)
                yield number, line.decode("utf-8", "surrogateescape").rstrip("\r\n")
    except GZIP_ERRORS as error:
        raise truncated(path, number, error) from error
    if number == 0:
        raise SourceError(path, 0, "empty file", "is empty.")


def ends_with_line_break(path: Path) -> bool:
    """Tell whether a text file ends with a whole line. Of a .gz it is not asked: its own checksum tells of a cut."""
    with existing_file(path).open("rb") as file:
        if file.read(2) == GZIP_MAGIC:
            return True
        file.seek(0, io.SEEK_END)
        file.seek(max(0, file.tell() - 1))
        return file.read(1) in (b"\n", b"")


def refuse_foreign(path: Path, start: bytes) -> None:
    """Raise a SourceError if a file that begins so is known to be no lines of text."""
    for pattern, (kind, remedy) in FOREIGN.items():
        if re.match(pattern, start):
            raise SourceError(path, 0, "unknown format", f"is {kind}. {remedy}")


def truncated(path: Path, line: int, error: Exception) -> SourceError:
    """Return the error of a gzip file that ends or breaks after `line`."""
    detail = f"the gzip file is truncated or corrupt after this line ({error}). Download it again."
    return SourceError(path, line, "truncated or corrupt gzip", detail)


def require_utf8(text: str) -> str:
    """Return `text` as it is.

    Raises:
        RejectedRecord: it holds bytes that are not UTF-8 (see `read_lines`).
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        byte = ord(text[error.start]) - 0xDC00
        before = text[max(0, error.start - 20) : error.start]
        raise RejectedRecord(
            "not UTF-8 text", f"byte 0x{byte & 0xFF:02X} after {before!r}; save the file as UTF-8"
        ) from error
    return text


def as_text(file: IO[bytes]) -> io.TextIOWrapper:
    """Return an open source as text for readers of whole files; bad bytes as in `read_lines`."""
    return io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
