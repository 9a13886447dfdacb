"""The elements below the root of an XML file of any size, one at a time, each with its line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET
from xml.parsers import expat

from biomedgpt_hf.files.sources import LARGEST_RECORD, SourceError, open_source, read_blocks

BLOCK = 2**18  # bytes
ENDS_TOO_EARLY = (3, 5)  # expat's numbers: no element found, unclosed token


class XMLElement(NamedTuple):
    """An element below the root, and the line where it begins; names have their namespace in front of them."""

    line: int
    element: ET.Element


def read_elements(path: Path) -> Iterator[XMLElement]:
    """Yield the elements below the root. Entities that the file itself declares are resolved, others are never fetched.

    Raises:
        OSError: see `sources.open_source`.
        SourceError: the file ends before its root does, or is not XML; after everything before.
    """
    reader = _Reader()
    with open_source(path) as file:
        for block in read_blocks(path, file, BLOCK):
            failure = reader.feed(block)
            yield from reader.take()
            if failure:
                raise _error(path, failure)
            if reader.size > LARGEST_RECORD:
                detail = f"the element that begins here goes on for more than {LARGEST_RECORD:,} bytes."
                raise SourceError(path, reader.line, "endless element", detail)
    if failure := reader.feed(b"", final=True):
        raise _error(path, failure)


def _error(path: Path, failure: expat.ExpatError) -> SourceError:
    if failure.code in ENDS_TOO_EARLY:
        return SourceError(path, failure.lineno, "cut file", "the file ends before its XML does. Download it again.")
    return SourceError(path, failure.lineno, "malformed XML", f"is not XML from here on: {failure}.")


class _Reader:
    """Elements that are complete wait until they are taken; of the rest there is the one that is open.

    Attributes:
        line: where the open element begins.
        size: how many bytes of it have been read.
    """

    def __init__(self) -> None:
        self.line, self._start = 0, 0
        self._depth = 0
        self._complete: list[XMLElement] = []
        self._builder = ET.TreeBuilder()
        # Without a separator, names are their namespace and themselves in one, as addresses in RDF are.
        self._parser = expat.ParserCreate(namespace_separator="")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._begin
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text

    @property
    def size(self) -> int:
        return self._parser.CurrentByteIndex - self._start if self._depth > 1 else 0

    def feed(self, block: bytes, final: bool = False) -> expat.ExpatError | None:
        try:
            self._parser.Parse(block, final)
        except expat.ExpatError as error:
            return error
        return None

    def take(self) -> list[XMLElement]:
        complete, self._complete = self._complete, []
        return complete

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 2:
            self.line, self._start = self._parser.CurrentLineNumber, self._parser.CurrentByteIndex
            self._builder = ET.TreeBuilder()
        if self._depth >= 2:
            self._builder.start(name, attributes)

    def _text(self, text: str) -> None:
        if self._depth >= 2:
            self._builder.data(text)

    def _end(self, name: str) -> None:
        if self._depth >= 2:
            self._builder.end(name)
        if self._depth == 2:
            self._complete.append(XMLElement(self.line, self._builder.close()))
        self._depth -= 1
