"""Molecules, proteins and questions out of files of any kind, row by row.

    lines of SMILES    alone, before a name, or after a CID
    SDF, MOL, MOL2     V2000 and V3000
    FASTA              proteins
    PDB, mmCIF         a row for each protein chain
    tables             CSV, TSV, JSON Lines, Parquet, by their columns; also data sets of this package

What a file is, its user says, or else its content tells. Text may be plain or .gz.
"""

from biomedgpt_hf.files.items.items import Columns, Item
from biomedgpt_hf.files.items.reading import column_notes, count_items, read_items
from biomedgpt_hf.files.items.whole_files import read_distinct_chains, read_molecules, read_proteins

__all__ = [
    "Columns",
    "Item",
    "column_notes",
    "count_items",
    "read_distinct_chains",
    "read_items",
    "read_molecules",
    "read_proteins",
]
