"""The text of JSON files of any size, read forward; memory is that of one value.

The standard library's scanner decodes each value where it stands. `ijson` with its C backend takes
four times as long on UniProtKB's answers, knows no line numbers, and ends for good at the first
error: at one byte that is not UTF-8, at one comma too many.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable
from typing import Any

from biomedgpt_hf.files.sources import LARGEST_RECORD, SourceError

# So near to the end of what was read, the scanner may be wrong because the rest is missing, as in `1.5` or
# `\ud83d\ude00`.
UNSURE = 16
CUT_TOKEN = re.compile(r"[\\\w.+-]*\s*")  # `tru`, `-1.` or `\ud8` at the end of a file
# `search` keeps so many characters, which is longer than what it is asked for.
KEPT = 100
SPACE = re.compile(r"[ \t\n\r]*")
SCANNER = json.JSONDecoder()


class MalformedJsonError(ValueError):
    """Text that is not JSON.

    Attributes:
        line: the line where the value that cannot be read begins, from 1.
        at_end: the text may only be cut off.
    """

    def __init__(self, line: int, reason: str, at_end: bool) -> None:
        super().__init__(reason)
        self.line, self.at_end = line, at_end


class JsonText:
    """The text of a JSON file, which is forgotten as soon as it has been passed.

    A file that cannot be read on ends like any other; `failure` then says why.

    Args:
        blocks: the bytes of the file. A byte order mark is dropped, and bytes that are not UTF-8 become lone
            surrogates (PEP 383).

    Attributes:
        line: the line of the next character, from 1.
        window: the text that has been read and not yet forgotten.
        at: where in `window` the next character is.
        failure: why the file cannot be read on, or None.
    """

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self.line = 1
        self.window, self.at = "", 0
        self.failure: SourceError | None = None
        self._blocks = iter(blocks)
        self._decode = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape").decode
        self._ended = False

    def peek(self, skipped: re.Pattern[str] = SPACE) -> str:
        """Pass over `skipped`, which may match nothing, and return the character behind it, or "" at the end."""
        while True:
            if match := skipped.match(self.window, self.at):
                self.go_to(match.end())
            if self.at < len(self.window) or not self.more():
                return self.window[self.at : self.at + 1]

    def take(self, character: str) -> bool:
        """Pass over the next character if it is this one."""
        if self.peek() != character:
            return False
        self.at += 1
        return True

    def expect(self, character: str) -> None:
        """Pass over the next character, which has to be this one.

        Raises:
            MalformedJsonError: it is another.
        """
        if not self.take(character):
            raise self._malformed(f"{character!r} is missing")

    def take_key(self) -> str:
        """Return the next key of an object, and pass over it and its colon.

        Raises:
            MalformedJsonError: there is none.
        """
        if self.peek() != '"':
            raise self._malformed("a key is missing")
        key: str = self.take_value()
        self.expect(":")
        return key

    def take_value(self) -> Any:
        """Return the next value and pass over it.

        Raises:
            MalformedJsonError: there is none.
        """
        self.peek()
        value, end = self.scan()
        self.go_to(end)
        return value

    def scan(self) -> tuple[Any, int]:
        """Return the value that begins at the next character, and where in `window` it ends.

        Raises:
            MalformedJsonError: there is none.
        """
        while True:
            try:
                value, end = SCANNER.raw_decode(self.window, self.at)
            except json.JSONDecodeError as error:
                unterminated = error.msg.startswith("Unterminated string")
                unsure = unterminated or error.pos >= len(self.window.rstrip()) - UNSURE
                if unsure and len(self.window) - self.at < LARGEST_RECORD and self.more():
                    continue
                at_end = unterminated or CUT_TOKEN.fullmatch(self.window, error.pos) is not None
                raise MalformedJsonError(self.line, describe_json_error(error), at_end) from error
            except (ValueError, RecursionError) as error:  # a number with too many digits, too many brackets
                raise MalformedJsonError(self.line, describe_json_error(error), False) from error
            if end < len(self.window) - UNSURE or not self.more():
                return value, end

    def search(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Go to the next place that matches, or to the end of the file."""
        while not (match := pattern.search(self.window, self.at)):
            self.go_to(max(self.at, len(self.window) - KEPT))
            if not self.more():
                self.go_to(len(self.window))
                return None
        self.go_to(match.start())
        return match

    def go_to(self, position: int) -> None:
        """Pass over everything before a position in `window`."""
        self.line += self.window.count("\n", self.at, position)
        self.at = position

    def more(self) -> bool:
        """Read on, and forget what has been passed; return False at the end, or where the file cannot be read on."""
        waiting = self.window[self.at :]
        read, size = [waiting], 0
        # As much again as there is, so that a long value does not take quadratic time.
        while size <= len(waiting) and not self._ended:
            try:
                block = next(self._blocks, b"")
            except SourceError as error:
                self.failure, block = error, b""
            self._ended = not block
            read.append(self._decode(block, final=self._ended))
            size += len(read[-1])
        if size:
            self.window, self.at = "".join(read), 0
        return size > 0

    def _malformed(self, reason: str) -> MalformedJsonError:
        error = json.JSONDecodeError(reason, self.window, self.at)
        return MalformedJsonError(self.line, describe_json_error(error), self.at >= len(self.window))


def describe_json_error(error: ValueError | RecursionError) -> str:
    """Return what is wrong with JSON, and the text around it."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if not isinstance(error, json.JSONDecodeError):
        return str(error)
    around = error.doc[max(0, error.pos - 20) : error.pos + 20]
    place = "at" if error.pos < len(error.doc.rstrip()) else "at the end, after"
    return f"{error.msg} {place} {around!r}"
