"""One's own table: questions about molecules, proteins and other items, and their answers.

    biomedgpt data table FILE --molecule-column C --question TEXT --answer-column C --output DIR
    biomedgpt data table FILE --protein-column C --question-column C --answer-column C --output DIR

Reads CSV, TSV, JSON Lines (each plain or .gz) and Parquet; `files` says how. A row of the table
gives a row of the set, or is listed in rejected.jsonl. Molecules are SMILES or InChI; proteins are
written without white space and final stop, in upper case.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from biomedgpt_hf.building.pipeline import DEFAULTS, About, BuildSettings, build_set, read_each
from biomedgpt_hf.files.items.items import Columns, ordered_by_modality
from biomedgpt_hf.files.items.tables import unread_notes
from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.files.tables.table import TABLE_FORMATS, UnknownColumnError, open_table
from biomedgpt_hf.modalities import MODALITIES, MOLECULE, PROTEIN
from biomedgpt_hf.sets.molecules import FEATURES, checked_features
from biomedgpt_hf.sets.table.rows import Labels, RowColumns, parse_table_row, read_table_rows

__all__ = ["Labels", "RowColumns", "UnknownColumnError", "build_table", "parse_table_row", "read_table_rows"]

logger = logging.getLogger(__name__)

DESCRIPTION = "Questions with answers, about molecules and proteins, from a table."
NO_COLUMNS: Mapping[str, Sequence[str]] = MappingProxyType({})


def build_table(
    sources: Sequence[Path],
    output: Path,
    *,
    answer_column: str,
    molecule_columns: Sequence[str] = (),
    protein_columns: Sequence[str] = (),
    item_columns: Mapping[str, Sequence[str]] = NO_COLUMNS,
    question: str | None = None,
    question_column: str | None = None,
    id_column: str | None = None,
    split_column: str | None = None,
    date_column: str | None = None,
    split_by: str | None = None,
    optional_items: bool = False,
    format: str | None = None,
    features: str = FEATURES,
    task: str = "question",
    source: str | None = None,
    license: str = "unknown",
    name: str | None = None,
    settings: BuildSettings = DEFAULTS,
) -> dict[str, Any]:
    """Build a set of one's own in `output`.

    Rows are split 8:1:1 unless a column says how. Split by molecule, a row's first molecule is on
    one side only, but its protein, or a second molecule, may be on several: leakage.json tells.

    Args:
        sources: tables with the same columns.
        output: folder to make.
        answer_column: column of the answers.
        molecule_columns, protein_columns: columns of the items, in the order that they get in a row.
            No column of items at all makes a set of text.
        item_columns: those of further modalities, by their names: `{"cell": ["expression"]}`.
        question: the question of every row; or else
        question_column: column of the questions.
        id_column: column of identifiers; a later row with the same one is left out. By default the
            file's name and the row's number, and what is left out is a row in all the same.
        split_column: column with train, validation (valid, val, dev) or test.
        date_column: column with the day, month or year in which the row's entry was made, such as
            2023-06-01 or 2023, for scores by date; its cells may be empty.
        split_by: what stays on one side of the split: a modality such as "molecule" or "protein",
            "cluster" (with `settings.clusters` or `settings.by_similarity`) or "row". By default the first
            that there is of cluster, molecule, protein and further modalities, and for text the question.
        optional_items: keep a row where some of the columns of items are empty.
        format: kind of the tables, "csv", "tsv", "jsonl" or "parquet"; None recognises each.
        features: "graphmvp" or "ogb": rows with a molecule that has no place in it are left out.
        task, source, license: of the rows; the source is the file's name by default.
        name: of the set.
        settings: what all builders let one choose.

    Returns:
        The manifest.

    Raises:
        OSError, ValueError: as `open_table` and `build_set`, and for arguments that make no sense.
    """
    columns = RowColumns(
        ordered_by_modality({MOLECULE.name: molecule_columns, PROTEIN.name: protein_columns, **item_columns}),
        answer_column,
        question.strip() or None if question else None,
        question_column,
        id_column,
        split_column,
        optional_items,
        format,
        date_column,
    )
    if format not in (None, *TABLE_FORMATS):
        raise ValueError(f"There is no format {format!r} of tables. The formats are {', '.join(TABLE_FORMATS)}.")
    if (columns.question is None) == (question_column is None):
        raise ValueError("Pass question, one text for every row, or question_column, and not both.")
    split_by = _checked_split_by(split_by, columns, settings)
    names = _names(sources)
    unread: dict[str, None] = {}
    for path in names:
        with suppress(SourceError):  # the others may be sound; the report will tell
            open_table(path, columns.names, format=format)
            unread |= dict.fromkeys(unread_notes(path, Columns(items=columns.items, format=format), columns.names))
    for note in unread:
        logger.warning(note)
    labels = Labels(
        task, source, license, PROTEIN.name if split_by == "cluster" else split_by, checked_features(features)
    )
    return build_set(
        output,
        about=About(name or f"Questions from {', '.join(names.values())}", DESCRIPTION, "", tags=_tags(columns)),
        sources=list(names),
        read=lambda scratch: read_each(lambda path: read_table_rows(path, columns, names[path]), names),
        parse=partial(parse_table_row, columns=columns, labels=labels),
        settings=settings,
        options=_options(columns, labels, split_by) | ({"columns_passed_over": " ".join(unread)} if unread else {}),
    )


def _tags(columns: RowColumns) -> tuple[str, ...]:
    """Return the fields that the items belong to, and what the items are."""
    fields = {MOLECULE.name: "chemistry", PROTEIN.name: "biology"}
    items = [MODALITIES[name].column for name in columns.items]
    return (*(fields[name] for name in columns.items if name in fields), *items)


def _options(columns: RowColumns, labels: Labels, split_by: str) -> dict[str, Any]:
    """Return what was chosen, as the manifest names it."""
    options = {
        **{f"{modality}_columns": ", ".join(named) for modality, named in columns.items.items()},
        "question": columns.question,
        "question_column": columns.question_column,
        "answer_column": columns.answer,
        "id_column": columns.id,
        "split_column": columns.split,
        "date_column": columns.date,
        "optional_items": columns.optional_items,
        "format": columns.format,
        **labels._asdict(),
        "split_by": split_by,
    }
    if MOLECULE.name not in columns.items:
        del options["features"]
    return {name: value for name, value in options.items() if value}


def _checked_split_by(split_by: str | None, columns: RowColumns, settings: BuildSettings) -> str:
    """Return by what to split.

    Raises:
        ValueError: there is nothing of the kind.
    """
    there = {
        "cluster": bool(settings.clusters or (settings.by_similarity and PROTEIN.name in columns.items)),
        **{modality: modality in columns.items for modality in MODALITIES},
        "row": True,
    }
    if split_by is None:
        return next((by for by in ("cluster", *MODALITIES) if there[by]), "question")
    if split_by not in there:
        raise ValueError(f"split_by must be one of {', '.join(there)}, got {split_by!r}.")
    if not there[split_by]:
        needed = "cluster table, or by_similarity and a protein" if split_by == "cluster" else split_by
        raise ValueError(f"split_by={split_by!r} needs a {needed} column.")
    if there["cluster"] and split_by != "cluster":
        raise ValueError(f"A table of clusters was given, but split_by={split_by!r}: leave one of them out.")
    return split_by


def _names(sources: Sequence[Path]) -> dict[Path, str]:
    """Return what each file is called in ids and reports: its name, numbered where several have it."""
    names: dict[Path, str] = {}
    times: Counter[str] = Counter()
    for path in map(Path, sources):
        if path in names:
            raise ValueError(f"{path} was named twice.")
        times[path.name] += 1
        names[path] = path.name if times[path.name] == 1 else f"{path.name}#{times[path.name]}"
    return names
