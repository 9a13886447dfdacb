"""The molecules of an ontology: the terms that have a structure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from biomedgpt_hf.files.items.molblock import Structure
from biomedgpt_hf.files.ontologies.formats import ontology_reader, read_terms
from biomedgpt_hf.files.ontologies.term_table import read_term_table
from biomedgpt_hf.files.records import Record
from biomedgpt_hf.files.sources import SourceError


def is_ontology(path: Path) -> bool:
    """Tell whether a file is an ontology; a table of terms is a table.

    Raises:
        OSError, SourceError: see `files.ontologies.formats.ontology_reader`.
    """
    return ontology_reader(path) not in (None, read_term_table)


def read_ontology_molecules(path: Path) -> Iterator[Record]:
    """Yield the structures of an ontology's terms. Terms without one are no molecules, and are passed over.

    Raises:
        OSError: see `files.ontologies.formats.read_terms`.
        SourceError: likewise; or no term has a structure.
    """
    line, found = 1, False
    for record in read_terms(path):
        line = record.line
        if record.problem:
            yield record
        elif record.content.structure:
            found = True
            yield record._replace(content=Structure(record.content.structure))
    if not found:
        detail = "up to this last term there is no structure, neither SMILES nor InChI."
        raise SourceError(path, line, "no structures", detail)
