"""Terms of an ontology in OBO format (1.2 and 1.4), as far as captions need them.

Format: https://owlcollab.github.io/oboformat/doc/GO.format.obo-1_4.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

ESCAPES = {"n": "\n", "t": "\t", "W": " "}
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"\s*(.*)')
PROPERTY = re.compile(r"(\S+)\s+(.*)")


@dataclass
class Term:
    """One [Term] stanza.

    Attributes:
        line: line of the stanza's header, from 1.
        id: e.g. "CHEBI:100241".
        name: the term's label.
        definition: text of `def:` with escapes resolved, or "".
        properties: last part of a property's name → its value, e.g. "smiles" → "CCO".
        synonyms: (text, scope and type), e.g. ("CCO", "RELATED SMILES [ChEBI]").
        obsolete: the term is marked `is_obsolete`.
    """

    line: int
    id: str = ""
    name: str = ""
    definition: str = ""
    properties: dict[str, str] = field(default_factory=dict)
    synonyms: list[tuple[str, str]] = field(default_factory=list)
    obsolete: bool = False

    def structure(self) -> str | None:
        """Return the term's SMILES, else its InChI, else None.

        Newer ChEBI modules hold them as properties (`…/chebi/smiles`), older ones as synonyms.
        """
        typed = {scope.split()[1]: text for text, scope in self.synonyms if len(scope.split()) > 1}
        found = (
            self.properties.get("smiles"),
            typed.get("SMILES"),
            self.properties.get("inchi"),
            typed.get("InChI"),
        )
        return next((structure for structure in found if structure), None)


def read_terms(lines: Iterable[tuple[int, str]]) -> Iterator[Term]:
    """Yield the terms among numbered lines, one at a time; other stanzas are passed over."""
    term: Term | None = None
    for number, line in lines:
        if line.startswith("["):
            if term is not None:
                yield term
            term = Term(number) if line.strip() == "[Term]" else None
        elif term is not None and ":" in line:
            tag, value = line.split(":", 1)
            _add_tag(term, tag, value.strip())
    if term is not None:
        yield term


def _add_tag(term: Term, tag: str, value: str) -> None:
    if tag == "id":
        term.id = value.split(" ")[0]
    elif tag == "name":
        term.name = unescape(value)
    elif tag == "is_obsolete":
        term.obsolete = value.startswith("true")
    elif tag == "def" and (quoted := QUOTED.match(value)):
        term.definition = unescape(quoted[1])
    elif tag == "synonym" and (quoted := QUOTED.match(value)):
        term.synonyms.append((unescape(quoted[1]), quoted[2]))
    elif tag == "property_value" and (pair := PROPERTY.match(value)):
        if quoted := QUOTED.match(pair[2]):
            name = re.split(r"[/#:]", pair[1])[-1]
            term.properties[name] = unescape(quoted[1])


def unescape(text: str) -> str:
    r"""Resolve OBO's backslash escapes: `\"` is a quote, `\\` one backslash, `\n` a line break."""
    return re.sub(r"\\(.)", lambda match: ESCAPES.get(match[1], match[1]), text)
