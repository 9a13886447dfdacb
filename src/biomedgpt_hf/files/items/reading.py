"""Reading items and questions from files of any kind, row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from biomedgpt_hf.files.items.fasta import read_fasta
from biomedgpt_hf.files.items.items import NO_COLUMNS, Columns, Contents, Item, item_of
from biomedgpt_hf.files.items.kinds import FileKind, recognise_item_file
from biomedgpt_hf.files.items.molblock import Structure
from biomedgpt_hf.files.items.sdf import read_mol2, read_sdf_records
from biomedgpt_hf.files.items.smiles_lines import read_smiles_lines
from biomedgpt_hf.files.items.structures import read_mmcif, read_pdb
from biomedgpt_hf.files.items.tables import read_table
from biomedgpt_hf.files.records import Record
from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.files.tables.table import UnknownColumnError
from biomedgpt_hf.modalities import MODALITIES, MOLECULE

READERS: dict[FileKind, Callable[[Path], Iterator[Record]]] = {
    FileKind.SMILES: read_smiles_lines,
    FileKind.SDF: read_sdf_records,
    FileKind.MOL2: read_mol2,
    FileKind.FASTA: read_fasta,
    FileKind.PDB: read_pdb,
    FileKind.MMCIF: read_mmcif,
}


def read_items(
    paths: Sequence[str | Path], columns: Columns = NO_COLUMNS, *, first: int = 1, last: int | None = None
) -> Iterator[Item]:
    """Yield the rows of some files from `first` to `last`, in order. RDKit does not parse the rows outside of these.

    Memory holds one record, or one file if it is PDB or mmCIF. A record that cannot be read is a row with a `problem`,
    and reading continues.

    Args:
        paths: files of the same or different kinds, or folders of data sets of this package.
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


def count_items(paths: Sequence[str | Path], columns: Columns = NO_COLUMNS) -> int:
    """Return how many rows `read_items` yields. RDKit does not parse them.

    Raises:
        OSError, SourceError, UnknownColumnError: see `read_items`.
    """
    return sum(1 for _ in _records(paths, columns))


def _records(paths: Sequence[str | Path], columns: Columns) -> Iterator[Record]:
    """Yield the records of some files, whose content is `Contents`."""
    for path in map(Path, paths):
        is_empty = True
        for record in chain.from_iterable(_records_of(file, columns) for file in _files(path)):
            is_empty = False
            yield record
        if is_empty:
            raise SourceError(path, 0, "no records", f"holds no {', '.join(MODALITIES)} or row.")


def _files(path: Path) -> list[Path]:
    """Return the path of a file, or the Parquet files of a data set of this package."""
    if not path.is_dir():
        return [path]
    if found := sorted(path.glob("data/*.parquet")):
        return found
    there = sorted(entry.name for entry in path.iterdir() if entry.is_file())
    named = ", ".join([*there[:5], "…"] if len(there) > 5 else there) or "it has none"
    raise IsADirectoryError(f"{path} is a folder without a data set (data/*.parquet). Name the files in it ({named}).")


def _records_of(path: Path, columns: Columns) -> Iterator[Record]:
    kind = recognise_item_file(path, columns.names, columns.format)
    if kind is FileKind.TABLE:
        yield from read_table(path, columns)
        return
    if columns.names:
        named = ", ".join(map(repr, columns.names))
        raise UnknownColumnError(f"{path} is a {kind} and has no columns. Leave out {named}, or pass a table.")
    for record in READERS[kind](path):
        is_molecule = isinstance(record.content, Structure)
        yield record._replace(content=Contents({MOLECULE.name: (record.content,)})) if is_molecule else record
