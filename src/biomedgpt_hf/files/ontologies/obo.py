"""Ontologies in OBO format (1.2 and 1.4).

Format: https://owlcollab.github.io/oboformat/doc/GO.format.obo-1_4.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from biomedgpt_hf.files.ontologies.terms import Link, Term, last_part
from biomedgpt_hf.files.records import Record, RejectedRecord
from biomedgpt_hf.files.sources import SourceError, ends_with_line_break, read_lines

TERMS = {"Term": False, "Typedef": True}  # kind of stanza → whether it names a relation
LINK_TAGS = ("is_a", "relationship")
ESCAPES = {"n": "\n", "t": "\t", "W": " "}
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"\s*(.*)')
PROPERTY = re.compile(r"(\S+)\s+(.*)")
HEADER = re.compile(
    r"\[(?:Term|Typedef|Instance)\]\s*$|(?:format-version|data-version|ontology|default-namespace|date|remark|import):"
)
TARGET = re.compile(r"(\S+)\s*(?:\{.*?\})?\s*(?:!\s*(.*))?$")  # identifier {qualifiers} ! name of the target


class Stanza(NamedTuple):
    """A block of an OBO file, unparsed.

    Attributes:
        line: line of its header, from 1.
        kind: what its header says: "Term", "Typedef", …
        lines: the lines below the header.
    """

    line: int
    kind: str
    lines: tuple[str, ...]


def is_header(line: str) -> bool:
    """Tell whether a file with this first line is an ontology in OBO format."""
    return HEADER.match(line) is not None


def read_obo(path: Path) -> Iterator[Record]:
    """Yield the terms and relations of an OBO file.

    Raises:
        OSError, SourceError: see `sources.read_lines`; or the file ends inside of a line, so that nobody knows what
            is missing of its last term.
    """
    cut = not ends_with_line_break(path)
    waiting: Stanza | None = None
    for stanza in read_stanzas(read_lines(path)):
        if waiting:
            yield from _records(path, waiting)
        waiting = stanza
    if waiting and not cut:
        yield from _records(path, waiting)
    elif waiting:
        last = waiting.line + len(waiting.lines)
        detail = (
            f"the file ends inside of a line ({waiting.lines[-1][:60] if waiting.lines else waiting.kind!r}), so the "
            f"term of line {waiting.line} is left out. Download it again; if it is whole, add a line break at its end."
        )
        raise SourceError(path, last, "cut file", detail)


def _records(path: Path, stanza: Stanza) -> Iterator[Record]:
    if stanza.kind in TERMS:
        try:
            term = parse_term(stanza.lines)
            term.is_relation = TERMS[stanza.kind]
            yield Record(path.name, stanza.line, term.id, term)
        except RejectedRecord as problem:
            yield Record(path.name, stanza.line, _id(stanza.lines), problem=problem)


def read_stanzas(lines: Iterable[tuple[int, str]]) -> Iterator[Stanza]:
    """Yield the stanzas among numbered lines, one at a time; the file's header is passed over."""
    start, kind, body = 0, "", list[str]()
    for number, line in lines:
        if line.startswith("[") and line.rstrip().endswith("]"):
            if kind:
                yield Stanza(start, kind, tuple(body))
            start, kind, body = number, line.strip()[1:-1], []
        elif kind and line.strip():
            body.append(line)
    if kind:
        yield Stanza(start, kind, tuple(body))


def parse_term(lines: Iterable[str]) -> Term:
    """Return the term that the lines below a [Term] header describe.

    Raises:
        RejectedRecord: a definition, synonym, property or relation has no end.
    """
    term = Term()
    synonyms = []
    for line in lines:
        tag, _, value = line.partition(":")
        if tag == "synonym":
            synonyms.append(value.strip())
        else:
            _add_tag(term, tag, value.strip())
    for value in synonyms:  # after the properties, which come first
        _add_synonym(term, value)
    return term


def _id(lines: Iterable[str]) -> str:
    return next((_first_word(line[3:]) for line in lines if line.startswith("id:")), "")


def _add_tag(term: Term, tag: str, value: str) -> None:
    if tag in LINK_TAGS:
        term.links.append(_read_link(tag, value))
    elif tag == "id":
        term.id = _first_word(value)
    elif tag == "name":
        term.name = unescape(value)
    elif tag == "alt_id":
        term.other_ids.append(_first_word(value))
    elif tag == "is_obsolete":
        term.obsolete = value.startswith("true")
    elif tag == "def":
        term.definition = unescape(_quoted(tag, value)[0])
    elif tag == "property_value" and (pair := PROPERTY.match(value)) and pair[2].startswith('"'):
        term.add_property(pair[1], _unescape_value(_quoted(tag, pair[2])[0], last_part(pair[1])))


def _read_link(tag: str, value: str) -> Link:
    relation, rest = tag, value
    if tag == "relationship":
        relation, _, rest = value.partition(" ")
    target = TARGET.match(rest.strip())
    if target is None:
        raise RejectedRecord("malformed line", f"{tag}: {value[:60]} names no term")
    return Link(relation, target[1], (target[2] or "").strip())


def _add_synonym(term: Term, value: str) -> None:
    text, scope = _quoted("synonym", value)
    words = scope.split()  # RELATED SMILES [ChEBI]
    kind = words[1] if len(words) > 1 else ""
    term.add_synonym(_unescape_value(text, kind), kind)


def _first_word(value: str) -> str:
    return value.strip().split(" ")[0]


def _quoted(tag: str, value: str) -> tuple[str, str]:
    """Return the text in quotes that a value begins with, as it stands, and what follows it."""
    quoted = QUOTED.match(value)
    if quoted is None:
        raise RejectedRecord("malformed line", f'{tag}: {value[:60]} … is no text in "quotes"')
    return quoted[1], quoted[2]


def _unescape_value(text: str, kind: str) -> str:
    r"""Resolve the escapes of a property or synonym; a SMILES may hold plain backslashes, as in `C\C=C`."""
    return re.sub(r'\\(["\\])', r"\1", text) if "smiles" in kind.lower() else unescape(text)


def unescape(text: str) -> str:
    r"""Resolve OBO's backslash escapes: `\"` is a quote, `\\` one backslash, `\n` a line break."""
    return re.sub(r"\\(.)", lambda match: ESCAPES.get(match[1], match[1]), text)
