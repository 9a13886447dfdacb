"""Molecules, proteins and questions out of files of any kind, row by row.

    lines of SMILES    alone, before a name, or after a CID
    SDF, MOL, MOL2     V2000 and V3000
    FASTA              proteins
    PDB, mmCIF         a row for each protein chain
    tables             CSV, TSV, JSON Lines, Parquet, by their columns; also data sets of this package

What a file is, its user says, or else its content tells. Text may be plain or .gz.
"""

from typing import Any

from biomedgpt_hf.public_names import find_name

_HOMES = {
    "Columns": "items",
    "Item": "items",
    "column_notes": "reading",
    "count_items": "reading",
    "read_items": "reading",
    "read_distinct_chains": "whole_files",
    "read_molecules": "whole_files",
    "read_proteins": "whole_files",
}
__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    return find_name(__name__, _HOMES, name)
