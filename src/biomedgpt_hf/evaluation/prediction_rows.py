"""The rows of prediction files in the forms in which people have them.

JSON Lines, Parquet, CSV   columns `id`, `answer`, and `reference` unless a set has the references; also under the
                           other names of `ANSWERS` and `REFERENCES`
JSON Lines of an API       see `api_answers`
TSV of MolT5               SMILES, ground truth, output; read without quotes, as its evaluator does
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from biomedgpt_hf.evaluation.answers import Answered
from biomedgpt_hf.evaluation.api_answers import api_row, is_api_line
from biomedgpt_hf.files.sources import read_lines
from biomedgpt_hf.files.tables.table import open_table
from biomedgpt_hf.modalities import MOLECULE, item_columns

MOLT5_COLUMNS = ("SMILES", "ground truth", "output")
TEXTS = ("question", "task", "error", "entry_date", "reference_source")
# What people call these columns, our own name first.
ANSWERS = ("answer", "prediction", "output", "response", "generated_text")
REFERENCES = ("reference", "ground truth", "ground_truth")
OTHERS = ("status", "log_probability", "truncated", "confidence", "neighbours")

Row = tuple[int, dict[str, Any]]  # its line and its cells


class PredictionFileError(ValueError):
    """A file of predictions that cannot be scored."""


def read_prediction_rows(path: Path, references: Mapping[str, Answered] | None) -> Iterator[Row]:
    """Yield the rows of a file of predictions.

    Args:
        path: the file.
        references: the rows of the set that was answered, by id; they give those of MolT5's files their ids.

    Raises:
        PredictionFileError: a row cannot be read, it answers no row of the set, or two columns may be the answer.
        SourceError, UnknownColumnError, OSError: the file cannot be read, or is no table with these columns.
    """
    first = next((line for _, line in read_lines(path) if line.strip()), "") if not _is_parquet(path) else ""
    if tuple(first.split("\t"))[1:] == MOLT5_COLUMNS[1:]:
        yield from _read_molt5(path, references)
        return
    if is_api_line(first):
        yield from _read_api(path)
        return
    yield from _read_table(path, "answer")


def read_reference_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a table of references, with `id`, `reference`, and question, task and items where it has them.

    Raises:
        PredictionFileError: a row cannot be read, or two columns may be the reference.
        SourceError, UnknownColumnError, OSError: the file cannot be read, or is no table with these columns.
    """
    yield from _read_table(path, "reference")


def _read_table(path: Path, needed: str) -> Iterator[Row]:
    columns = open_table(path, []).columns
    names = {"answer": _called(path, columns, ANSWERS), "reference": _called(path, columns, REFERENCES)}
    required = [names[needed] or needed, *(() if "id" not in columns and "row" in columns else ("id",))]
    optional = ("id", "row", *names.values(), *OTHERS, *TEXTS, *item_columns().values())
    wanted = list(dict.fromkeys([*required, *(column for column in optional if column and column in columns)]))
    for row in open_table(path, wanted).rows:
        if row.problem:
            raise PredictionFileError(f"{path}, line {row.line}: {row.problem.in_words}. Mend or remove the row.")
        yield row.line, {**row.cells, **{name: row.cells[column] for name, column in names.items() if column}}


def _called(path: Path, columns: Sequence[str], names: Sequence[str]) -> str | None:
    """Return the column that has one of some names; None if none has.

    Raises:
        PredictionFileError: several have one, and none has the first.
    """
    found = [name for name in names if name in columns]
    if len(found) > 1 and found[0] != names[0]:
        raise PredictionFileError(
            f"{path} has the columns {' and '.join(found)}, which may both be the {names[0]}. Name the right one "
            f"{names[0]!r}."
        )
    return found[0] if found else None


def _read_api(path: Path) -> Iterator[Row]:
    for number, line in read_lines(path):
        if line.strip():
            try:
                yield number, api_row(line)
            except ValueError as error:
                raise PredictionFileError(f"{path}, line {number}: {error}. Mend or remove the line.") from error


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def _read_molt5(path: Path, references: Mapping[str, Answered] | None) -> Iterator[Row]:
    """Yield the rows, which have no ids: those of the set that has them, or the number of each."""
    ids: dict[tuple[str, str], list[str]] = {}
    for known in (references or {}).values():
        ids.setdefault((" ".join(known.items.get(MOLECULE.name, ())), known.reference), []).append(known.id)
    for number, line in read_lines(path):
        if number == 1 or not line:
            continue
        cells = line.split("\t")
        if len(cells) != len(MOLT5_COLUMNS):
            raise PredictionFileError(
                f"{path}, line {number}: {len(cells)} cells between tabs, where {', '.join(MOLT5_COLUMNS)} are "
                "expected. The field's files are read without quotes; remove the tab or mend the row."
            )
        id = str(number - 1)
        if references is not None:
            same = ids.get((cells[0], cells[1]))
            if not same:
                raise PredictionFileError(
                    f"{path}, line {number}: the set has no row (left) with this SMILES and ground truth, "
                    f"{cells[0][:60]!r}. Score it with the set that it answers, or without one."
                )
            id = same.pop(0)
        yield number, {"id": id, "molecules": [cells[0]], "reference": cells[1], "answer": cells[2]}
