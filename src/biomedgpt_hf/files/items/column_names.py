"""Which columns of a table hold items and ids, by their usual names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from biomedgpt_hf.modalities import MODALITIES, MOLECULE, PROTEIN

# Names are compared without case, blanks, underscores and hyphens, and the first that a table has is taken. Of the
# columns of structures, SMILES_COLUMNS come first, then any other name with SMILES in it, such as "Ligand SMILES" and
# "compound_iso_smiles", and then STRUCTURE_COLUMNS.
SMILES_COLUMNS = ("smiles", "canonicalsmiles", "isomericsmiles")
STRUCTURE_COLUMNS = ("molecules", "molecule", "structure", "mol", "inchi")
PROTEIN_COLUMNS = (
    *("sequence", "proteinsequence", "aasequence", "aminoacidsequence", "targetsequence"),
    *("bindingdbtargetchainsequence", "aaseq", "seq", "fasta", "proteins", "protein"),
)
ID_COLUMNS = ("cid", "pubchemcid", "chemblid", "chebiid", "moleculechemblid", "drugbankid", "zincid", "id", "name")
PROTEIN_ID_COLUMNS = (
    *("accession", "entry", "uniprot", "uniprotid", "uniprotaccession", "uniprotkb", "primaryaccession", "proteinid"),
    *("targetid", "sequenceid", "pdbid", "compoundid", "identifier", "entryname", "header"),
)
CID_COLUMNS = ("cid", "pubchemcid")


def structure_column(columns: Sequence[str]) -> str | None:
    """Return the column of molecules, or None."""
    others = [column for column in columns if "smiles" in column.lower()]
    best, last = first_named(columns, SMILES_COLUMNS), first_named(columns, STRUCTURE_COLUMNS)
    return best or (others[0] if others else last)


def protein_column(columns: Sequence[str]) -> str | None:
    """Return the column of sequences, or None."""
    return first_named(columns, PROTEIN_COLUMNS)


# Functions that guess a modality's column. Columns of other modalities must be named.
GUESSES: Mapping[str, Callable[[Sequence[str]], str | None]] = {
    MOLECULE.name: structure_column,
    PROTEIN.name: protein_column,
}


def guess_item_columns(columns: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the column that seems to hold the items of each modality, by the modality's name."""
    found: dict[str, tuple[str, ...]] = {}
    for modality in MODALITIES:
        guess = GUESSES[modality](columns) if modality in GUESSES else None
        if guess is not None and (guess,) not in found.values():
            found[modality] = (guess,)
    return found


def id_column(columns: Sequence[str]) -> str | None:
    """Return the column of ids, or None."""
    return first_named(columns, (*ID_COLUMNS, *PROTEIN_ID_COLUMNS))


def id_prefix(column: str | None) -> str:
    """Return the prefix for numbers in a column of ids: "CID:" for PubChem's, else ""."""
    return "CID:" if column and first_named([column], CID_COLUMNS) else ""


def first_named(columns: Sequence[str], names: Iterable[str]) -> str | None:
    """Return the column with the first of these names that the table has, or None."""
    known = {re.sub(r"[\s_-]", "", column).lower(): column for column in reversed(columns)}
    return next((known[name] for name in names if name in known), None)
