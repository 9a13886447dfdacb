"""Recognising the kind of an item file.

What its user says comes first: the format, or the columns, which only a table has. Then comes the content, and where
that leaves a doubt, the name.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from biomedgpt_hf.disk.paths import existing_file
from biomedgpt_hf.files.items.fasta import COMMENTS, begins_fasta
from biomedgpt_hf.files.items.formats import FileKind, kind_of_format
from biomedgpt_hf.files.items.ontologies import is_ontology
from biomedgpt_hf.files.items.sdf import SDF_END
from biomedgpt_hf.files.items.smiles_lines import begins_as_list, is_named_so, structure_place
from biomedgpt_hf.files.items.text_lines import head_lines
from biomedgpt_hf.files.records import UnwantedRecord
from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.files.tables.column_names import known_columns
from biomedgpt_hf.files.tables.delimited import ROWS_COMPARED, place_of
from biomedgpt_hf.files.tables.table import PARQUET, open_table
from biomedgpt_hf.modalities import MODALITIES, PROTEIN

EXPECTED_ITEMS = (
    "Expected molecules (lines of SMILES, SDF, MOL, MOL2, an ontology), proteins (FASTA, PDB, mmCIF), or a table (CSV, "
    "TSV, JSON Lines, Parquet) that has a column SMILES or sequence, or whose columns you name."
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
MMCIF_START = re.compile(r"data_[^\s,;|]*(\s*#.*)?", re.IGNORECASE)
MMCIF_LINE = re.compile(r"\s*(_\w|loop_|save_|#)", re.IGNORECASE)
TABLE_SUFFIXES = (".csv", ".tsv", ".tab", ".jsonl", ".ndjson")
COUNTS = re.compile(r"\s*V[23]000\s*$")


def recognise_item_file(path: Path, named: Collection[str] = (), format: str | None = None) -> FileKind:
    """Return what kind of item file a file is: what its user says, or else what its content tells.

    Args:
        path: the file, plain or .gz.
        named: columns that its user named. A file that has one of them is a table, whatever its cells look like.
        format: what its user calls it, one of `FORMATS`.

    Raises:
        OSError: see `sources.open_source`.
        SourceError: the file is empty, broken from the beginning, or of an unknown kind.
        ValueError: there is no such format.
    """
    if format is not None:
        return kind_of_format(format)
    with existing_file(path).open("rb") as file:
        if file.read(len(PARQUET)) == PARQUET:
            return FileKind.TABLE
    head = head_lines(path)
    lines = [line for _, line in head]
    filled = [line for line in lines if line.strip()]
    if not filled:
        raise SourceError(path, len(lines), "empty file", "holds only blank lines.")
    if not named and is_ontology(path):
        return FileKind.ONTOLOGY
    header = _TableHeader.of(path)
    first = next((line.strip() for line in filled if not line.startswith(COMMENTS)), "")
    if first.startswith("$R") and not set(named) & set(header.columns):
        raise SourceError(
            path, 1, "unknown format", f"begins with {first!r}. Reactions are not items. {EXPECTED_ITEMS}"
        )
    is_table = any(place_of(column, header.columns) is not None for column in named) or header.is_certain
    kind = FileKind.TABLE if is_table else _signature(path, head, first)
    has_table_name = path.name.lower().removesuffix(".gz").endswith(TABLE_SUFFIXES)
    if kind is None and (named or _is_table(filled, first, header) or (has_table_name and not begins_as_list(first))):
        kind = FileKind.TABLE
    if kind is None and (structure_place(head)[0] is not None or is_named_so(path)):
        kind = FileKind.SMILES
    if kind is None and (header.fits or header.is_known):
        kind = FileKind.TABLE  # its columns are not known, or it has no rows: the reader says so
    if kind is None:
        detail = f"begins with {filled[0][:60]!r}, which is not an item. {EXPECTED_ITEMS}"
        raise SourceError(path, 1, "unknown format", detail)
    return kind


class _TableHeader(NamedTuple):
    """The columns of a file as if it were a table, and whether several rows fit to them."""

    columns: list[str]
    fits: bool = False

    @classmethod
    def of(cls, path: Path) -> _TableHeader:
        try:
            table = open_table(path, [])
            rows = list(islice(table.rows, ROWS_COMPARED))
        except SourceError:
            return cls([])
        is_sound = all(row.problem is None or isinstance(row.problem, UnwantedRecord) for row in rows)
        return cls(table.columns, len(table.columns) > 1 and bool(rows) and is_sound)

    @property
    def is_known(self) -> bool:
        return any(known_columns(self.columns, modality) for modality in MODALITIES)

    @property
    def is_certain(self) -> bool:
        return self.fits and self.is_known


def _signature(path: Path, head: Sequence[tuple[int, str]], first: str) -> FileKind | None:
    """Return the kind of a file that only files of its kind begin like, or None."""
    lines = [line for _, line in head]
    filled = [line for line in lines if line.strip()]
    if begins_fasta(filled):
        return FileKind.FASTA
    if MMCIF_START.fullmatch(first) and (len(filled) == 1 or any(map(MMCIF_LINE.match, filled[1:]))):
        return FileKind.MMCIF
    if first.startswith("@<TRIPOS>"):
        return FileKind.MOL2
    if _is_sdf(lines):
        return FileKind.SDF
    if all(map(PDB_RECORD.match, filled[:FIRST_PDB_LINES])) or any(map(PDB_ATOM.match, lines)):
        _refuse_ligand(path, head)
        return FileKind.PDB
    return None


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
    """Tell whether lines are those of MOL blocks. The blocks in a cell of a table stand behind an open quote."""
    mark = next((place for place, line in enumerate(lines) if line.startswith(("M  END", SDF_END))), None)
    counts = next((place for place, line in enumerate(lines[:6]) if place > 1 and COUNTS.search(line)), None)
    places = [place for place in (mark, counts) if place is not None]
    return bool(places) and sum(line.count('"') for line in lines[: min(places)]) % 2 == 0


def _is_table(filled: Sequence[str], first: str, header: _TableHeader) -> bool:
    if re.match(r"\{|\[\s*(\{|$)|<|sep=.$", first):  # JSON; XML, which `files.tables.table` refuses; Excel's delimiter
        return True
    if len(header.columns) > 1 or first.startswith('"'):
        return header.is_known
    # A name without a delimiter is the header of a table with one column, or of lines of SMILES with names.
    has_names = any(len(line.split()) > 1 for line in filled[1:])
    return bool(known_columns([first], PROTEIN.name)) or (header.is_known and len(first.split()) == 1 and not has_names)
