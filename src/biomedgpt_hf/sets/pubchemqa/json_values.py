"""JSON files of any size, value by value: one document, a list, JSON Lines, or documents one after another.

Memory is that of one value, so a page or a list of records may be larger than the memory.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from biomedgpt_hf.files.json_text import JsonText, MalformedJsonError
from biomedgpt_hf.files.records import RejectedRecord
from biomedgpt_hf.files.sources import SourceError

DOCUMENT = re.compile(r"(?<=\n)[{\[]")


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


def read_values(
    path: Path, blocks: Iterable[bytes], lists: Collection[str] = (), objects: Collection[str] = ()
) -> Iterator[JsonValue]:
    """Yield the values of a JSON file.

    The elements of a list at the top come one by one; so do those of a list under a key in `lists`. An object under
    a key in `objects` is searched for such lists. Whatever else an object holds follows as one smaller object.

    A line of JSON Lines that is no JSON costs only itself.

    Args:
        path: for errors.
        blocks: the bytes of the file, as `files.sources.read_blocks` yields them; bytes that are not UTF-8 become
            lone surrogates (PEP 383).
        lists: keys of lists that may be long.
        objects: keys of objects that hold such lists.

    Raises:
        SourceError: after what could be read: the text is no JSON, or the file is empty, cut off or a corrupt gzip.
    """
    text = JsonText(blocks)
    empty = True
    while text.peek():
        empty = False
        try:
            yield from _read_document(text, lists, objects)
        except MalformedJsonError as error:
            if text.failure:
                break
            text.go_to(text.at + 1)
            if not text.search(DOCUMENT):
                reason = "truncated JSON" if error.at_end else "malformed JSON"
                detail = f"the file cannot be read on, for this is not JSON: {error}. Download the file again."
                raise SourceError(path, error.line, reason, detail) from error
            yield JsonValue(error.line, problem=RejectedRecord("malformed JSON", f"not JSON: {error}"))
    if text.failure:
        raise text.failure
    if empty:
        raise SourceError(path, 0, "empty file", "is empty.")


def _read_document(text: JsonText, lists: Collection[str], objects: Collection[str]) -> Iterator[JsonValue]:
    first = text.peek()
    if first == "[":
        yield from _read_list(text, "")
    elif first == "{":
        yield from _read_object(text, "", lists, objects)
    else:
        yield JsonValue(text.line, text.take_value())


def _read_list(text: JsonText, key: str) -> Iterator[JsonValue]:
    text.expect("[")
    if text.take("]"):
        return
    while True:
        text.peek()
        yield JsonValue(text.line, text.take_value(), key)
        if text.take("]"):
            return
        text.expect(",")


def _read_object(text: JsonText, key: str, lists: Collection[str], objects: Collection[str]) -> Iterator[JsonValue]:
    line = text.line
    rest: dict[str, Any] = {}
    text.expect("{")
    empty = text.take("}")
    while not empty:
        name = text.take_key()
        following = text.peek()
        if name in lists and following == "[":
            yield from _read_list(text, name)
        elif name in objects and following == "{":
            yield from _read_object(text, name, lists, objects)
        else:
            rest[name] = text.take_value()
        if text.take("}"):
            break
        text.expect(",")
    if rest:
        yield JsonValue(line, rest, key)
