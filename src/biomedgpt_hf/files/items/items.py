"""What item files give: the molecules, proteins and question of one row, or why there are none."""

from __future__ import annotations

from typing import NamedTuple

from biomedgpt_hf.files.items.molblock import Structure, molecule_text
from biomedgpt_hf.files.records import Record, RejectedRecord


class Item(NamedTuple):
    """One row of an item file.

    Attributes:
        row: its position among all rows of all files, from 1.
        id: its own id (name, accession, `1A8O:A`, id column), or ""; several rows may have the same.
        molecules: SMILES or InChI.
        proteins: amino-acid sequences, one letter for each residue.
        question: from the question column, or None.
        source: name of the file and the line where the row begins, "library.sdf:12"; in Parquet, and of the chains of
            a structure, the number instead.
        problem: why there is nothing to ask about, or None.
    """

    row: int
    id: str
    molecules: tuple[str, ...] = ()
    proteins: tuple[str, ...] = ()
    question: str | None = None
    source: str = ""
    problem: RejectedRecord | None = None


class Columns(NamedTuple):
    """Which columns of tables are read; molecules, proteins and ids are guessed by the usual names where not given."""

    molecules: tuple[str, ...] = ()
    proteins: tuple[str, ...] = ()
    question: str | None = None
    id: str | None = None

    @property
    def names(self) -> list[str]:
        """Those that are named."""
        return [*self.molecules, *self.proteins, *filter(None, [self.question, self.id])]


class Contents(NamedTuple):
    """What the record of a row holds before RDKit has seen it."""

    molecules: tuple[Structure, ...] = ()
    proteins: tuple[str, ...] = ()
    question: str | None = None


def item_of(row: int, record: Record) -> Item:
    """Return the item of a record whose content is `Contents`."""
    item = Item(row, record.id, source=f"{record.file}:{record.line}", problem=record.problem)
    if record.problem:
        return item
    contents: Contents = record.content
    try:
        molecules = tuple(map(molecule_text, contents.molecules))
    except RejectedRecord as problem:
        return item._replace(problem=problem)
    return item._replace(molecules=molecules, proteins=contents.proteins, question=contents.question)
