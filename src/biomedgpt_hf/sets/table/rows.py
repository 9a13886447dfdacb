"""Rows of a table become rows of the set, or are told what is wrong with them."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, time
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from biomedgpt_hf.building.examples import Example
from biomedgpt_hf.files.records import Record, RejectedRecord
from biomedgpt_hf.files.sources import require_utf8
from biomedgpt_hf.files.tables.table import open_table
from biomedgpt_hf.processors.molecular_graph import smiles_to_graph
from biomedgpt_hf.processors.protein_tokenizer import (
    InvalidProteinError,
    ResidueTable,
    build_protein_tokenizer,
    encode_protein,
    read_residue_table,
)
from biomedgpt_hf.rows.schema import question_row
from biomedgpt_hf.similarity.structure_key import structure_key

SPLIT_NAMES = {
    "train": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
}
EMPTY = "empty cell"
NUCLEOTIDES = "a protein looks like a nucleotide sequence"
LARGEST_WHOLE = 2.0**53  # larger floats are not exact


class Columns(NamedTuple):
    """Which column holds what, and what holds for all rows.

    Attributes:
        molecules: columns of SMILES or InChI; the blocks of a row stand in this order.
        proteins: columns of sequences, after the molecules.
        answer: column of answers.
        question: the question of every row, or None where `question_column` has them.
        question_column: column of questions.
        id: column of identifiers; by default a row's is its file's name and its number.
        split: column with train, validation (valid, val, dev) or test.
        optional_items: a row may lack some molecules and proteins.
    """

    molecules: tuple[str, ...]
    proteins: tuple[str, ...]
    answer: str
    question: str | None = None
    question_column: str | None = None
    id: str | None = None
    split: str | None = None
    optional_items: bool = False

    @property
    def names(self) -> list[str]:
        """The columns that are read."""
        single = (self.answer, self.question_column, self.id, self.split)
        return list(dict.fromkeys([*self.molecules, *self.proteins, *filter(None, single)]))


class Labels(NamedTuple):
    """What stands in every row, and what decides its split."""

    task: str
    source: str | None
    license: str
    split_by: str


def read_rows(path: Path, columns: Columns, name: str | None = None) -> Iterator[Record]:
    """Yield a record for each row of a table; its content is the cells that `columns` names.

    Args:
        path: the file.
        columns: which of its columns are needed.
        name: what the file is called in ids and reports; its own name by default.

    Raises:
        OSError, SourceError, UnknownColumnError: as `files.open_table`.
    """
    name = name or Path(path).name
    for row in open_table(path, columns.names).rows:
        place = f"{name}:{row.number}"
        id = place
        if columns.id and not row.problem:
            with suppress(RejectedRecord):  # `parse` will tell what is wrong with it
                id = _text(row.cells[columns.id], columns.id)
        yield Record(name, row.line, id, (place, row.cells), row.problem)


def parse_table_row(record: Record, columns: Columns, labels: Labels) -> Example:
    """Return the row of a table's row.

    Args:
        record: one of `read_rows`.
        columns: with which it was read.
        labels: the rest of the row.

    Raises:
        RejectedRecord: names the column and the value that are wrong.
    """
    place, cells = record.content

    def text(column: str | None) -> str:
        return _text(cells[column], column or "")

    id = text(columns.id) if columns.id else place
    split = _split(text(columns.split), columns.split) if columns.split else None
    question = columns.question or text(columns.question_column)
    answer = text(columns.answer)
    molecules = [_molecule(*item) for item in _items(cells, columns.molecules, columns.optional_items)]
    proteins = [_protein(*item) for item in _items(cells, columns.proteins, columns.optional_items)]
    smiles, structures = [molecule for molecule, _ in molecules], [key for _, key in molecules]
    sequences = [sequence for sequence, _ in proteins]
    row = question_row(
        question,
        answer,
        molecules=smiles,
        proteins=sequences,
        task=labels.task,
        source=labels.source or record.file,
        id=id,
        license=labels.license,
    )
    keys = {
        "molecule": [*structures, *sequences],
        "protein": [*sequences, *structures],
        "row": [place, *structures, *sequences],
        "question": [question, *structures, *sequences],
    }[labels.split_by]
    mark = id if columns.id else json.dumps([smiles, sequences, question, answer])
    notes = tuple(note for _, note in proteins if note)
    return Example([row], tuple(dict.fromkeys(keys)) or (question,), split, (mark,), notes)


def _text(value: Any, column: str) -> str:
    """Return a cell as text: True and False as Python writes them, whole numbers without ".0"."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    if isinstance(value, float) and value.is_integer() and abs(value) < LARGEST_WHOLE:
        value = int(value)
    if isinstance(value, date | time):
        value = value.isoformat()
    if value is None or (isinstance(value, float | Decimal) and math.isnan(value)):
        value = ""
    if not isinstance(value, str | int | float | Decimal):
        raise RejectedRecord("not text", f"column {column!r} holds a {type(value).__name__}: {str(value)[:80]}")
    text = require_utf8(f"{value:f}" if isinstance(value, Decimal) else str(value)).strip()
    if not text:
        raise RejectedRecord(EMPTY, f"column {column!r}")
    return "\n".join(text.splitlines()) if "\r" in text else text


def _split(text: str, column: str) -> str:
    if text.lower() not in SPLIT_NAMES:
        raise RejectedRecord("unknown split", f"{text!r} in column {column!r}: write {', '.join(SPLIT_NAMES)}")
    return SPLIT_NAMES[text.lower()]


def _items(cells: Mapping[str, Any], columns: Sequence[str], optional: bool) -> Iterator[tuple[str, str]]:
    """Yield each item of some columns, and its column; a cell may hold a list of items."""
    for column in columns:
        values = cells[column] if isinstance(cells[column], list) else [cells[column]]
        for value in values or [None]:
            try:
                yield _text(value, column), column
            except RejectedRecord as rejected:
                if not optional or rejected.reason != EMPTY:
                    raise


def _molecule(text: str, column: str) -> tuple[str, str]:
    """Return a molecule, and its structure key."""
    try:
        smiles_to_graph(text)
        return text, structure_key(text)
    except ValueError as error:
        raise RejectedRecord("unreadable molecule", f"column {column!r}: {error}") from error


def _protein(text: str, column: str) -> tuple[str, str]:
    """Return a protein as it is written in the set, and what is odd about it, or ""."""
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            encode_protein(text, _residues())
    except InvalidProteinError as error:
        raise RejectedRecord("unreadable protein", f"column {column!r}: {error}") from error
    return "".join(text.split()).removesuffix("*").upper(), NUCLEOTIDES if caught else ""


@lru_cache(maxsize=1)
def _residues() -> ResidueTable:
    return read_residue_table(build_protein_tokenizer())
