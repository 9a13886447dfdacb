"""The formats of ontologies, told by how a file begins; those that are not read are refused by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from biomedgpt_hf.files.ontologies.obo import is_header, read_obo
from biomedgpt_hf.files.ontologies.obo_graph import read_obo_graph
from biomedgpt_hf.files.ontologies.rdf_xml import read_rdf_xml
from biomedgpt_hf.files.ontologies.term_table import is_header_of_terms, read_term_table
from biomedgpt_hf.files.records import Record
from biomedgpt_hf.files.sources import SourceError, open_source, read_blocks, read_lines

Reader = Callable[[Path], Iterator[Record]]
HEAD = 2**16  # bytes by which a format is told; licences and entities may stand first
ROOT = re.compile(r"(?:\s|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^\[>]*(?:\[.*?\]\s*)?>)*<([\w.-]+:)?([\w.-]+)", re.DOTALL)
OBO_GRAPH = re.compile(r'\s*\{\s*"(?:graphs|nodes|edges)"\s*:')
# How files of other formats begin, behind comments.
OTHERS: Mapping[str, re.Pattern[str]] = {
    "OWL in functional syntax": re.compile(r"(?:Prefix|Ontology)\s*\("),
    "OWL in Manchester syntax": re.compile(r"(?:Prefix|Ontology):\s"),
    "RDF as Turtle": re.compile(r"@(?:prefix|base)\b|(?:PREFIX|BASE)\s+\S*\s*<", re.IGNORECASE),
    "RDF as N-Triples": re.compile(r"<[a-z]+:[^<>\s]*>\s+<[^<>\s]*>\s"),
    "RDF as JSON-LD": re.compile(r'[\[{\s]*"@(?:context|graph|id)"'),
}
COMMENTS = re.compile(r"(?:\s|#.*\n)*")
EXPECTED_ONTOLOGY = (
    "ontologies are read as OBO (format-version: …), OWL in RDF/XML (<rdf:RDF …>), an OBO graph in JSON "
    '({"graphs": …}), or a tab-separated table with a column chebi_id'
)


def ontology_reader(path: Path) -> Reader | None:
    """Return what reads an ontology, or None if a file is something else.

    Raises:
        OSError, SourceError: the file is missing, empty or broken from the beginning, or an ontology of a format that
            is not read.
    """
    number, first = next(
        ((number, line) for number, line in read_lines(path) if line.strip() and not line.startswith("!")), (1, "")
    )
    if is_header(first):
        return read_obo
    if is_header_of_terms(first):
        return read_term_table
    with open_source(path) as file:
        head = next(read_blocks(path, file, HEAD), b"").decode("utf-8", "replace").removeprefix("\ufeff")
    if OBO_GRAPH.match(head):
        return read_obo_graph
    if (root := ROOT.match(head)) and root[2] == "RDF":
        return read_rdf_xml
    other = "OWL as OWL/XML" if root and root[2] == "Ontology" else _other_format(head)
    if other:
        detail = f"is {other}, but {EXPECTED_ONTOLOGY}. Convert it: robot convert --input {path.name} --output NEW.obo"
        raise SourceError(path, number, "unknown format", detail)
    return None


def read_terms(path: Path) -> Iterator[Record]:
    """Yield what an ontology says of its terms and relations, as records of `Term`.

    One term may have several records, whose identifier is the same.

    Raises:
        OSError, SourceError: the file is missing or empty, or no ontology that is read; or it ends or breaks off,
            after everything before.
    """
    path = Path(path)
    read = ontology_reader(path)
    if read is None:
        raise SourceError(path, 1, "unknown format", f"is no ontology: {EXPECTED_ONTOLOGY}.")
    return read(path)


def _other_format(head: str) -> str | None:
    comments = COMMENTS.match(head)
    start = comments.end() if comments else 0
    return next((name for name, begins in OTHERS.items() if begins.match(head, start)), None)
