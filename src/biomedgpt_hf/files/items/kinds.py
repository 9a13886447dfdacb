"""Recognising the kind of an item file by its content."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from biomedgpt_hf.disk.paths import existing_file
from biomedgpt_hf.files.items.column_names import guess_item_columns, protein_column, structure_column
from biomedgpt_hf.files.items.fasta import COMMENTS, begins_fasta
from biomedgpt_hf.files.items.sdf import SDF_END
from biomedgpt_hf.files.items.smiles_lines import HEADER_DELIMITER, header_cells, is_named_so, structure_place
from biomedgpt_hf.files.items.text_lines import head_lines
from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.files.tables.table import PARQUET

EXPECTED_ITEMS = (
    "Expected molecules (lines of SMILES, SDF, MOL, MOL2), proteins (FASTA, PDB, mmCIF), or a table (CSV, TSV, JSON "
    "Lines, Parquet) that has a column SMILES or sequence, or whose columns you name."
)
# The records of all versions of the format, and those of programs (REMARKS, USER, PARENT, LIGATM, and PDBQT's).
PDB_RECORD = re.compile(
    r"(HEADER|OBSLTE|TITLE|SPLI?T|CAVEAT|COMPND|SOURCE|KEYWDS|EXPDTA|NUMMDL|MDLTYP|AUTHOR|REVDAT|SPRSDE|JRNL|REMARKS?"
    r"|FTNOTE|DBREF[12]?|SEQADV|SEQRES|MODRES|HET|HETNAM|HETSYN|FORMUL|HELIX|SHEET|TURN|SSBOND|LINKR?|HYDBND|SLTBRG"
    r"|CISPEP|SITE|CRYST1|ORIGX\d|SCALE\d|MTRIX\d|TVECT|MODEL|USER|PARENT|LIGATM)( |$)"
    r"|(ATOM  |HETATM|ANISOU|SIGATM|SIGUIJ)[ \d*A-Za-z]{5} |(TER|END|ENDMDL|CONECT|MASTER)\b"
)
PDB_ATOM = re.compile(r"(ATOM  |HETATM).{24}(\s*-?\d+\.\d+\s*){3}")  # with coordinates
PDBQT_LIGAND = re.compile(r"(ROOT|ENDROOT|BRANCH|ENDBRANCH|TORSDOF)\b")
MEEKO_SMILES = re.compile(r"REMARK SMILES (?!IDX)(\S+)")
FIRST_PDB_LINES = 5
COUNTS = re.compile(r"\s*V[23]000\s*$")


class FileKind(StrEnum):
    """Kinds of item files, as errors name them."""

    TABLE = "table"
    SMILES = "list of SMILES"
    SDF = "SDF or MOL file"
    MOL2 = "MOL2 file"
    FASTA = "FASTA file"
    PDB = "PDB file"
    MMCIF = "mmCIF file"


def recognise_item_file(path: Path, *, is_table: bool = False) -> FileKind:
    """Return what kind of item file a file is.

    Args:
        path: the file, plain or .gz.
        is_table: whether text of no other known kind is a table, since its columns were named.

    Raises:
        OSError: see `sources.open_source`.
        SourceError: the file is empty, broken from the beginning, or of an unknown kind.
    """
    with existing_file(path).open("rb") as file:
        if file.read(len(PARQUET)) == PARQUET:
            return FileKind.TABLE
    head = head_lines(path)
    lines = [line for _, line in head]
    filled = [line for line in lines if line.strip()]
    if not filled:
        raise SourceError(path, len(lines), "empty file", "holds only blank lines.")
    first = next((line.strip() for line in filled if not line.startswith(COMMENTS)), "")
    if first.startswith("$R"):
        raise SourceError(
            path, 1, "unknown format", f"begins with {first!r}. Reactions are not items. {EXPECTED_ITEMS}"
        )
    if begins_fasta(filled):
        return FileKind.FASTA
    if first.lower().startswith("data_"):
        return FileKind.MMCIF
    if first.startswith("@<TRIPOS>"):
        return FileKind.MOL2
    if _is_sdf(lines):
        return FileKind.SDF
    if all(map(PDB_RECORD.match, filled[:FIRST_PDB_LINES])) or any(map(PDB_ATOM.match, lines)):
        _refuse_ligand(path, head)
        return FileKind.PDB
    if is_table or _is_table(first):
        return FileKind.TABLE
    if structure_place(head)[0] is not None or is_named_so(path):
        return FileKind.SMILES
    if len(filled) == 1 and structure_column(header_cells(first)) is not None:
        return FileKind.TABLE  # a table with one column and no rows
    raise SourceError(
        path, 1, "unknown format", f"begins with {filled[0][:60]!r}, which is not an item. {EXPECTED_ITEMS}"
    )


def _refuse_ligand(path: Path, head: Sequence[tuple[int, str]]) -> None:
    """Raise a SourceError if a PDBQT file holds a ligand, of which it tells neither bond orders nor all hydrogens."""
    number = next((number for number, line in head if PDBQT_LIGAND.match(line)), None)
    if number is None:
        return
    smiles = next((found[1] for _, line in head if (found := MEEKO_SMILES.match(line))), None)
    remedy = (
        f"Pass the SMILES that it names, {smiles[:200]!r}" if smiles else "Pass the SDF or SMILES that it was made of"
    )
    detail = (
        f"is a PDBQT file with a ligand, which has no bond orders. {remedy}, or convert it: obabel IN.pdbqt -O OUT.sdf"
    )
    raise SourceError(path, number, "unknown format", f"{detail}.")


def _is_sdf(lines: Sequence[str]) -> bool:
    has_counts = any(map(COUNTS.search, lines[2:6]))
    return has_counts or any(line.startswith(("M  END", SDF_END)) for line in lines)


def _is_table(first: str) -> bool:
    if re.match(r"\{|\[\s*(\{|$)|<|sep=.$", first):  # JSON; XML, which `files.tables.table` refuses; Excel's delimiter
        return True
    cells = header_cells(first)
    if not re.search(HEADER_DELIMITER, first) and not first.startswith('"'):
        return len(cells) == 1 and protein_column(cells) is not None
    return bool(guess_item_columns(cells))
