"""Tables of one's own with questions, as `files.tables` reads all tables: JSON Lines, Parquet, CSV, TSV.

Columns: `question`, `choices` (a list, in CSV as JSON), `answer_index` (from 0), and if wanted `id`, `subject`,
`entry_date`, and items (`molecules`, `proteins`, or a column that is known to hold them, such as `smiles`).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from biomedgpt_hf.files.items.cells import filled_items
from biomedgpt_hf.files.items.tables import row_id
from biomedgpt_hf.files.records import RejectedRecord, UnwantedRecord
from biomedgpt_hf.files.sources import require_utf8
from biomedgpt_hf.files.tables.column_names import first_named, known_columns, plain_name
from biomedgpt_hf.files.tables.empty_cells import without_blanks
from biomedgpt_hf.files.tables.table import open_table
from biomedgpt_hf.modalities import MODALITIES
from biomedgpt_hf.rows.entry_dates import read_entry_date
from biomedgpt_hf.rows.schema import ENTRY_DATE
from biomedgpt_hf.sets.biomedical_qa.multiple_choice import LETTERS, MultipleChoiceQuestion

logger = logging.getLogger(__name__)

NEEDED = ("question", "choices", "answer_index")
OPTIONAL = ("id", "subject", ENTRY_DATE)


def own_columns(path: Path) -> dict[str, str]:
    """Return the columns of a table by what they hold: names of `NEEDED` and `OPTIONAL`, and of modalities.

    Raises:
        OSError, SourceError: see `open_table`.
        ValueError: a needed column is missing.
    """
    there = open_table(path, []).columns
    named = {name: first_named(there, [plain_name(name)]) for name in (*NEEDED, *OPTIONAL)}
    if missing := [name for name in NEEDED if named[name] is None]:
        raise ValueError(f"There is no column {', '.join(missing)} among {', '.join(there)[:200]}.")
    for name, modality in MODALITIES.items():
        known = known_columns(there, name)
        named[name] = first_named(there, [modality.column]) or next(iter(known), None)
        if len(known) > 1:
            others = ", ".join(repr(other) for other in known if other != named[name])
            logger.warning("%s: %s are read from %r, passing over %s.", path, modality.column, named[name], others)
    return {name: column for name, column in named.items() if column is not None}


def read_own_table(path: Path, columns: dict[str, str]) -> Iterator[MultipleChoiceQuestion | RejectedRecord]:
    """Yield the questions of a table; an empty row, or a header between joined files, is left out.

    Args:
        path: the table.
        columns: what `own_columns` returned for it.

    Raises:
        OSError, SourceError: see `open_table`.
        ValueError: a row is no question. The error names its line.
    """
    for row in open_table(path, list(columns.values())).rows:
        try:
            if isinstance(row.problem, UnwantedRecord):
                yield row.problem
                continue
            if row.problem:
                raise row.problem
            cells = {name: row.cells[column] for name, column in columns.items()}
            yield _question(cells, path.stem, f"{path.stem}:{row.line}")
        except RejectedRecord as problem:
            raise ValueError(f"{path}, line {row.line}: {problem.in_words}. Mend or remove the row.") from problem


def _question(cells: dict[str, Any], dataset: str, default_id: str) -> MultipleChoiceQuestion:
    question = cells["question"]
    if not isinstance(question, str) or not question.strip():
        raise RejectedRecord(f"question is {str(question)[:60]!r}, not a text")
    choices = _choices(cells["choices"])
    return MultipleChoiceQuestion(
        dataset=dataset,
        id=row_id(cells.get("id")) or default_id,
        question=require_utf8(question),
        choices=choices,
        answer_index=_place(cells["answer_index"], choices),
        subject=row_id(cells.get("subject")),
        items={name: items for name in MODALITIES if (items := _items(cells.get(name), name))},
        entry_date=_entry_date(cells.get(ENTRY_DATE)),
    )


def _entry_date(cell: Any) -> str | None:
    text = cell.isoformat() if isinstance(cell, date) else row_id(cell)
    try:
        return read_entry_date(text) if text.strip() else None
    except ValueError as error:
        raise RejectedRecord(f"entry_date {error}") from error


def _choices(cell: Any) -> tuple[str, ...]:
    choices = cell
    if isinstance(cell, str):
        try:
            choices = json.loads(cell)
        except ValueError:
            choices = None
    sound = isinstance(choices, list) and all(isinstance(choice, str) and choice.strip() for choice in choices)
    if not sound or not 2 <= len(choices) <= len(LETTERS):
        raise RejectedRecord(f"choices are {str(cell)[:60]!r}, not a list of 2 to 26 texts")
    return tuple(map(require_utf8, choices))


def _place(cell: Any, choices: Sequence[str]) -> int:
    try:
        place = float(cell) if not isinstance(cell, bool) else -1.0
    except (TypeError, ValueError):
        place = -1.0
    if not (place.is_integer() and 0 <= place < len(choices)):
        raise RejectedRecord(f"answer_index is {cell!r}, not a whole number from 0 to {len(choices) - 1}")
    return int(place)


def _items(cell: Any, modality: str) -> tuple[Any, ...]:
    items = filled_items(cell, modality)
    if not MODALITIES[modality].items_are_texts:
        return tuple(items)
    if wrong := [item for item in items if not isinstance(item, str)]:
        raise RejectedRecord(f"{MODALITIES[modality].column} hold {str(wrong[0])[:60]!r}, not a text")
    return tuple(require_utf8(without_blanks(item)) for item in items)
