"""Terms of an ontology in OBO format (1.2 and 1.4), as far as captions need them.

Format: https://owlcollab.github.io/oboformat/doc/GO.format.obo-1_4.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from biomedgpt_hf.files.records import RejectedRecord

LINK_TAGS = ("is_a", "relationship")
ESCAPES = {"n": "\n", "t": "\t", "W": " "}
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"\s*(.*)')
PROPERTY = re.compile(r"(\S+)\s+(.*)")
HEADER = re.compile(r"\[\w+\]|(?:format-version|data-version|ontology|default-namespace|date|remark|import):")
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


class Link(NamedTuple):
    """One `is_a` or `relationship` of a term.

    Attributes:
        relation: as the file writes it, e.g. "is_a", "has_role" or "RO:0000087".
        target: identifier of the other term.
        comment: what follows "!", by custom the target's name, or "".
    """

    relation: str
    target: str
    comment: str


@dataclass
class Term:
    """A [Term] stanza.

    Attributes:
        id: e.g. "CHEBI:100241".
        name: the term's label.
        definition: text of `def:` with escapes resolved, or "".
        properties: last part of a property's name in lower case → its value, e.g. "smiles" → "CCO".
        synonyms: (text, scope and type), e.g. ("CCO", "RELATED SMILES [ChEBI]").
        links: its relations to other terms, in the file's order.
        obsolete: the term is marked `is_obsolete`.
    """

    id: str = ""
    name: str = ""
    definition: str = ""
    properties: dict[str, str] = field(default_factory=dict)
    synonyms: list[tuple[str, str]] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    obsolete: bool = False

    def structure(self) -> str | None:
        """Return the term's SMILES, else its InChI, else None.

        ChEBI's releases since 2025 hold them as properties of ChEMROF (`chemrof:smiles_string`),
        those before as properties of their own (`…/chebi/smiles`), the oldest as synonyms. Modules
        that were cut out of these have often lost what kind a synonym is; an InChI tells by itself.
        """
        typed = {words[1].lower(): text for text, scope in self.synonyms if len(words := scope.split()) > 1}
        for kind in ("smiles", "inchi"):
            found = self.properties.get(kind) or self.properties.get(f"{kind}_string") or typed.get(kind)
            if found:
                return found
        return next((text for text, _ in self.synonyms if text.startswith("InChI=")), None)


def is_header(line: str) -> bool:
    """Tell whether a file with this first line is an ontology in OBO format."""
    return HEADER.match(line) is not None


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


def first_value(stanza: Stanza, tag: str) -> str:
    """Return the first value of a tag, unparsed, or ""."""
    prefix = f"{tag}:"
    return next((line[len(prefix) :].strip() for line in stanza.lines if line.startswith(prefix)), "")


def read_term_names(stanzas: Iterable[Stanza]) -> dict[str, str]:
    """Return the names of terms and relations by identifier; an obsolete one has the name "".

    Alternative identifiers of a term are among them.
    """
    names: dict[str, str] = {}
    for stanza in stanzas:
        identifier = first_value(stanza, "id").split(" ")[0]
        if first_value(stanza, "is_obsolete").startswith("true"):
            names.setdefault(identifier, "")
        elif name := unescape(first_value(stanza, "name")):
            others = [line[7:].strip().split(" ")[0] for line in stanza.lines if line.startswith("alt_id:")]
            names |= {other: name for other in others if not names.get(other)}
            names[identifier] = name
    return names


def read_links(lines: Iterable[str]) -> Iterator[Link]:
    """Yield the relations among a stanza's lines."""
    for line in lines:
        tag, _, value = line.partition(":")
        relation = "is_a"
        if tag == "relationship":
            relation, _, value = value.strip().partition(" ")
        if tag in LINK_TAGS and (target := TARGET.match(value.strip())):
            yield Link(relation, target[1], (target[2] or "").strip())


def parse_term(lines: Iterable[str]) -> Term:
    """Return the term that the lines below a [Term] header describe.

    Raises:
        RejectedRecord: a definition, synonym, property or relation has no end, as where a file was cut.
    """
    term = Term()
    for line in lines:
        tag, _, value = line.partition(":")
        _add_tag(term, tag, value.strip())
        if tag in LINK_TAGS:
            links = list(read_links([line]))
            if not links:
                raise RejectedRecord("malformed line", f"{line[:60]} names no term")
            term.links += links
    return term


def _add_tag(term: Term, tag: str, value: str) -> None:
    if tag == "id":
        term.id = value.split(" ")[0]
    elif tag == "name":
        term.name = unescape(value)
    elif tag == "is_obsolete":
        term.obsolete = value.startswith("true")
    elif tag == "def":
        term.definition = unescape(_quoted(tag, value)[0])
    elif tag == "synonym":
        text, scope = _quoted(tag, value)
        term.synonyms.append((_unescape_value(text, scope), scope))
    elif tag == "property_value" and (pair := PROPERTY.match(value)) and pair[2].startswith('"'):
        name = re.split(r"[/#:]", pair[1])[-1]
        term.properties[name.lower()] = _unescape_value(_quoted(tag, pair[2])[0], name)


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
