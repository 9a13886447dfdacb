"""Which columns of a table are read, and which are passed over: the one place where that is decided.

Named columns are read, and nothing is guessed of their modality. Where no column of items is named, `column_names` and
the cells of the first rows decide. Of several columns of SMILES the one with stereo is read.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from rdkit import Chem, rdBase

from biomedgpt_hf.files.items.cells import cell_items
from biomedgpt_hf.files.items.items import Columns
from biomedgpt_hf.files.items.smiles_lines import is_structure, undoubled
from biomedgpt_hf.files.tables.column_names import (
    id_column,
    is_smiles_column,
    known_columns,
    likely_columns,
    partner_columns,
)
from biomedgpt_hf.files.tables.empty_cells import is_empty
from biomedgpt_hf.modalities import MODALITIES, MOLECULE, PROTEIN

ROWS_LOOKED_AT = 50
SHORTEST_SEQUENCE = 8  # residues; shorter words in capitals, such as EGFR, may be names of genes
SEQUENCE = re.compile(r"[A-IK-Z]+\*?|[A-Za-z]{30,}\*?")
STEREO_MARKS = re.compile(r"[@/\\]")
LISTED = 50  # columns that an error lists
Sample = Callable[[Sequence[str]], list[Mapping[str, Any]]]  # some columns → their cells in the first rows


class Choice(NamedTuple):
    """The columns of a table that are read.

    Attributes:
        columns: all of them.
        guessed: those that nobody named.
        notes: a sentence on each decision that a user may want to change.
    """

    columns: Columns
    guessed: frozenset[str]
    notes: tuple[str, ...] = ()


def choose_columns(table: str, there: Sequence[str], columns: Columns, sample: Sample) -> Choice:
    """Return the named columns, and guesses for those that are not.

    Args:
        table: name of the table, for sentences.
        there: the table's columns.
        columns: those that are named.
        sample: gives the cells of the first rows, where they are needed.

    Raises:
        ValueError: no column of items is named, and none can be guessed.
    """
    cells = _Cells(there, sample)
    guess = _guess_items(there, cells)
    if not columns.items and not guess:
        raise ValueError(_complaint(there))
    items = columns.items or {modality: (column,) for modality, column in guess.items()}
    id = columns.id or id_column(there, items)
    chosen = Columns(question=columns.question, id=id, items=items, format=columns.format)
    guessed = frozenset(chosen.names) - set(columns.names)
    notes = [] if columns.items else [passed_over(table, there, *pair) for pair in guess.items()]
    return Choice(chosen, guessed, (*filter(None, notes), *_unread(table, there, items, cells, guess)))


def unread_columns(table: str, there: Sequence[str], read: Collection[str], sample: Sample) -> tuple[str, ...]:
    """Return a sentence on each column that may hold items of a modality that is not among those that are read.

    Args:
        table, there, sample: see `choose_columns`.
        read: modalities of which a column is read.
    """
    cells = _Cells(there, sample)
    return _unread(table, there, read, cells, _guess_items(there, cells))


class _Cells:
    """The filled cells of the first rows of those columns whose names may say that they hold items."""

    def __init__(self, there: Sequence[str], sample: Sample) -> None:
        kinds = (known_columns, likely_columns, partner_columns)
        self._columns = list(dict.fromkeys(c for kind in kinds for name in MODALITIES for c in kind(there, name)))
        self._sample, self._rows = sample, list[Mapping[str, Any]]()

    def rows(self) -> list[Mapping[str, Any]]:
        if not self._rows:
            self._rows = self._sample(self._columns)
        return self._rows

    def of(self, column: str) -> list[str]:
        found = (value for row in self.rows() for value in cell_items(row.get(column), MOLECULE.name))
        return [value.strip() for value in found if isinstance(value, str) and not is_empty(value)]

    def hold(self, column: str, modality: str, shortest: int) -> bool:
        """Tell whether most cells of a column look like items of a modality."""
        found = self.of(column)
        if modality == MOLECULE.name:
            return bool(found) and 2 * sum(map(is_structure, found)) >= len(found)
        whole = ["".join(text.split()) for text in found]
        is_sequence = [SEQUENCE.fullmatch(text) is not None for text in whole]
        return bool(found) and 2 * sum(is_sequence) >= len(found) and max(map(len, whole)) >= shortest


def _guess_items(there: Sequence[str], cells: _Cells) -> dict[str, str]:
    """Return the column that seems to hold the items of each modality, by the modality's name."""
    found: dict[str, str] = {}
    for modality in MODALITIES:
        known = [column for column in known_columns(there, modality) if column not in found.values()]
        likely = [
            c for c in likely_columns(there, modality) if not known and cells.hold(c, modality, SHORTEST_SEQUENCE)
        ]
        if known or likely:
            found[modality] = [*known, *likely][0]
    if MOLECULE.name in found:
        found[MOLECULE.name] = _with_stereo(known_columns(there, MOLECULE.name), cells)
    if len(found) < 2:
        found |= _guess_partners(there, cells, found)
    return {modality: found[modality] for modality in MODALITIES if modality in found}


def _guess_partners(there: Sequence[str], cells: _Cells, found: Mapping[str, str]) -> dict[str, str]:
    """Return the columns of the modalities that are missing, where a table pairs molecules with proteins."""
    pair = dict(found)
    for modality in (MOLECULE.name, PROTEIN.name):
        if modality not in pair:
            fitting = (c for c in partner_columns(there, modality) if cells.hold(c, modality, SHORTEST_SEQUENCE))
            if (column := next(fitting, None)) is not None:
                pair[modality] = column
    return pair if len(pair) == 2 else {}


def _maybe_items(there: Sequence[str], cells: _Cells) -> dict[str, str]:
    """Return a column of each modality that could hold its items, though not surely."""
    columns = {name: [*likely_columns(there, name), *partner_columns(there, name)] for name in MODALITIES}
    return {name: c for name, maybe in columns.items() for c in reversed(maybe) if cells.hold(c, name, shortest=1)}


def _with_stereo(candidates: Sequence[str], cells: _Cells) -> str:
    """Return the first of the columns of molecules, or the one that has its molecules with stereo that it lacks."""
    first, *others = candidates
    others = [column for column in others if is_smiles_column(column)]
    if not others or not is_smiles_column(first) or any(map(STEREO_MARKS.search, cells.of(first))):
        return first
    return next((column for column in others if _adds_stereo(first, column, cells.rows())), first)


def _adds_stereo(flat: str, other: str, rows: Sequence[Mapping[str, Any]]) -> bool:
    pairs = [(row.get(flat), row.get(other)) for row in rows]
    marked = [(a, b) for a, b in pairs if isinstance(a, str) and isinstance(b, str) and STEREO_MARKS.search(b)]
    return bool(marked) and all(_without_stereo(a) == _without_stereo(b) for a, b in marked)


def _without_stereo(smiles: str) -> str:
    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(undoubled(smiles))
    return smiles if molecule is None else Chem.MolToSmiles(molecule, isomericSmiles=False)


def passed_over(table: str, there: Sequence[str], modality: str, column: str, remedy: str = "") -> str:
    """Return a sentence on the other columns that seem to hold items of a modality, or "" where there are none.

    Args:
        table, there: see `choose_columns`.
        modality: its name.
        column: the one that is read.
        remedy: how others are chosen; the commands' option if it is empty.
    """
    known = {*known_columns(there, modality), *likely_columns(there, modality)}
    others = [other for other in there if other in known]
    if column in others:
        others.remove(column)
    if not others:
        return ""
    listed = ", ".join(f"{other!r} (again)" if other == column else repr(other) for other in others)
    kind, default = MODALITIES[modality].column, f"Choose others with --{modality}-column."
    return f"{table}: {kind} are read from {column!r}, passing over {listed}. {remedy or default}"


def _unread(
    table: str, there: Sequence[str], read: Collection[str], cells: _Cells, guess: Mapping[str, str]
) -> tuple[str, ...]:
    found = {**_maybe_items(there, cells), **guess}
    return tuple(
        f"{table}: {column!r} may hold {MODALITIES[modality].column}, which are not read. Name it with "
        f"--{modality}-column if they count."
        for modality, column in found.items()
        if modality not in read
    )


def _complaint(there: Sequence[str]) -> str:
    listed = ", ".join(map(repr, there[:LISTED])) + (", …" if len(there) > LISTED else "")
    close = (difflib.get_close_matches(name, there, n=1) for name in ("smiles", "sequence"))
    near = [*chain.from_iterable(close), *chain.from_iterable(partner_columns(there, name) for name in MODALITIES)]
    hint = f" Is it {near[0]!r}?" if near else ""
    wanted = " or ".join(modality.column for modality in MODALITIES.values())
    options = " or ".join(f"--{modality}-column" for modality in (MOLECULE.name, PROTEIN.name))
    return f"has the columns {listed}. Name the columns of {wanted} with {options}.{hint}"
