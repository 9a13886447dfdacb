"""Rows of a table become rows of the set, or are told what is wrong with them."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, time
from decimal import Decimal
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from biomedgpt_hf.building.examples import Example
from biomedgpt_hf.files.items.cells import cell_items, item_key
from biomedgpt_hf.files.items.molblock import is_mol_block, molecule_text
from biomedgpt_hf.files.items.tables import structure_of
from biomedgpt_hf.files.records import Record, RejectedRecord
from biomedgpt_hf.files.sources import require_utf8
from biomedgpt_hf.files.tables.empty_cells import is_empty, is_null, without_blanks
from biomedgpt_hf.files.tables.table import open_table
from biomedgpt_hf.modalities import MODALITIES, MOLECULE, PROTEIN
from biomedgpt_hf.processors.protein_tokenizer import (
    ResidueTable,
    build_protein_tokenizer,
    encode_protein,
    read_residue_table,
)
from biomedgpt_hf.rows.entry_dates import read_entry_date
from biomedgpt_hf.rows.schema import question_row
from biomedgpt_hf.sets.molecules import FEATURES, checked_molecule

SPLIT_NAMES = {
    "train": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
}
EMPTY = "empty cell"
NO_ITEM = "a question about items has none, since their cells are empty"
NUCLEOTIDES = "a protein looks like a nucleotide sequence"
LARGEST_WHOLE = 2.0**53  # larger floats are not exact


class RowColumns(NamedTuple):
    """Which column holds what, and what holds for all rows.

    Attributes:
        items: for each modality its columns; the blocks of a row stand in this order.
        answer: column of answers.
        question: the question of every row, or None where `question_column` has them.
        question_column: column of questions.
        id: column of identifiers; by default a row's is its file's name and its number.
        split: column with train, validation (valid, val, dev) or test.
        date: column with the day, month or year in which the entry was made; its cells may be empty.
        optional_items: a row may lack some items.
        format: kind of the tables, of `files.tables.table.TABLE_FORMATS`; None recognises each.
    """

    items: Mapping[str, tuple[str, ...]]
    answer: str
    question: str | None = None
    question_column: str | None = None
    id: str | None = None
    split: str | None = None
    optional_items: bool = False
    format: str | None = None
    date: str | None = None

    @property
    def names(self) -> list[str]:
        """The columns that are read."""
        single = (self.answer, self.question_column, self.id, self.split, self.date)
        return list(dict.fromkeys([*chain.from_iterable(self.items.values()), *filter(None, single)]))


class Labels(NamedTuple):
    """What stands in every row, what decides its split, and the features in which molecules must have a place."""

    task: str
    source: str | None
    license: str
    split_by: str
    features: str = FEATURES


def read_table_rows(path: Path, columns: RowColumns, name: str | None = None) -> Iterator[Record]:
    """Yield a record for each row of a table; its content is the cells that `columns` names.

    Args:
        path: the file.
        columns: which of its columns are needed.
        name: what the file is called in ids and reports; its own name by default.

    Raises:
        OSError, SourceError, UnknownColumnError: see `files.tables.table.open_table`.
    """
    name = name or Path(path).name
    for row in open_table(path, columns.names, format=columns.format).rows:
        place = f"{name}:{row.number}"
        id = place
        if columns.id and not row.problem:
            with suppress(RejectedRecord):  # `parse` will tell what is wrong with it
                id = _text(row.cells[columns.id], columns.id)
        yield Record(name, row.line, id, (place, row.cells), row.problem)


def parse_table_row(record: Record, columns: RowColumns, labels: Labels) -> Example:
    """Return the row of a table's row.

    Args:
        record: one of `read_table_rows`.
        columns: with which it was read.
        labels: the rest of the row.

    Raises:
        RejectedRecord: names the column and the value that are wrong.
        UnwantedRecord: a molecule has no place in the features.
    """
    place, cells = record.content

    def text(column: str | None) -> str:
        return _text(cells[column], column or "")

    id = text(columns.id) if columns.id else place
    split = _split(text(columns.split), columns.split) if columns.split else None
    question = columns.question or text(columns.question_column)
    answer = text(columns.answer)
    found = {
        modality: [
            _read(value, column, modality, labels.features)
            for value, column in _values(cells, named, modality, columns)
        ]
        for modality, named in columns.items.items()
    }
    items = {modality: [one.item for one in of_modality] for modality, of_modality in found.items()}
    keys = {modality: [one.key for one in of_modality] for modality, of_modality in found.items()}
    row = question_row(
        question,
        answer,
        **{MODALITIES[modality].column: of_modality for modality, of_modality in items.items()},
        task=labels.task,
        source=labels.source or record.file,
        id=id,
        license=labels.license,
        entry_date=_date(cells[columns.date], columns.date) if columns.date else None,
    )
    first = {"row": [place], "question": [question]}.get(labels.split_by) or keys.get(labels.split_by, [])
    all_keys = dict.fromkeys([*first, *chain.from_iterable(keys.values())])
    mark = id if columns.id else json.dumps([*(items.get(name, []) for name in MODALITIES), question, answer])
    notes = tuple(one.note for of_modality in found.values() for one in of_modality if one.note)
    if columns.items and not any(items.values()):
        notes = (NO_ITEM,)
    return Example([row], tuple(all_keys) or (question,), split, (mark,), notes)


def _text(value: Any, column: str) -> str:
    """Return a cell as text: True and False as Python writes them, whole numbers without ".0"."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    if isinstance(value, float) and value.is_integer() and abs(value) < LARGEST_WHOLE:
        value = int(value)
    if isinstance(value, date | time):
        value = value.isoformat()
    if is_null(value):
        value = ""
    if not isinstance(value, str | int | float | Decimal):
        raise RejectedRecord("not text", f"column {column!r} holds a {type(value).__name__}: {str(value)[:80]}")
    text = require_utf8(f"{value:f}" if isinstance(value, Decimal) else str(value)).strip()
    if not text:
        raise RejectedRecord(EMPTY, f"column {column!r}")
    return "\n".join(text.splitlines()) if "\r" in text else text


def _date(value: Any, column: str) -> str | None:
    if is_empty(value):
        return None
    text = _text(value, column)
    try:
        return read_entry_date(text)
    except ValueError as error:
        raise RejectedRecord("unreadable date", f"column {column!r}: {error}") from error


def _split(text: str, column: str) -> str:
    if text.lower() not in SPLIT_NAMES:
        raise RejectedRecord("unknown split", f"{text!r} in column {column!r}: write {', '.join(SPLIT_NAMES)}")
    return SPLIT_NAMES[text.lower()]


def _values(
    cells: Mapping[str, Any], named: Sequence[str], modality: str, columns: RowColumns
) -> Iterator[tuple[Any, str]]:
    """Yield what stands for each item of a modality in some columns, and its column; a cell may hold several."""
    for column in named:
        for value in cell_items(cells[column], modality) or [None]:
            try:
                yield (value if _is_other(value, modality) else _item_text(value, column)), column
            except RejectedRecord as rejected:
                if not columns.optional_items or rejected.reason != EMPTY:
                    raise


def _item_text(value: Any, column: str) -> str:
    """Return an item of a cell as text.

    Raises:
        RejectedRecord: the cell is empty or holds a word for nothing, such as "NA"; or it holds no text.
    """
    if is_empty(value):
        raise RejectedRecord(
            EMPTY, f"column {column!r}" + (f" holds {value!r}" if isinstance(value, str) and value.strip() else "")
        )
    text = _text(value, column)
    return molecule_text(structure_of(value)) if is_mol_block(text) else without_blanks(text)


def _is_other(value: object, modality: str) -> bool:
    """Tell whether a value is an item that is no text."""
    return value is not None and not MODALITIES[modality].items_are_texts


class _Read(NamedTuple):
    """An item as it is written in the set, what it is known by, and what is odd about it, or ""."""

    item: Any
    key: str
    note: str = ""


def _read(value: Any, column: str, modality: str, features: str) -> _Read:
    """Return an item; of a modality without a rule of its own any value of its type is one.

    Raises:
        RejectedRecord, UnwantedRecord: it cannot be read, or has no place in the features.
    """
    try:
        if modality == MOLECULE.name:
            return _Read(value, checked_molecule(value, features))
        return _protein(value) if modality == PROTEIN.name else _Read(value, item_key(value, modality))
    except RejectedRecord as rejected:
        raise type(rejected)(rejected.reason, f"column {column!r}: {rejected.detail}") from rejected
    except ValueError as error:
        raise RejectedRecord(f"unreadable {modality}", f"column {column!r}: {error}") from error


def _protein(text: str) -> _Read:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        encode_protein(text, _residues())
    sequence = "".join(text.split()).removesuffix("*").upper()
    return _Read(sequence, sequence, NUCLEOTIDES if caught else "")


@lru_cache(maxsize=1)
def _residues() -> ResidueTable:
    return read_residue_table(build_protein_tokenizer())
