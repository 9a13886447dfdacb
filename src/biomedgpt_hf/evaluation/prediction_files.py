"""Files of predictions, read back for scoring: what `evaluate` and `predict` write, and what others have (see
`prediction_rows`).

Nothing is left out silently: an answer that failed scores like an empty one and is listed, and a file that is not what
a score can be computed from is refused with one line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from os import PathLike
from pathlib import Path
from typing import Any

from biomedgpt_hf.confidence.signs import Known, nearest_known
from biomedgpt_hf.disk.manifests import describe_source
from biomedgpt_hf.evaluation.answers import Answered
from biomedgpt_hf.evaluation.prediction_rows import PredictionFileError, read_prediction_rows, read_reference_rows
from biomedgpt_hf.files.items.cells import cell_items
from biomedgpt_hf.files.records import RejectedRecord
from biomedgpt_hf.files.sources import require_utf8
from biomedgpt_hf.modalities import MODALITIES
from biomedgpt_hf.rows.entry_dates import read_entry_date

PROTOCOL_VERSION = 1
SHOWN = 3  # names of rows in an error


@dataclass(frozen=True)
class PredictionFile:
    """The answers of one run.

    Attributes:
        path: where they were read from.
        answers: in the file's order.
        facts: what is known of the file (name, bytes, sha256) and of the run (checkpoint, settings, versions, protocol
            version), as JSON values; the latter stand in the manifest beside it.
    """

    path: Path
    answers: tuple[Answered, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def failed(self) -> list[Answered]:
        """Return the rows that have no answer."""
        return [answer for answer in self.answers if answer.error is not None]


def read_predictions(
    path: str | PathLike, references: Mapping[str, Answered] | None = None, *, partial: bool = False
) -> PredictionFile:
    """Read the predictions of one run.

    Args:
        path: the file.
        references: the rows of the set that was answered, by id, where the file does not hold the references itself.
        partial: allow that rows of the set have no prediction.

    Returns:
        The answers. A row whose status is not "ok" has an empty answer and its error.

    Raises:
        PredictionFileError: an id is missing or occurs twice, a row has neither a reference nor a row in the set, rows
            of the set have no prediction, every answer is empty, or there are no rows.
        SourceError, UnknownColumnError, OSError: the file cannot be read, or is no table with these columns.
    """
    path = Path(path)
    manifest = _manifest(path)
    answers = tuple(_checked(path, read_prediction_rows(path, references), references))
    if not answers:
        raise PredictionFileError(f"{path} holds no predictions. Run the prediction again.")
    if references and not partial:
        missing = references.keys() - {answer.id for answer in answers}
        if missing:
            raise PredictionFileError(
                f"{path} has no prediction for {len(missing):,} of {len(references):,} rows of the set, such as "
                f"{_some(sorted(missing))}. Finish the prediction, or ask for a partial score."
            )
    if not any(answer.answer.strip() for answer in answers):
        first = next((answer.error for answer in answers if answer.error), "the model said nothing")
        raise PredictionFileError(f"{path} holds no answer: all {len(answers):,} are empty ({first}).")
    described = describe_source(path)
    facts = {name: described[name] for name in ("file", "bytes", "sha256")}
    return PredictionFile(path, answers, {**facts, "run": manifest})


def read_references_of_table(path: Path) -> list[Answered]:
    """Read the references of a table with the columns `id` and `reference`.

    Raises:
        PredictionFileError: an id or a reference is missing, or an id stands twice.
        SourceError, UnknownColumnError, OSError: the file cannot be read, or is no table with these columns.
    """
    rows = ((line, {**cells, "answer": "", "status": "ok"}) for line, cells in read_reference_rows(path))
    return list(_checked(path, rows, None))


def _manifest(path: Path) -> dict[str, Any] | None:
    """Return the manifest beside a file, or None."""
    beside = path.with_name(f"{path.name}.manifest.json")
    if path.with_name(f".{path.name}.running").exists() and not path.exists():
        raise PredictionFileError(f"{path} is not complete: its run was stopped. Give the same command again.")
    if not beside.exists():
        return None
    try:
        found = json.loads(beside.read_text("utf-8"))
    except ValueError as error:
        raise PredictionFileError(f"{beside} is no JSON ({error}). Remove it to score without it.") from error
    version = found.get("protocol_version", PROTOCOL_VERSION) if isinstance(found, dict) else None
    if version != PROTOCOL_VERSION:
        raise PredictionFileError(
            f"{beside} has the protocol version {version!r}, and this package scores version {PROTOCOL_VERSION}: "
            "their scores cannot be compared. Predict again, or score with the package that made it."
        )
    return found


def _checked(
    path: Path, rows: Iterator[tuple[int, dict[str, Any]]], references: Mapping[str, Answered] | None
) -> Iterator[Answered]:
    seen: dict[str, int] = {}
    for line, cells in rows:
        answered = _answered(path, line, cells, references)
        if answered.id in seen:
            raise PredictionFileError(
                f"{path}, line {line}: the id {answered.id!r} stands in line {seen[answered.id]} already. "
                "Each row of a set has one prediction; remove one of them."
            )
        seen[answered.id] = line
        if not answered.items and answered.known == nearest_known([]):  # there was nothing to look up
            answered = replace(answered, known=None)
        yield answered


def _answered(path: Path, line: int, cells: Mapping[str, Any], references: Mapping[str, Answered] | None) -> Answered:
    id = _text(path, line, "id", cells.get("id") if cells.get("id") is not None else cells.get("row"))
    if not id.strip():
        raise PredictionFileError(f"{path}, line {line}: the row has no id. Give each row the id of its set.")
    status = _text(path, line, "status", cells.get("status")).strip()
    failed = status.lower() not in ("", "ok")
    error = _text(path, line, "error", cells.get("error")) or f"its status is {status!r}"
    found = Answered(
        id=id,
        answer="" if failed else _text(path, line, "answer", cells.get("answer")),
        reference=_text(path, line, "reference", cells.get("reference")),
        question=_text(path, line, "question", cells.get("question")),
        task=_text(path, line, "task", cells.get("task")),
        items=_items(path, line, cells),
        error=error if failed else None,
        log_probability=_number(path, line, "log_probability", cells.get("log_probability")),
        confidence=_share(path, line, "confidence", cells.get("confidence")),
        known=_known(path, line, cells.get("neighbours")),
        truncated=str(cells.get("truncated")).lower() == "true",
        entry_date=_date(path, line, cells.get("entry_date")),
        source=_text(path, line, "reference_source", cells.get("reference_source")),
    )
    if references is None:
        if not found.reference.strip():
            raise PredictionFileError(
                f"{path}, line {line}: row {id!r} has no reference. Score it with the set that it answers."
            )
        return found
    if id not in references:
        raise PredictionFileError(f"{path}, line {line}: the set has no row {id!r}. Score it with the set it answers.")
    known = references[id]
    if found.reference and found.reference != known.reference:
        raise PredictionFileError(
            f"{path}, line {line}: the reference of row {id!r} is not that of the set. Predictions and set have "
            "different versions; predict again."
        )
    return replace(
        known,
        answer=found.answer,
        error=found.error,
        log_probability=found.log_probability,
        confidence=found.confidence,
        known=found.known,
        truncated=found.truncated,
        entry_date=known.entry_date or found.entry_date,
    )


def _text(path: Path, line: int, column: str, cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, int) and not isinstance(cell, bool):
        return str(cell)
    if not isinstance(cell, str):
        raise PredictionFileError(f"{path}, line {line}: {column} is {str(cell)[:60]!r}, not a text.")
    try:
        return require_utf8(cell)
    except RejectedRecord as error:
        raise PredictionFileError(f"{path}, line {line}: {column} is {error.in_words}") from error


def _date(path: Path, line: int, cell: object) -> str | None:
    text = _text(path, line, "entry_date", cell.isoformat() if isinstance(cell, date) else cell)
    try:
        return read_entry_date(text) if text.strip() else None
    except ValueError as error:
        raise PredictionFileError(f"{path}, line {line}: entry_date {error}") from error


def _number(path: Path, line: int, column: str, cell: object) -> float | None:
    if cell is None or cell == "":
        return None
    try:
        return float(str(cell))
    except ValueError:
        raise PredictionFileError(f"{path}, line {line}: {column} is {str(cell)[:60]!r}, not a number.") from None


def _share(path: Path, line: int, column: str, cell: object) -> float | None:
    value = _number(path, line, column, cell)
    if value is not None and not 0 <= value <= 1:
        raise PredictionFileError(
            f"{path}, line {line}: {column} is {value:g}, not between 0 and 1. Mend, rename or remove the column."
        )
    return value


def _known(path: Path, line: int, cell: object) -> Known | None:
    """Return what was known of the items, out of the neighbours of `Prediction`; in CSV they are JSON."""
    if cell is None or cell == "":
        return None
    try:
        listed: Any = json.loads(cell) if isinstance(cell, str) else cell
        found = [(float(one["similarity"]), bool(one["same"]), bool(one["in_prompt"])) for one in listed]
        if not all(0 <= similarity <= 1 for similarity, _, _ in found):
            raise ValueError
        return nearest_known(found)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise PredictionFileError(
            f"{path}, line {line}: neighbours is {str(cell)[:60]!r}, not a list of known items with similarity, same "
            "and in_prompt, as `biomedgpt predict` writes it. Mend or remove the column."
        ) from None


def _items(path: Path, line: int, cells: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    items: dict[str, tuple[Any, ...]] = {}
    for name, modality in MODALITIES.items():
        cell = cells.get(modality.column)
        listed: Sequence[object] = cell if isinstance(cell, list | tuple) else [] if cell in (None, "") else [cell]
        if listed and modality.items_are_texts:
            items[name] = tuple(_text(path, line, modality.column, item) for item in listed)
        elif listed:
            items[name] = cell_items(cell, name)
    return items


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:SHOWN]))
