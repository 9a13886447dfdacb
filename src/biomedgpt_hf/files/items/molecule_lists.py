"""Molecules for the builders, from any file: SMILES lines, SDF, MOL, MOL2, tables, data sets of this package.

The format is recognised by the content. Text may be plain or .gz. Memory holds one record.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from biomedgpt_hf.files.items.column_names import ID_COLUMNS, first_named, id_prefix, structure_column
from biomedgpt_hf.files.items.kinds import FileKind, recognise_item_file
from biomedgpt_hf.files.items.molblock import Structure, molecule_text
from biomedgpt_hf.files.items.sdf import read_mol2, read_sdf_records
from biomedgpt_hf.files.items.smiles_lines import EXPECTED_MOLECULES, read_smiles_lines, undoubled
from biomedgpt_hf.files.items.text_lines import as_label
from biomedgpt_hf.files.records import Record, RejectedRecord
from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.files.tables.table import TableRow, open_table

__all__ = ["Structure", "molecule_text", "read_molecule_records"]


def read_molecule_records(path: Path) -> Iterator[Record]:
    """Yield the molecules of a file as records whose content is a `Structure`.

    A record's id is its name in the file, with CID: before PubChem's numbers; or "".

    Raises:
        OSError: see `sources.open_source`.
        SourceError: the file is empty or broken, or no molecules are found in it.
    """
    path = Path(path)
    kind = recognise_item_file(path)
    readers = {
        FileKind.TABLE: _read_table,
        FileKind.SDF: read_sdf_records,
        FileKind.MOL2: read_mol2,
        FileKind.SMILES: read_smiles_lines,
    }
    if kind not in readers:
        raise SourceError(path, 0, "unknown format", f"is a {kind}, which holds no molecules. {EXPECTED_MOLECULES}")
    yield from readers[kind](path)


def _read_table(path: Path) -> Iterator[Record]:
    columns = open_table(path, []).columns
    structure, id_column = structure_column(columns), first_named(columns, ID_COLUMNS)
    if structure is None:
        raise SourceError(
            path, 1, "unknown format", f"has the columns {', '.join(columns)[:200]}. {EXPECTED_MOLECULES}"
        )
    prefix = id_prefix(id_column)
    for row in open_table(path, [structure, *filter(None, [id_column])]).rows:
        name = row.cells.get(id_column) if id_column else None
        id = "" if name is None else as_label(str(name))
        id = f"{prefix}{id}" if id.isdecimal() else id  # other sources may use this column name too
        if row.problem:
            yield Record(path.name, row.line, id, problem=row.problem)
            continue
        yield from _of_cell(path, row, id, row.cells[structure])


def _of_cell(path: Path, row: TableRow, id: str, cell: Any) -> Iterator[Record]:
    """Yield the molecule of a cell, or all those of a list of them."""
    for value in cell if isinstance(cell, list) else [cell]:
        if isinstance(value, str) and value.strip():
            yield Record(path.name, row.line, id, Structure(undoubled(value)))
        else:
            yield Record(path.name, row.line, id, problem=RejectedRecord("no structure", f"the cell is {value!r}"))
