"""Names of known items, out of a table or an ontology, by the ids of the rows about them."""

from __future__ import annotations

from pathlib import Path

from biomedgpt_hf.files.ontologies.formats import ontology_reader, read_terms
from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.files.tables.table import UnknownColumnError, open_table

ID, NAME = "id", "name"  # columns of a table of names


def read_names(path: Path) -> dict[str, str]:
    """Return the name of each id: of a table with the columns id and name, or of the terms of an ontology.

    Raises:
        OSError: the file is missing.
        SourceError: it is corrupt, or neither a table with these columns nor an ontology.
    """
    if ontology_reader(path) is not None:
        return _names_of_terms(path)
    try:
        rows = open_table(path, [ID, NAME]).rows
        cells = (row.cells for row in rows if row.problem is None)
        return {str(one[ID]).strip(): str(one[NAME]).strip() for one in cells if one[ID] and one[NAME]}
    except UnknownColumnError as error:
        raise SourceError(
            path, 1, "no names", f"is neither a table with the columns {ID} and {NAME} nor an ontology."
        ) from error


def _names_of_terms(path: Path) -> dict[str, str]:
    """Return the names of an ontology's terms, also by the ids that they had before."""
    names: dict[str, str] = {}
    for record in read_terms(path):
        if record.problem is None and record.content.name:
            term = record.content
            names |= {other: term.name for other in term.other_ids if other not in names}
            names[term.id] = term.name
    return names
