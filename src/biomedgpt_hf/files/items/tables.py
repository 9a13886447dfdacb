"""Tables as item files: their columns of molecules, proteins, questions and ids, named or guessed."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from biomedgpt_hf.files.items.column_names import id_column, id_prefix, protein_column, structure_column
from biomedgpt_hf.files.items.items import Columns, Contents
from biomedgpt_hf.files.items.molblock import Structure
from biomedgpt_hf.files.items.smiles_lines import undoubled
from biomedgpt_hf.files.items.text_lines import one_line
from biomedgpt_hf.files.records import Record, RejectedRecord
from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.files.tables.table import open_table

SHOWN = 80  # characters of a cell, in errors


def read_table(path: Path, columns: Columns) -> Iterator[Record]:
    """Yield the rows of a table; the content is `Contents`, whose items are not checked.

    Where neither molecule nor protein columns are named, one of each is guessed. A cell may hold a list of items.

    Raises:
        OSError, SourceError: as `files.tables.table.open_table`; nothing is named, and there is nothing to guess.
        UnknownColumnError: a named column is not there, or twice.
    """
    columns = _chosen(path, columns)
    prefix = id_prefix(columns.id)
    for row in open_table(path, columns.names).rows:
        if row.problem:
            yield Record(path.name, row.line, problem=row.problem)
            continue
        id = _label(row.cells[columns.id]) if columns.id else ""
        id = f"{prefix}{id}" if id.isdecimal() else id
        try:
            yield Record(path.name, row.line, id, _contents(row.cells, columns))
        except RejectedRecord as problem:
            yield Record(path.name, row.line, id, problem=problem)


def _chosen(path: Path, columns: Columns) -> Columns:
    """Return the named columns, and guesses for those that are not."""
    there = open_table(path, []).columns
    if not there:
        detail = "has no columns. In JSON, each object is to stand on one line, with the columns as its keys."
        raise SourceError(path, 1, "unknown format", detail)
    if not columns.molecules and not columns.proteins:
        molecule, protein = structure_column(there), protein_column(there)
        if molecule is None and protein is None:
            near = difflib.get_close_matches("smiles", there, n=1) or difflib.get_close_matches("sequence", there, n=1)
            hint = f" Is it {near[0]!r}?" if near else ""
            detail = f"has the columns {', '.join(map(repr, there))[:200]}: name those of molecules or proteins.{hint}"
            raise SourceError(path, 1, "unknown format", detail)
        columns = columns._replace(
            molecules=(molecule,) if molecule else (), proteins=(protein,) if protein and protein != molecule else ()
        )
    return columns._replace(id=columns.id or id_column(there))


def _contents(cells: Mapping[str, Any], columns: Columns) -> Contents:
    molecules = [Structure(undoubled(text)) for text in _texts(cells, columns.molecules)]
    proteins = _texts(cells, columns.proteins)
    if not molecules and not proteins:
        named = ", ".join(map(repr, (*columns.molecules, *columns.proteins)))
        raise RejectedRecord("no molecule or protein", f"there is nothing in {named}")
    question = _texts(cells, [columns.question])[:1] if columns.question else []
    if columns.question and not question:
        raise RejectedRecord("no question", f"there is nothing in {columns.question!r}")
    return Contents(tuple(molecules), tuple(proteins), question[0] if question else None)


def _texts(cells: Mapping[str, Any], columns: Sequence[str]) -> list[str]:
    """Return the texts in some cells; there may be none."""
    texts = []
    for column in columns:
        values = cells[column] if isinstance(cells[column], list) else [cells[column]]
        for value in values:
            if value is None or (isinstance(value, float) and math.isnan(value)):
                continue
            if not isinstance(value, str):
                raise RejectedRecord("not text", f"column {column!r} holds {str(value)[:SHOWN]}")
            if value.strip():
                texts.append(value.strip())
    return texts


def _label(value: Any) -> str:
    """Return an id as text; "" where there is none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return one_line(str(int(value) if isinstance(value, float) and value.is_integer() else value))
