"""Terms of ChEBI in a tab-separated table: what someone made of an ontology, such as a join of many modules.

    chebi_id    identifier, such as CHEBI:15365; the one column that has to be there
    name        of the term
    definition  its text
    structure   or SMILES, or InChI
    parents     names or identifiers of the terms that it is directly below, with ";" between them
    relations   RELATION=NAME or RELATION=IDENTIFIER, with ";" between them, such as has_role=toxin
    classes     names or identifiers of terms that it is below, directly or not, with ";" between them

Columns may stand in any order, and others are passed over. There are no quotes around cells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from biomedgpt_hf.files.ontologies.terms import INCHI, Link, Term
from biomedgpt_hf.files.records import Record, RejectedRecord
from biomedgpt_hf.files.sources import read_lines

ID = "chebi_id"
STRUCTURES = ("structure", "smiles", "inchi")
LISTS = {"parents": "is_a", "classes": "member_of"}  # column → relation
COLUMNS = ("name", "definition", *STRUCTURES, *LISTS, "relations")
PREFIX = "CHEBI:"


def is_header_of_terms(line: str) -> bool:
    """Tell whether a file with this first line is a table of terms."""
    columns = _columns(line)
    return ID in columns and any(name in columns for name in COLUMNS)


def read_term_table(path: Path) -> Iterator[Record]:
    """Yield the terms of a table.

    Raises:
        OSError, SourceError: see `sources.read_lines`.
    """
    columns: list[str] = []
    for number, line in read_lines(path):
        if not line.strip():
            continue
        if not columns:
            columns = _columns(line)
            continue
        cells = [cell.strip() for cell in line.split("\t")]
        named = dict(zip(columns, cells, strict=False))
        if len(cells) != len(columns):
            problem = RejectedRecord("malformed line", f"{len(cells)} columns instead of {len(columns)}")
            yield Record(path.name, number, named.get(ID, ""), problem=problem)
        else:
            yield Record(path.name, number, named[ID], _term(named))


def _columns(line: str) -> list[str]:
    return [column.strip().lower() for column in line.split("\t")]


def _term(cells: Mapping[str, str]) -> Term:
    term = Term(cells[ID], cells.get("name", ""), cells.get("definition", ""))
    for column in STRUCTURES:
        if structure := cells.get(column):
            term.add_property(INCHI.rstrip("=") if structure.startswith(INCHI) else "smiles", structure)
    for column, relation in LISTS.items():
        term.links += [_link(relation, target) for target in _parts(cells.get(column, ""))]
    for part in _parts(cells.get("relations", "")):
        relation, _, target = part.partition("=")
        term.links.append(_link(relation.strip(), target.strip()))
    return term


def _parts(cell: str) -> list[str]:
    return [part.strip() for part in cell.split(";") if part.strip()]


def _link(relation: str, target: str) -> Link:
    return Link(relation, target) if target.startswith(PREFIX) else Link(relation, "", target)
