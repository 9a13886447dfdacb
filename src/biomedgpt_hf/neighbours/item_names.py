"""Names of known items, out of a table or an ontology, by the ids of the rows about them."""

from __future__ import annotations

from pathlib import Path

from biomedgpt_hf.files import obo
from biomedgpt_hf.files.sources import SourceError, read_lines
from biomedgpt_hf.files.tables.table import UnknownColumnError, open_table

ID, NAME = "id", "name"  # columns of a table of names


def read_names(path: Path) -> dict[str, str]:
    """Return the name of each id: of a table with the columns id and name, or of the terms of an OBO file.

    Raises:
        OSError: the file is missing.
        SourceError: it is corrupt, or neither a table with these columns nor an ontology.
    """
    first = next((line for _, line in read_lines(path) if line.strip()), "")
    if obo.is_header(first):
        return obo.read_term_names(obo.read_stanzas(read_lines(path)))
    try:
        rows = open_table(path, [ID, NAME]).rows
        cells = (row.cells for row in rows if row.problem is None)
        return {str(one[ID]).strip(): str(one[NAME]).strip() for one in cells if one[ID] and one[NAME]}
    except UnknownColumnError as error:
        raise SourceError(
            path, 1, "no names", f"is neither a table with the columns {ID} and {NAME} nor an ontology in OBO format."
        ) from error
