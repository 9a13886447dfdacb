"""Ontologies as OBO graphs in JSON. Format: https://github.com/geneontology/obographs

A graph has its terms in one list and their relations in another, so this reader yields what each place says of a term,
and who needs whole terms puts these together (`Term.absorb`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from biomedgpt_hf.files.json_text import JsonText, MalformedJsonError
from biomedgpt_hf.files.ontologies.terms import Link, Term, joined, short_id
from biomedgpt_hf.files.records import Record, RejectedRecord
from biomedgpt_hf.files.sources import SourceError, open_source, read_blocks

BLOCK = 2**18  # bytes
ALTERNATIVE_ID = "http://www.geneontology.org/formats/oboInOwl#hasAlternativeId"


def read_obo_graph(path: Path) -> Iterator[Record]:
    """Yield what a file says of its terms and relations; places that follow each other are one.

    Memory is that of one of them.

    Raises:
        OSError: see `sources.open_source`.
        SourceError: the file ends too early, or is not such JSON; after everything before.
    """
    with open_source(path) as file:
        text = JsonText(read_blocks(path, file, BLOCK))
        try:
            yield from joined(_in_graph(path, text))
        except MalformedJsonError as error:
            if text.failure:
                raise text.failure from error
            reason, remedy = ("cut file", " Download it again.") if error.at_end else ("malformed JSON", "")
            raise SourceError(path, error.line, reason, f"is not JSON from here on: {error}.{remedy}") from error


def _in_graph(path: Path, text: JsonText) -> Iterator[Record]:
    """Yield what an object with "nodes" and "edges" says, or with "graphs" of which each is such an object."""
    text.expect("{")
    while not text.take("}"):
        key = text.take_key()
        if key == "graphs":
            for _ in _members(text):
                yield from _in_graph(path, text)
        elif read := READERS.get(key):
            for _ in _members(text):
                line, value = text.line, text.take_value()
                yield _record(path, line, read, value)
        else:
            text.take_value()
        if not text.take(",") and text.peek() != "}":
            text.expect(",")


def _members(text: JsonText) -> Iterator[None]:
    """Stop at each member of a list, which has to be taken before the next one."""
    text.expect("[")
    while not text.take("]"):
        yield
        if not text.take(",") and text.peek() != "]":
            text.expect(",")


def _record(path: Path, line: int, read: Callable[[Any], Term], value: Any) -> Record:
    try:
        term = read(value)
        return Record(path.name, line, term.id, term)
    except (AttributeError, KeyError, TypeError) as error:
        problem = RejectedRecord("malformed term", f"{str(value)[:60]} is no node or edge of an OBO graph ({error!r})")
        return Record(path.name, line, problem=problem)


def _node(node: Mapping[str, Any]) -> Term:
    meta = node.get("meta") or {}
    term = Term(
        short_id(node["id"]),
        node.get("lbl") or "",
        (meta.get("definition") or {}).get("val") or "",
        obsolete=bool(meta.get("deprecated")),
        is_relation=node.get("type") == "PROPERTY",
    )
    for synonym in meta.get("synonyms") or ():
        term.add_synonym(synonym["val"], synonym.get("synonymType") or "")
    for prop in meta.get("basicPropertyValues") or ():
        if prop["pred"] == ALTERNATIVE_ID:
            term.other_ids.append(short_id(prop["val"]))
        term.add_property(prop["pred"], prop["val"])
    return term


def _edge(edge: Mapping[str, Any]) -> Term:
    return Term(short_id(edge["sub"]), links=[Link(short_id(edge["pred"]), short_id(edge["obj"]))])


READERS: Mapping[str, Callable[[Any], Term]] = {"nodes": _node, "edges": _edge}
