"""What is read from item files: the items and the question of one row, or why there are none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from biomedgpt_hf.files.items.formats import kind_of_format
from biomedgpt_hf.files.items.molblock import molecule_text
from biomedgpt_hf.files.records import Record, RejectedRecord
from biomedgpt_hf.modalities import MODALITIES, MOLECULE, PROTEIN

NO_ITEMS: Mapping[str, tuple[Any, ...]] = MappingProxyType({})
# Functions that make an item out of what a reader found. Items of other modalities are taken unchanged.
CONVERT: dict[str, Callable[[Any], Any]] = {MOLECULE.name: molecule_text}


class Item(NamedTuple):
    """One row of an item file.

    Attributes:
        row: its position among all rows of all files, from 1.
        id: its own id (name, accession, `1A8O:A`, id column), or ""; several rows may have the same.
        items: the items by the name of their modality. A molecule is a SMILES or InChI, a protein has one letter for
            each residue.
        question: from the question column, or None.
        source: name of the file and the line where the row begins, "library.sdf:12". In Parquet, and for the chains of
            a structure, the number of the row or chain takes the place of the line.
        problem: why there is nothing to ask about, or None.
    """

    row: int
    id: str
    items: Mapping[str, tuple[Any, ...]] = NO_ITEMS
    question: str | None = None
    source: str = ""
    problem: RejectedRecord | None = None

    def of(self, modality: str) -> tuple[Any, ...]:
        """Return the items of a modality; there may be none."""
        return self.items.get(modality, ())

    @property
    def molecules(self) -> tuple[Any, ...]:
        """The row's molecules."""
        return self.of(MOLECULE.name)

    @property
    def proteins(self) -> tuple[Any, ...]:
        """The row's proteins."""
        return self.of(PROTEIN.name)


def ordered_by_modality(given: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return names of columns by modality, in the order of all modalities and without modalities that have no column.

    Raises:
        ValueError: a modality is unknown, or its columns are a single text.
    """
    for name, columns in given.items():
        if name not in MODALITIES:
            raise ValueError(f"There is no modality {name!r}. The modalities are {', '.join(MODALITIES)}.")
        if isinstance(columns, str):
            raise ValueError(f"The columns of {name} are the text {columns!r}. Pass a tuple, ({columns!r},) for one.")
    return {name: tuple(given[name]) for name in MODALITIES if given.get(name)}


@dataclass(frozen=True, init=False)
class Columns:
    """Which columns of tables are read.

    Where no column of items is named, the columns of molecules and proteins are guessed by their usual names. A column
    of ids that is not named is guessed too. Columns of other modalities must be named.

    Attributes:
        molecules: columns of SMILES or InChI.
        proteins: columns of sequences.
        question: column of each row's own question.
        id: column of the rows' names.
        items: columns of any modality, by its name: `{"cell": ("expression",)}`.
        format: what the files are, one of `formats.FORMATS` such as "csv" or "sdf"; None recognises each file.

    Raises:
        ValueError: there is no such modality or format.
    """

    items: Mapping[str, tuple[str, ...]]
    question: str | None
    id: str | None
    format: str | None

    def __init__(
        self,
        molecules: Sequence[str] = (),
        proteins: Sequence[str] = (),
        question: str | None = None,
        id: str | None = None,
        *,
        items: Mapping[str, Sequence[str]] = NO_ITEMS,
        format: str | None = None,
    ) -> None:
        if format is not None:
            kind_of_format(format)
        named = {MOLECULE.name: molecules, PROTEIN.name: proteins, **items}
        object.__setattr__(self, "items", ordered_by_modality(named))
        object.__setattr__(self, "question", question)
        object.__setattr__(self, "id", id)
        object.__setattr__(self, "format", format)

    @property
    def of_items(self) -> list[str]:
        """The columns that hold items."""
        return [column for columns in self.items.values() for column in columns]

    @property
    def names(self) -> list[str]:
        """The columns that are named."""
        return [*self.of_items, *filter(None, [self.question, self.id])]

    @property
    def facts(self) -> dict[str, Any]:
        """The columns in the form that a manifest shows."""
        items = {modality.column: list(self.items.get(name, ())) for name, modality in MODALITIES.items()}
        return {**items, "question": self.question, "id": self.id} | ({"format": self.format} if self.format else {})


NO_COLUMNS = Columns()


class Contents(NamedTuple):
    """The content of a row's record before RDKit reads it.

    Attributes:
        items: by modality, molecules as `Structure`.
        question: the row's own.
        empty: columns of items that hold nothing in this row, where others do.
    """

    items: Mapping[str, tuple[Any, ...]] = NO_ITEMS
    question: str | None = None
    empty: tuple[str, ...] = ()


def item_of(row: int, record: Record) -> Item:
    """Return the item of a record whose content is `Contents`."""
    item = Item(row, record.id, source=f"{record.file}:{record.line}", problem=record.problem)
    if record.problem:
        return item
    contents: Contents = record.content
    try:
        items = dict(_converted(contents.items))
    except RejectedRecord as problem:
        return item._replace(problem=problem)
    return item._replace(items=items, question=contents.question)


def _converted(items: Mapping[str, tuple[Any, ...]]) -> Iterator[tuple[str, tuple[Any, ...]]]:
    for modality, found in items.items():
        convert = CONVERT.get(modality)
        yield modality, found if convert is None else tuple(map(convert, found))
