"""Which columns of a table hold items and ids, by their usual names.

Names are compared without case, blanks, underscores and hyphens. A name is known, likely, or a partner's name. A known
one is trusted. A likely one, such as "receptor sequence", counts where its cells hold items. So does a partner's name,
such as "drug" or "target", but only beside a column of the other kind: alone it is the name of too many things.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from biomedgpt_hf.modalities import MOLECULE, PROTEIN

# The best first. PubChem calls a SMILES with stereo "IsomericSMILES", or "SMILES" beside "ConnectivitySMILES". Any
# other name with SMILES in it follows, such as "Ligand SMILES" and "compound_iso_smiles", and then the others.
SMILES_COLUMNS = ("isomericsmiles", "isosmiles", "stereosmiles", "smiles", "canonicalsmiles")
STRUCTURE_COLUMNS = ("molecules", "molecule", "structure", "mol", "inchi")
FLAT = re.compile(r"connectivity|flat|no(n|ster|iso)|achiral|2d")
STEREO = re.compile(r"iso|stereo|chiral|absolute")
PROTEIN_COLUMNS = (
    *("sequence", "proteinsequence", "aasequence", "aminoacidsequence", "targetsequence"),
    *("bindingdbtargetchainsequence", "bindingdbtargetchainsequence1"),
    *("aaseq", "seq", "fasta", "proteins", "protein"),
)
LIKELY_PROTEIN = re.compile(r"(.*sequence|(protein|target|receptor|enzyme|chain|peptide|antigen|antibody)seq)s?\d*")
NUCLEIC = re.compile(r"dna|rna|nucle|gene|codon|cds|primer|oligo|transcript")
PARTNERS: Mapping[str, tuple[str, ...]] = {
    MOLECULE.name: ("drug", "ligand", "compound", "chemical"),
    PROTEIN.name: ("target", "receptor", "enzyme"),
}
ID_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "": ("id", "name", "identifier", "header"),
    MOLECULE.name: (
        *("cid", "pubchemcid", "chemblid", "chebiid", "moleculechemblid", "drugbankid", "zincid"),
        *("drugid", "ligandid", "moleculeid", "compoundid"),
    ),
    PROTEIN.name: (
        *("accession", "entry", "uniprot", "uniprotid", "uniprotaccession", "uniprotkb", "primaryaccession"),
        *("proteinid", "targetid", "sequenceid", "pdbid", "entryname"),
    ),
}
CID_COLUMNS = ("cid", "pubchemcid")


def known_columns(columns: Sequence[str], modality: str) -> list[str]:
    """Return the columns whose names say that they hold the items of a modality, the best first."""
    rank = {MOLECULE.name: _structure_rank, PROTEIN.name: _protein_rank}.get(modality)
    if rank is None:  # columns of other modalities must be named
        return []
    ranks = {column: found for column in columns if (found := rank(plain_name(column))) is not None}
    return sorted(ranks, key=ranks.__getitem__)


def likely_columns(columns: Sequence[str], modality: str) -> list[str]:
    """Return the columns that probably hold the items of a modality, if their cells look so."""
    if modality != PROTEIN.name:
        return []
    names = {column: plain_name(column) for column in columns}
    return [
        column
        for column, name in names.items()
        if _protein_rank(name) is None and LIKELY_PROTEIN.fullmatch(name) and not NUCLEIC.search(name)
    ]


def partner_columns(columns: Sequence[str], modality: str) -> list[str]:
    """Return the columns that may hold the items of a modality beside a column of another one."""
    names = {column: plain_name(column) for column in columns}
    return [column for column, name in names.items() if _index(name, PARTNERS.get(modality, ())) is not None]


def is_smiles_column(column: str) -> bool:
    """Tell whether a column's name has SMILES in it."""
    return "smiles" in plain_name(column)


def id_column(columns: Sequence[str], modalities: Iterable[str]) -> str | None:
    """Return the column of the rows' ids, or None.

    Args:
        columns: of the table.
        modalities: whose items are read. A row about a pair is not named by one partner where both have names.
    """
    of_items = [ID_COLUMNS.get(modality, ()) for modality in modalities]
    if len(of_items) == 1:
        others = [names for names in ID_COLUMNS.values() if names not in of_items]
        return first_named(columns, (*of_items[0], *(name for names in others for name in names)))
    partners = [first_named(columns, names) for names in of_items]
    found = [*filter(None, partners)]
    return first_named(columns, ID_COLUMNS[""]) or (found[0] if len(found) == 1 else None)


def id_prefix(column: str | None) -> str:
    """Return the prefix for numbers in a column of ids: "CID:" for PubChem's, else ""."""
    return "CID:" if column and first_named([column], CID_COLUMNS) else ""


def first_named(columns: Sequence[str], names: Iterable[str]) -> str | None:
    """Return the column with the first of these names that the table has, or None."""
    known = {plain_name(column): column for column in reversed(columns)}
    return next((known[name] for name in names if name in known), None)


def plain_name(column: str) -> str:
    """Return a name without case, blanks, underscores and hyphens."""
    return re.sub(r"[\s_-]", "", column).lower()


def _structure_rank(name: str) -> tuple[int, int] | None:
    if name in SMILES_COLUMNS:
        return 0, SMILES_COLUMNS.index(name)
    if "smiles" in name:
        return 1, 2 if FLAT.search(name) else 0 if STEREO.search(name) else 1
    if (place := _index(name, STRUCTURE_COLUMNS)) is not None:
        return 2, place
    return (3, 0) if name.endswith("inchi") else None


def _protein_rank(name: str) -> tuple[int, int] | None:
    place = _index(name, PROTEIN_COLUMNS)
    return None if place is None else (0, place)


def _index(name: str, names: Sequence[str]) -> int | None:
    """Return the place of a name, or of its singular, among some; or None."""
    return next((names.index(one) for one in (name, name.removesuffix("s")) if one in names), None)
