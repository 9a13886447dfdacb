"""Cutting entries out of large JSON files, one at a time, also behind a broken one.

UniProtKB writes the key "entryType" first, so that an entry ends where the next one begins; that is
found without reading the entry, in a quarter of the time. In files that others wrote, the end is
found by reading.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from biomedgpt_hf.files.json_text import JsonText, MalformedJsonError
from biomedgpt_hf.files.records import RejectedRecord
from biomedgpt_hf.files.sources import require_utf8

ENTRY_KEY = '"primaryAccession"'
# The list of an answer may come after its facets.
RESULTS = re.compile(r'"results"\s*:\s*\[')
LIST = re.compile(r'\[|\{\s*"results"\s*:\s*\[')
BETWEEN = re.compile(r"[\s,]*")
AFTER_LIST = re.compile(r"[\s,}]*")
FIRST_KEY = r'\{\s*"entryType"\s*:'
USUAL_ENTRY = re.compile(FIRST_KEY)
END_BEFORE_NEXT = re.compile(rf"\}}(?=\s*,?\s*{FIRST_KEY})")
# Where reading goes on behind a broken entry: at the next one as the site writes it, or in JSON Lines.
NEXT_ENTRY = re.compile(rf"{FIRST_KEY}|(?<=\n)\{{")
# So much of a broken entry is kept, to find its accession.
BEGINNING = 1_000
# What an answer may hold before its list of results, such as facets.
LONGEST_BEGINNING = 1 << 20


class FoundEntry(NamedTuple):
    """An entry of the file, or what is wrong with it.

    Attributes:
        text: the entry, or what there is of it.
        problem: why it cannot be cut out, or None.
        cut: whether the file ends inside of it.
    """

    text: str
    problem: RejectedRecord | None = None
    cut: bool = False


class EntryStream:
    """The entries of {"results": […]}, of several of these, of a list, or of JSON Lines.

    Attributes:
        complete: after the last entry: whether the list was closed, or something was found cut.
    """

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._text = JsonText(blocks)
        self.complete = True

    def __iter__(self) -> Iterator[FoundEntry]:
        """Yield what is found.

        Raises:
            SourceError: the file cannot be read on; after everything before.
        """
        text = self._text
        while (results := RESULTS.search(text.window)) is None and ENTRY_KEY not in text.window:
            if len(text.window) > LONGEST_BEGINNING or not text.more():
                break
        if results and ENTRY_KEY not in text.window[: results.start()]:
            text.go_to(results.end())
            self.complete = False
        while following := text.peek(BETWEEN):
            if opening := LIST.match(text.window, text.at):
                text.go_to(opening.end())
                self.complete = False
            elif following == "]" and not self.complete:
                text.go_to(text.at + 1)
                self.complete = True
                if text.peek(AFTER_LIST) not in ("", "{", "[") and (results := text.search(RESULTS)):
                    text.go_to(results.end())  # passes over what else an answer holds
                    self.complete = False
            else:
                yield self._take_entry()
        if text.failure:
            raise text.failure

    def _take_entry(self) -> FoundEntry:
        text = self._text
        try:
            end = self._usual_end() or text.scan()[1]
        except MalformedJsonError as error:
            return self._take_broken(error)
        entry = text.window[text.at : end]
        text.go_to(end)
        try:
            return FoundEntry(require_utf8(entry))
        except RejectedRecord as problem:
            return FoundEntry(entry, problem)

    def _usual_end(self) -> int | None:
        """Return where an entry as the site writes it ends before another one, or None."""
        window, start = self._text.window, self._text.at
        if USUAL_ENTRY.match(window, start) and (end := END_BEFORE_NEXT.search(window, start)):
            return end.end() if window.count(ENTRY_KEY, start, end.end()) == 1 else None
        return None

    def _take_broken(self, error: MalformedJsonError) -> FoundEntry:
        """Return what there is of a broken entry, and go to the next one."""
        text = self._text
        broken = text.window[text.at : text.at + BEGINNING]
        if error.at_end and not text.more():
            text.go_to(len(text.window))
            self.complete = True
            return FoundEntry(broken, cut=True)
        text.go_to(text.at + 1)
        if not text.search(NEXT_ENTRY):
            self.complete = True
        return FoundEntry(broken, RejectedRecord("unreadable entry", f"not JSON: {error}"))
