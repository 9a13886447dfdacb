"""Molecules for the builders, from any file: SMILES lines, SDF, MOL, MOL2, ontologies, tables, data sets built here.

The format is recognised by the content. Text may be plain or .gz. Memory holds one record.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from biomedgpt_hf.files.items.formats import FileKind
from biomedgpt_hf.files.items.items import NO_COLUMNS, Columns
from biomedgpt_hf.files.items.kinds import recognise_item_file
from biomedgpt_hf.files.items.molblock import Structure, molecule_text
from biomedgpt_hf.files.items.readers import OF_MOLECULES, reader_of
from biomedgpt_hf.files.items.smiles_lines import EXPECTED_MOLECULES
from biomedgpt_hf.files.items.tables import row_id, structure_of, table_choice, table_format
from biomedgpt_hf.files.records import Record, RejectedRecord
from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.files.tables.column_names import id_column, id_prefix
from biomedgpt_hf.files.tables.empty_cells import is_empty
from biomedgpt_hf.files.tables.table import TableRow, UnknownColumnError, open_table
from biomedgpt_hf.modalities import MOLECULE

__all__ = ["Structure", "molecule_text", "read_molecule_records"]


def read_molecule_records(path: Path, columns: Columns = NO_COLUMNS) -> Iterator[Record]:
    """Yield the molecules of a file as records whose content is a `Structure`.

    A record's id is its name in the file, with CID: before PubChem's numbers; or "".

    Args:
        path: the file.
        columns: the columns of molecules and ids, and the format, where its user named them.

    Raises:
        OSError: see `sources.open_source`.
        SourceError: the file is empty or broken, or no molecules are found in it.
        UnknownColumnError: a named column is missing, or the file has no columns.
    """
    path = Path(path)
    kind = recognise_item_file(path, columns.names, columns.format)
    if kind is FileKind.TABLE:
        yield from _read_table(path, columns)
        return
    if columns.names:
        raise UnknownColumnError(f"{path} is a {kind} and has no columns. Leave out {columns.names[0]!r}.")
    if kind not in OF_MOLECULES:
        raise SourceError(path, 0, "unknown format", f"is a {kind}, which holds no molecules. {EXPECTED_MOLECULES}")
    yield from reader_of(kind, columns.format)(path)


def _read_table(path: Path, columns: Columns) -> Iterator[Record]:
    chosen, guessed, _ = table_choice(path, columns)
    there = open_table(path, [], format=table_format(columns)).columns
    structures, id_of_row = chosen.items.get(MOLECULE.name), columns.id or id_column(there, [MOLECULE.name])
    if structures is None:
        raise SourceError(path, 1, "unknown format", f"has the columns {', '.join(there)[:200]}. {EXPECTED_MOLECULES}")
    prefix = id_prefix(id_of_row)
    wanted, firsts = [*structures, *filter(None, [id_of_row])], {*guessed, *filter(None, [id_of_row])} - {columns.id}
    for row in open_table(path, wanted, guessed=firsts, format=table_format(columns)).rows:
        id = row_id(row.cells.get(id_of_row), prefix) if id_of_row else ""
        if row.problem:
            yield Record(path.name, row.line, id, problem=row.problem)
            continue
        for structure in structures:
            yield from _of_cell(path, row, id, row.cells[structure])


def _of_cell(path: Path, row: TableRow, id: str, cell: Any) -> Iterator[Record]:
    """Yield the molecule of a cell, or all those of a list of them."""
    for value in cell if isinstance(cell, list) else [cell]:
        if isinstance(value, str) and not is_empty(value):
            yield Record(path.name, row.line, id, structure_of(value))
        else:
            yield Record(path.name, row.line, id, problem=RejectedRecord("no structure", f"the cell is {value!r}"))
