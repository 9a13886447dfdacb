"""Cutting entries out of large JSON files, one at a time, also behind a broken one.

UniProtKB writes the key "entryType" first, so that an entry ends where the next one begins; that is
found without reading the entry. In files that others wrote, the standard library's scanner finds the
end by reading; it takes 0.6 of the time of `ijson`, which cannot go on after an error.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from biomedgpt_hf.files.records import RejectedRecord
from biomedgpt_hf.files.sources import SourceError, require_utf8
from biomedgpt_hf.files.uniprot.cutting import LONGEST_ENTRY

ENTRY_KEY = '"primaryAccession"'
# The list of an answer may come after its facets.
RESULTS = re.compile(r'"results"\s*:\s*\[')
LIST = re.compile(r'\[|\{\s*"results"\s*:\s*\[')
BETWEEN = re.compile(r"[\s,]*")
AFTER_LIST = re.compile(r"[\s,}]*")
FIRST_KEY = r'\{\s*"entryType"\s*:'
USUAL_ENTRY = re.compile(FIRST_KEY)
END_BEFORE_NEXT = re.compile(rf"\}}(?=\s*,?\s*{FIRST_KEY})")
# To go on behind a broken entry: the next one as the site writes it, or in JSON Lines.
NEXT_ENTRY = re.compile(rf"{FIRST_KEY}|(?<=\n)\{{")
# A scanner that fails this close to the end of what was read may only lack the rest.
MARGIN = 16
# So much of a broken entry is kept, to find its accession.
BEGINNING = 1_000
# What an answer may hold before its list of results, such as facets.
LONGEST_BEGINNING = 1 << 20
SCANNER = json.JSONDecoder()


class Found(NamedTuple):
    """An entry of the file, or what is wrong with it.

    Attributes:
        text: the entry, or what there is of it.
        problem: why it cannot be cut out, or None.
        cut: whether the file ends inside of it.
    """

    text: str
    problem: RejectedRecord | None = None
    cut: bool = False


class JsonStream:
    """The entries of {"results": […]}, of several of these, of a list, or of JSON Lines.

    Attributes:
        complete: after the last entry: whether the list was closed, or something was found cut.
    """

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self._failure: SourceError | None = None
        self._decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
        self._text, self._position = "", 0
        self.complete = True

    def __iter__(self) -> Iterator[Found]:
        """Yield what is found.

        Raises:
            SourceError: the file cannot be read on; after everything before.
        """
        while (results := RESULTS.search(self._text)) is None and ENTRY_KEY not in self._text:
            if len(self._text) > LONGEST_BEGINNING or not self._more():
                break
        if results and ENTRY_KEY not in self._text[: results.start()]:
            self._position, self.complete = results.end(), False
        while self._skip(BETWEEN):
            if opening := LIST.match(self._text, self._position):
                self._position, self.complete = opening.end(), False
            elif self._text[self._position] == "]" and not self.complete:
                self._position, self.complete = self._position + 1, True
                if self._skip(AFTER_LIST) and self._text[self._position] not in "{[":
                    self.complete = not self._go_to(RESULTS, after=True)  # over what else an answer holds
            elif found := self._read():
                yield found
        if self._failure:
            raise self._failure

    def _read(self) -> Found | None:
        """Return what stands here; None if more of it had to be read first."""
        if USUAL_ENTRY.match(self._text, self._position):
            end = END_BEFORE_NEXT.search(self._text, self._position)
            if end and self._text.count(ENTRY_KEY, self._position, end.end()) == 1:
                return self._take(end.end())
        try:
            _, stop = SCANNER.raw_decode(self._text, self._position)
        except (json.JSONDecodeError, RecursionError) as error:
            return self._broken(error)
        return self._take(stop)

    def _take(self, stop: int) -> Found:
        text, self._position = self._text[self._position : stop], stop
        try:
            return Found(require_utf8(text))
        except RejectedRecord as problem:
            return Found(text, problem)

    def _broken(self, error: json.JSONDecodeError | RecursionError) -> Found | None:
        start = self._position
        if isinstance(error, json.JSONDecodeError):
            lacking = error.pos >= len(self._text) - MARGIN or error.msg.startswith("Unterminated string")
            if lacking and len(self._text) - start < LONGEST_ENTRY:
                if self._more():
                    return None
                text, self.complete = self._text[self._position :], True
                self._position = len(self._text)
                return Found(text, cut=True)
        text = self._text[start : start + BEGINNING]
        self._position += 1
        if not self._go_to(NEXT_ENTRY):
            self.complete = True
        return Found(text, RejectedRecord("unreadable entry", f"not JSON: {describe(error)}"))

    def _skip(self, pattern: re.Pattern[str]) -> bool:
        """Go over `pattern`; return False at the end of the file."""
        while True:
            if match := pattern.match(self._text, self._position):
                self._position = match.end()
            if self._position < len(self._text):
                return True
            if not self._more():
                return False

    def _go_to(self, pattern: re.Pattern[str], after: bool = False) -> bool:
        """Go to the next place that matches, or behind it; return False at the end of the file."""
        while not (match := pattern.search(self._text, self._position)):
            self._position = max(self._position, len(self._text) - 100)
            if not self._more():
                self._position = len(self._text)
                return False
        self._position = match.end() if after else match.start()
        return True

    def _more(self) -> bool:
        """Read on; return False at the end of the file, or where it cannot be read on."""
        kept = self._text[self._position :]
        read: list[str] = []
        # As much again as there is, so that a long entry does not take quadratic time.
        while sum(map(len, read)) <= len(kept):
            try:
                read.append(self._decode(next(self._blocks)))
            except StopIteration:
                break
            except SourceError as error:
                self._failure = error
                break
        self._text, self._position = "".join([kept, *read]), 0
        return bool(read)


def describe(error: json.JSONDecodeError | RecursionError) -> str:
    """Return what is wrong with JSON, and the text around it."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return f"{error.msg} at {error.doc[max(0, error.pos - 20) : error.pos + 20]!r}"
