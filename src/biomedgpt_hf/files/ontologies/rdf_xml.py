"""Ontologies in OWL, written as RDF/XML: what most files named .owl are.

Formats: https://www.w3.org/TR/owl2-mapping-to-rdf/ and https://www.w3.org/TR/rdf-syntax-grammar/

RDF lets its writers choose where things stand: a class may be described in several places, a synonym's kind in an
`owl:Axiom` of its own, and a restriction inside of its class or, with a `rdf:nodeID`, anywhere else. So this reader
yields what each place says of a term, and who needs whole terms puts these together (`Term.absorb`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

from biomedgpt_hf.files.ontologies.terms import Link, Term, joined, short_id
from biomedgpt_hf.files.ontologies.xml_elements import read_elements
from biomedgpt_hf.files.records import Record

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
RDFS = "http://www.w3.org/2000/01/rdf-schema#"
OWL = "http://www.w3.org/2002/07/owl#"
OBO_IN_OWL = "http://www.geneontology.org/formats/oboInOwl#"
DEFINITION = "http://purl.obolibrary.org/obo/IAO_0000115"
LANGUAGE = "http://www.w3.org/XML/1998/namespacelang"  # xml:lang
SYNONYM = re.compile(rf"{OBO_IN_OWL}has(?:Exact|Related|Broad|Narrow)Synonym")
DESCRIPTION = f"{RDF}Description"
CLASSES = (f"{OWL}Class", f"{RDFS}Class", DESCRIPTION)
RELATIONS = (f"{OWL}ObjectProperty", f"{OWL}AnnotationProperty")


def read_rdf_xml(path: Path) -> Iterator[Record]:
    """Yield what a file says of its terms and relations; places that follow each other are one.

    Memory is that of one of them, and of restrictions that have not met their class.

    Raises:
        OSError: see `sources.open_source`.
        SourceError: the file ends too early, or is no RDF/XML; after everything before.
    """
    return joined(_places(path))


def _places(path: Path) -> Iterator[Record]:
    graph = _Graph()
    for line, element in read_elements(path):
        for term in graph.terms(element):
            yield Record(path.name, line, term.id, term)


class _Graph:
    """What has been read of a graph and is still waiting for its other half: restrictions with a `rdf:nodeID`."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}
        self._restrictions: dict[str, Link] = {}

    def terms(self, node: ET.Element) -> Iterator[Term]:
        """Yield what a node says of a term, and of others that are described inside of it."""
        kind = _kind(node)
        if kind == f"{OWL}Axiom":
            yield from _typed_synonym(node)
        elif kind == f"{OWL}Restriction":
            yield from self._meet(node.get(f"{RDF}nodeID", ""), restriction=_restriction(node))
        elif (about := _about(node)) and kind in (*CLASSES, *RELATIONS):
            inner: list[ET.Element] = []
            term = Term(short_id(about), is_relation=kind in RELATIONS)
            for name, value in node.attrib.items():
                _add(term, name, value)
            for prop in node:
                if prop.tag == f"{RDFS}subClassOf":
                    yield from self._add_parent(term, prop, inner)
                elif prop.get(LANGUAGE, "en").startswith("en"):
                    _add(term, prop.tag, prop.get(f"{RDF}resource") or "".join(prop.itertext()).strip())
            yield term
            for other in inner:
                yield from self.terms(other)

    def _add_parent(self, term: Term, prop: ET.Element, inner: list[ET.Element]) -> Iterator[Term]:
        """Add what a class is a subclass of; what is said of named classes on the way goes to `inner`."""
        if parent := prop.get(f"{RDF}resource"):
            term.links.append(Link("is_a", short_id(parent)))
        elif anonymous := prop.get(f"{RDF}nodeID"):
            yield from self._meet(anonymous, owner=term.id)
        for node in prop:
            if about := _about(node):
                term.links.append(Link("is_a", short_id(about)))
                inner.append(node)
            elif link := _restriction(node):
                term.links.append(link)

    def _meet(self, node: str, *, owner: str | None = None, restriction: Link | None = None) -> Iterator[Term]:
        """Keep one half of a restriction, or yield the whole if the other one is there."""
        owner = owner or self._owners.pop(node, None)
        restriction = restriction or self._restrictions.pop(node, None)
        if owner and restriction:
            yield Term(owner, links=[restriction])
        elif owner:
            self._owners[node] = owner
        elif restriction:
            self._restrictions[node] = restriction


def _kind(node: ET.Element) -> str:
    """Return the class of a node, by its element's name or by `rdf:type`."""
    return (node.tag == DESCRIPTION and _object(node, f"{RDF}type")) or node.tag


def _about(node: ET.Element) -> str:
    return node.get(f"{RDF}about") or node.get(f"{RDF}ID") or ""


def _add(term: Term, name: str, value: str) -> None:
    """Take over an annotation; the first label and the first definition count."""
    if name == f"{RDFS}label":
        term.name = term.name or value
    elif name == DEFINITION:
        term.definition = term.definition or value
    elif name == f"{OWL}deprecated":
        term.obsolete = value in ("true", "1")
    elif name == f"{OBO_IN_OWL}hasAlternativeId":
        term.other_ids.append(short_id(value))
    elif SYNONYM.fullmatch(name):
        term.add_synonym(value)
    else:
        term.add_property(name, value)


def _typed_synonym(axiom: ET.Element) -> Iterator[Term]:
    """Yield the term of an axiom that says what kind a synonym is."""
    source, kind = _object(axiom, f"{OWL}annotatedSource"), _object(axiom, f"{OBO_IN_OWL}hasSynonymType")
    if source and kind and SYNONYM.fullmatch(_object(axiom, f"{OWL}annotatedProperty")):
        term = Term(short_id(source))
        term.add_synonym(_object(axiom, f"{OWL}annotatedTarget"), kind)
        yield term


def _restriction(node: ET.Element) -> Link | None:
    relation, target = _object(node, f"{OWL}onProperty"), _object(node, f"{OWL}someValuesFrom")
    return Link(short_id(relation), short_id(target)) if relation and target else None


def _object(node: ET.Element, name: str) -> str:
    """Return the address or the text that a property of a node has, or ""."""
    for prop in node:
        if prop.tag == name:
            named = next((_about(inner) for inner in prop), (prop.text or "").strip())
            return prop.get(f"{RDF}resource") or named
    return ""
