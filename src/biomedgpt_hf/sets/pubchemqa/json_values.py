"""JSON files of any size, value by value: one document, a list, JSON Lines, or documents one after another.

Memory is that of one value, so a page or a list of records may be larger than the memory.
"""

from __future__ import annotations

import codecs
import gzip
import json
import re
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from biomedgpt_hf.files.records import RejectedRecord
from biomedgpt_hf.files.sources import SourceError, truncated

CHUNK = 1 << 20  # bytes read at once
GZIP_ERRORS = (EOFError, zlib.error, gzip.BadGzipFile)
SPACE = re.compile(r"[ \t\n\r]*")
DOCUMENT = re.compile(r"\n[{\[]")
# So near the end of the text the decoder may be wrong for want of the rest, e.g. of `1.5` or `\ud83d\ude00`.
UNSURE = 16


class JsonValue(NamedTuple):
    """A value of a JSON file.

    Attributes:
        line: the line where it begins, from 1.
        value: the value.
        container: the key under which it stood in a list or an object that is read piece by piece, or "".
        problem: why there is no value here, or None.
    """

    line: int
    value: Any = None
    container: str = ""
    problem: RejectedRecord | None = None


class MalformedJsonError(ValueError):
    """Text that is no JSON, at `line`; `at_end` where it is only cut off."""

    def __init__(self, line: int, reason: str, at_end: bool) -> None:
        super().__init__(reason)
        self.line, self.at_end = line, at_end


def read_values(
    path: Path, file: IO[bytes], lists: Collection[str] = (), objects: Collection[str] = (), chunk: int = CHUNK
) -> Iterator[JsonValue]:
    """Yield the values of a JSON file.

    The elements of a list at the top come one by one; so do those of a list under a key in `lists`. An object under
    a key in `objects` is searched for such lists. Whatever else an object holds follows as one smaller object.

    A line of JSON Lines that is no JSON costs only itself.

    Args:
        path: for errors.
        file: the open file, plain text as it is read; bytes that are not UTF-8 become lone surrogates (PEP 383).
        lists: keys of lists that may be long.
        objects: keys of objects that hold such lists.
        chunk: bytes read at once.

    Raises:
        SourceError: after what could be read: the text is no JSON, or the file is empty, cut off or a corrupt gzip.
    """
    text = JsonText(file, chunk)
    try:
        if not text.peek():
            raise SourceError(path, 0, "empty file", "is empty.")
        while text.peek():
            try:
                yield from _read_document(text, lists, objects)
            except MalformedJsonError as error:
                if not text.skip_to_document():
                    reason = "truncated JSON" if error.at_end else "malformed JSON"
                    raise SourceError(path, error.line, reason, f"no JSON {error}. Download the file again.") from error
                yield JsonValue(error.line, problem=RejectedRecord("malformed JSON", f"no JSON {error}"))
    except GZIP_ERRORS as error:
        raise truncated(path, text.line, error) from error


def _read_document(text: JsonText, lists: Collection[str], objects: Collection[str]) -> Iterator[JsonValue]:
    first = text.peek()
    if first == "[":
        yield from _read_list(text, "")
    elif first == "{":
        yield from _read_object(text, "", lists, objects)
    else:
        yield JsonValue(text.line, text.value())


def _read_list(text: JsonText, key: str) -> Iterator[JsonValue]:
    text.expect("[")
    if text.take("]"):
        return
    while True:
        text.peek()
        yield JsonValue(text.line, text.value(), key)
        if text.take("]"):
            return
        text.expect(",")


def _read_object(text: JsonText, key: str, lists: Collection[str], objects: Collection[str]) -> Iterator[JsonValue]:
    line = text.line
    rest: dict[str, Any] = {}
    text.expect("{")
    empty = text.take("}")
    while not empty:
        name = text.key()
        following = text.peek()
        if name in lists and following == "[":
            yield from _read_list(text, name)
        elif name in objects and following == "{":
            yield from _read_object(text, name, lists, objects)
        else:
            rest[name] = text.value()
        if text.take("}"):
            break
        text.expect(",")
    if rest:
        yield JsonValue(line, rest, key)


class JsonText:
    """The text of a JSON file, read forward in chunks and let go of as soon as it is decoded.

    Attributes:
        line: line of the next character, from 1.
    """

    def __init__(self, file: IO[bytes], chunk: int) -> None:
        self.line = 1
        self._file, self._chunk = file, chunk
        self._decode_bytes = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape").decode
        self._decode = json.JSONDecoder().raw_decode
        self._text, self._at, self._ended = "", 0, False
        self._failure: Exception | None = None

    def peek(self) -> str:
        """Go to the next character that is no white space and return it, or "" at the end."""
        while True:
            match = SPACE.match(self._text, self._at)
            self._go_to(match.end() if match else self._at)
            if self._at < len(self._text) or not self._more():
                return self._text[self._at : self._at + 1]

    def take(self, character: str) -> bool:
        """Take the next character if it is this one."""
        if self.peek() != character:
            return False
        self._at += 1
        return True

    def expect(self, character: str) -> None:
        """Take the next character, which has to be this one.

        Raises:
            MalformedJsonError: it is another.
        """
        if not self.take(character):
            raise self._malformed(f"{character!r} is missing", at_end=not self.peek())

    def key(self) -> str:
        """Take a key and its colon."""
        if self.peek() != '"':
            raise self._malformed("a key is missing", at_end=not self.peek())
        key: str = self.value()
        self.expect(":")
        return key

    def value(self) -> Any:
        """Take the next value.

        Raises:
            MalformedJsonError: there is none.
        """
        self.peek()
        while True:
            try:
                value, end = self._decode(self._text, self._at)
            except (ValueError, RecursionError) as error:
                if self._may_go_on(error, UNSURE) and self._more():
                    continue
                at_end = self._may_go_on(error, 0)
                raise self._malformed(getattr(error, "msg", None) or str(error), at_end) from error
            # A number near the end of the chunk may go on in the next one.
            if end < len(self._text) - UNSURE or not self._more():
                self._go_to(end)
                return value

    def skip_to_document(self) -> bool:
        """Go to the next line that begins like a document; False if there is none."""
        while True:
            found = DOCUMENT.search(self._text, self._at)
            if found:
                self._go_to(found.start() + 1)
                return True
            self._go_to(max(self._at, len(self._text) - 1))
            if not self._more():
                return False

    def _may_go_on(self, error: Exception, unsure: int) -> bool:
        """Tell whether an error may only be due to the end of what was read."""
        if not isinstance(error, json.JSONDecodeError):
            return False
        return error.msg.startswith("Unterminated string") or error.pos >= len(self._text.rstrip()) - unsure

    def _malformed(self, reason: str, at_end: bool) -> MalformedJsonError:
        here = self._text[self._at : self._at + 40]
        place = f"in {here!r}" if here else "at the end of the file"
        return MalformedJsonError(self.line, f"{place}: {reason}", at_end)

    def _go_to(self, at: int) -> None:
        self.line += self._text.count("\n", self._at, at)
        self._at = at

    def _more(self) -> bool:
        """Read on, at least as much as is waiting, so that a long value is not decoded too often."""
        if self._failure is not None:
            raise self._failure
        waiting = self._text[self._at :]
        pieces, wanted = [waiting], max(self._chunk, len(waiting))
        while wanted > 0 and not self._ended:
            try:
                data = self._file.read1(wanted)  # type: ignore[attr-defined]
            except GZIP_ERRORS as error:  # what precedes the break is read first
                self._failure = error
                break
            pieces.append(self._decode_bytes(data, final=not data))
            wanted -= len(pieces[-1])
            self._ended = not data
        if any(pieces[1:]):
            self._text, self._at = "".join(pieces), 0
            return True
        if self._failure is not None:
            raise self._failure
        return False
