"""The kinds of item files, and what a user may call them."""

from __future__ import annotations

from enum import StrEnum

from biomedgpt_hf.files.tables.table import TABLE_FORMATS


class FileKind(StrEnum):
    """Kinds of item files, as errors name them."""

    TABLE = "table"
    SMILES = "list of SMILES"
    SDF = "SDF or MOL file"
    MOL2 = "MOL2 file"
    ONTOLOGY = "ontology"
    FASTA = "FASTA file"
    PDB = "PDB file"
    MMCIF = "mmCIF file"


# What a user may call a file.
FORMATS: dict[str, FileKind] = {
    **dict.fromkeys(TABLE_FORMATS, FileKind.TABLE),
    "smiles": FileKind.SMILES,
    **dict.fromkeys(("sdf", "mol"), FileKind.SDF),
    "mol2": FileKind.MOL2,
    "ontology": FileKind.ONTOLOGY,
    "fasta": FileKind.FASTA,
    "pdb": FileKind.PDB,
    "mmcif": FileKind.MMCIF,
}


def kind_of_format(format: str) -> FileKind:
    """Return the kind of files that have a format.

    Raises:
        ValueError: there is no such format.
    """
    if format not in FORMATS:
        raise ValueError(f"There is no format {format!r}. The formats are {', '.join(FORMATS)}.")
    return FORMATS[format]
