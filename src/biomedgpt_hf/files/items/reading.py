"""Reading items and questions from files of any kind, row by row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

from biomedgpt_hf.files.items.column_choice import Choice
from biomedgpt_hf.files.items.fasta import read_fasta
from biomedgpt_hf.files.items.formats import FileKind
from biomedgpt_hf.files.items.frames import FRAME, frame_choice, is_frame, read_frame
from biomedgpt_hf.files.items.items import NO_COLUMNS, Columns, Contents, Item, item_of
from biomedgpt_hf.files.items.kinds import recognise_item_file
from biomedgpt_hf.files.items.mmcif import read_mmcif
from biomedgpt_hf.files.items.molblock import Structure
from biomedgpt_hf.files.items.ontologies import read_ontology_molecules
from biomedgpt_hf.files.items.pdb import read_pdb
from biomedgpt_hf.files.items.sdf import read_mol2, read_sdf_records
from biomedgpt_hf.files.items.smiles_lines import read_smiles_lines
from biomedgpt_hf.files.items.tables import read_table, table_choice
from biomedgpt_hf.files.records import Record
from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.files.tables.table import UnknownColumnError
from biomedgpt_hf.modalities import MODALITIES, MOLECULE

READERS: dict[FileKind, Callable[[Path], Iterator[Record]]] = {
    FileKind.SMILES: read_smiles_lines,
    FileKind.SDF: read_sdf_records,
    FileKind.MOL2: read_mol2,
    FileKind.ONTOLOGY: read_ontology_molecules,
    FileKind.FASTA: read_fasta,
    FileKind.PDB: read_pdb,
    FileKind.MMCIF: read_mmcif,
}


def read_items(
    paths: Sequence[str | Path | Any], columns: Columns = NO_COLUMNS, *, first: int = 1, last: int | None = None
) -> Iterator[Item]:
    """Yield the rows of some files from `first` to `last`, in order. RDKit does not parse the rows outside of these.

    Memory holds one record, or one file if it is PDB or mmCIF. A record that cannot be read is a row with a `problem`,
    and reading continues.

    Args:
        paths: files of the same or different kinds, folders of data sets of this package, or DataFrames.
        columns: which columns of tables to read.
        first: number of the first row, from 1.
        last: number of the last row; None reads to the end.

    Raises:
        OSError: a file is missing or unreadable.
        SourceError: a file is empty, broken, of an unknown kind, or holds no row.
        UnknownColumnError: a named column is not in a table, or a file is not a table.
    """
    if last is not None and last < first:
        return
    for row, record in enumerate(_records(paths, columns), start=1):
        if row >= first:
            yield item_of(row, record)
        if row == last:
            return


def count_items(paths: Sequence[str | Path], columns: Columns = NO_COLUMNS, empty: Counter[str] | None = None) -> int:
    """Return how many rows `read_items` yields. RDKit does not parse them.

    Args:
        paths, columns: as for `read_items`.
        empty: counts the rows in which a column of items holds nothing while another one does, by the column.

    Raises:
        OSError, SourceError, UnknownColumnError: see `read_items`.
    """
    rows = 0
    for record in _records(paths, columns):
        rows += 1
        if empty is not None and record.content is not None:
            empty.update(record.content.empty)
    return rows


def column_notes(paths: Sequence[str | Path], columns: Columns = NO_COLUMNS, modality: str | None = None) -> list[str]:
    """Return a sentence on each decision about the columns of tables that a user may want to change.

    Args:
        paths: as for `read_items`. What is wrong with a file is told when it is read.
        columns: those that are named.
        modality: the only one whose items are used; None where all are.

    Raises:
        OSError: a file is missing or unreadable.
        ValueError: there is no such format.
    """
    notes: dict[str, None] = {}
    for path in paths:
        with suppress(SourceError, UnknownColumnError):
            name, choice = _choice_of(path, columns)
            for other, named in choice.columns.items.items() if choice else ():
                if modality not in (None, other):
                    where = " and ".join(map(repr, named))
                    notes[f"{name}: the {MODALITIES[other].column} in {where} are left out here."] = None
            notes |= dict.fromkeys(choice.notes if choice else ())
    return list(notes)


def _choice_of(path: Any, columns: Columns) -> tuple[str, Choice | None]:
    """Return the name of a table and which of its columns are read, or None for what is no table."""
    if is_frame(path):
        return FRAME, frame_choice(path, columns)
    file = _files(Path(path))[0]
    is_table = recognise_item_file(file, columns.names, columns.format) is FileKind.TABLE
    return file.name, table_choice(file, columns) if is_table else None


def _records(paths: Sequence[str | Path], columns: Columns) -> Iterator[Record]:
    """Yield the records of some files, whose content is `Contents`."""
    for path in paths:
        is_empty = True
        for record in read_frame(path, columns) if is_frame(path) else _records_in(Path(path), columns):
            is_empty = False
            yield record
        if is_empty:
            raise SourceError(
                Path(FRAME if is_frame(path) else path), 0, "no records", f"holds no {', '.join(MODALITIES)} or row."
            )


def _files(path: Path) -> list[Path]:
    """Return the path of a file, or the Parquet files of a data set of this package."""
    if not path.is_dir():
        return [path]
    if found := sorted(path.glob("data/*.parquet")):
        return found
    there = sorted(entry.name for entry in path.iterdir() if entry.is_file())
    named = ", ".join([*there[:5], "…"] if len(there) > 5 else there) or "it has none"
    raise IsADirectoryError(f"{path} is a folder without a data set (data/*.parquet). Name the files in it ({named}).")


def _records_in(path: Path, columns: Columns) -> Iterator[Record]:
    return chain.from_iterable(_records_of(file, columns) for file in _files(path))


def _records_of(path: Path, columns: Columns) -> Iterator[Record]:
    kind = recognise_item_file(path, columns.names, columns.format)
    if kind is FileKind.TABLE:
        yield from read_table(path, columns)
        return
    if columns.names:
        named = ", ".join(map(repr, columns.names))
        raise UnknownColumnError(f"{path} is a {kind} and has no columns. Leave out {named}, or pass a table.")
    is_sure = kind is FileKind.SMILES and columns.format is not None
    for record in read_smiles_lines(path, is_sure=True) if is_sure else READERS[kind](path):
        is_molecule = isinstance(record.content, Structure)
        yield record._replace(content=Contents({MOLECULE.name: (record.content,)})) if is_molecule else record
