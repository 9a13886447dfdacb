"""Where questions come from: the files of the benchmarks, sets that were built of them, and tables of one's own.

A table of one's own (JSON Lines, Parquet, CSV) has the columns `question`, `choices` (a list, in CSV as JSON) and
`answer_index` (from 0), and if wanted `id`, `subject`, `entry_date`, and items (`molecules`, `proteins`).
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from biomedgpt_hf.evaluation.set_rows import asked_row, chosen_split
from biomedgpt_hf.files.items.cells import cell_items
from biomedgpt_hf.files.records import RejectedRecord
from biomedgpt_hf.files.sources import SourceError, require_utf8
from biomedgpt_hf.files.tables.table import open_table
from biomedgpt_hf.modalities import MODALITIES
from biomedgpt_hf.neighbours.known_items import read_set_rows, set_files
from biomedgpt_hf.rows.entry_dates import read_entry_date
from biomedgpt_hf.rows.schema import ENTRY_DATE
from biomedgpt_hf.sets.biomedical_qa.builder import MEDICAL_SUBJECTS
from biomedgpt_hf.sets.biomedical_qa.formats import recognise_exam_file
from biomedgpt_hf.sets.biomedical_qa.multiple_choice import LETTERS, PROMPTS, MultipleChoiceQuestion, prompt, read_back
from biomedgpt_hf.sets.biomedical_qa.parsing import parse_question
from biomedgpt_hf.sets.biomedical_qa.reading import read_questions

logger = logging.getLogger(__name__)

SUBJECT_IN_ID = ("MMLU", "MedConceptsQA")  # as SET:SUBJECT:PART:NUMBER, see `reading.read_questions`
OWN_COLUMNS = ("question", "choices", "answer_index")


def read_choice_questions(
    *sources: str | PathLike, split: str | None = None, subjects: Collection[str] | None = MEDICAL_SUBJECTS
) -> list[MultipleChoiceQuestion]:
    """Read multiple-choice questions.

    Args:
        sources: files of PubMedQA, MedMCQA, MedQA, MMLU or MedConceptsQA as their authors publish them or as copied to
            the Hugging Face Hub, folders of sets that `biomedgpt data` made, or tables of one's own.
        split: which rows of a set; None for its test rows, or else its validation rows.
        subjects: subjects to keep of MMLU's files, the medical ones as in the builder; None for all.

    Returns:
        The questions in their order. Records that are no questions are left out, counted and told in a warning.

    Raises:
        OSError: a file is missing or cannot be read.
        ValueError: a file is none of these, two questions have the same id, or there is no question at all.
    """
    questions: list[MultipleChoiceQuestion] = []
    numbers: Counter[tuple[str, str, str]] = Counter()
    reasons = ""
    for source in map(Path, sources):
        found = list(_read(source, split, subjects, numbers))
        left_out = Counter(f"{one.reason}" for one in found if isinstance(one, RejectedRecord))
        if left_out:
            reasons = ", ".join(f"{count:,} × {reason}" for reason, count in left_out.most_common())
            logger.warning("%s: %d of %d records are left out (%s).", source, left_out.total(), len(found), reasons)
        questions += [one for one in found if isinstance(one, MultipleChoiceQuestion)]
    if not questions:
        named = ", ".join(map(str, sources)) or "No source"
        raise ValueError(f"{named}: there is no multiple-choice question{f' ({reasons})' if reasons else ''}.")
    check_ids(questions)
    return questions


def check_ids(questions: Collection[MultipleChoiceQuestion]) -> None:
    """Raise a ValueError where two questions have the same id."""
    id, count = Counter(question.id for question in questions).most_common(1)[0]
    if count > 1:
        raise ValueError(f"{count} questions have the id {id!r}. Give each a name of its own.")


def _read(
    source: Path, split: str | None, subjects: Collection[str] | None, numbers: Counter[tuple[str, str, str]]
) -> Iterator[MultipleChoiceQuestion | RejectedRecord]:
    if source.is_dir():
        yield from _read_set(source, split)
        return
    try:
        recognise_exam_file(source)
    except SourceError as error:
        if error.reason != "unknown format":
            raise
        yield from _read_own_table(source, error)
        return
    for record in read_questions(source, numbers):
        try:
            found = record.problem or parse_question(record.content, record.id)
        except RejectedRecord as rejected:
            found = rejected
        if isinstance(found, MultipleChoiceQuestion) and found.dataset == "MMLU" and subjects is not None:
            found = found if found.subject in subjects else RejectedRecord("not a subject asked for", found.subject)
        yield found


def _read_set(folder: Path, split: str | None) -> Iterator[MultipleChoiceQuestion | RejectedRecord]:
    for path in set_files(folder, [split or chosen_split(folder)]):
        for number, row in enumerate(read_set_rows(path), start=1):
            try:
                asked = asked_row(row)
            except ValueError as error:
                raise SourceError(path, 0, "unusable row", f"row {number}: {error}") from error
            found = read_back(asked.expected.question, asked.expected.reference)
            named = found and _named(found, asked.expected.question, str(row.get("source") or row.get("task") or ""))
            if named:
                id = asked.expected.id
                subject = id.split(":")[1] if named.dataset in SUBJECT_IN_ID and id.count(":") == 3 else ""
                yield named._replace(
                    id=id, subject=subject, items=asked.expected.items, entry_date=asked.expected.entry_date
                )
            else:
                yield RejectedRecord("not multiple choice", f"row {asked.expected.id!r}")


def _named(found: MultipleChoiceQuestion, asked: str, source: str) -> MultipleChoiceQuestion | None:
    """Return a question with the name of its data set, so that its prompt is what was asked, character by character."""
    own = source.split()[0] if source.split() and source.split()[0] in PROMPTS else source
    candidates = (found._replace(dataset=name) for name in (own, *PROMPTS))
    return next((one for one in candidates if prompt(one) == asked), None)


def _read_own_table(path: Path, error: SourceError) -> Iterator[MultipleChoiceQuestion]:
    try:
        columns = open_table(path, []).columns
    except ValueError:
        raise error from None
    if not set(OWN_COLUMNS) <= set(columns):
        detail = f"{error} A table of one's own needs the columns {', '.join(OWN_COLUMNS)}."
        raise ValueError(detail) from None
    items = {name: modality.column for name, modality in MODALITIES.items() if modality.column in columns}
    optional = [name for name in ("id", "subject", ENTRY_DATE) if name in columns]
    for row in open_table(path, [*OWN_COLUMNS, *optional, *items.values()]).rows:
        where = f"{path}, line {row.line}"
        if row.problem:
            raise ValueError(f"{where}: {row.problem.in_words}. Mend or remove the row.")
        cells = row.cells
        choices, place = _own_choices(where, cells)
        question = cells["question"]
        if not isinstance(question, str) or not question.strip():
            raise ValueError(f"{where}: question is {str(question)[:60]!r}, not a text. Mend or remove the row.")
        yield MultipleChoiceQuestion(
            dataset=path.stem,
            id=str(cells.get("id") or f"{path.stem}:{row.line}"),
            question=require_utf8(question),
            choices=choices,
            answer_index=place,
            subject=str(cells.get("subject") or ""),
            items={name: of for name, column in items.items() if (of := _own_items(cells[column], name))},
            entry_date=_own_date(where, cells.get(ENTRY_DATE)),
        )


def _own_date(where: str, cell: Any) -> str | None:
    try:
        return read_entry_date(str(cell)) if cell is not None and str(cell).strip() else None
    except ValueError as error:
        raise ValueError(f"{where}: entry_date {error} Mend it, or leave it empty.") from error


def _own_choices(where: str, cells: Mapping[str, Any]) -> tuple[tuple[str, ...], int]:
    choices, answer = cells["choices"], cells["answer_index"]
    if isinstance(choices, str):
        try:
            choices = json.loads(choices)
        except ValueError:
            choices = None
    sound = isinstance(choices, list) and all(isinstance(choice, str) and choice.strip() for choice in choices)
    if not sound or not 2 <= len(choices) <= len(LETTERS):
        raise ValueError(f"{where}: choices are {str(cells['choices'])[:60]!r}, not a list of 2 to 26 texts.")
    try:
        place = int(answer) if not isinstance(answer, bool) else -1
    except (TypeError, ValueError):
        place = -1
    if not 0 <= place < len(choices):
        raise ValueError(f"{where}: answer_index is {answer!r}, not a number from 0 to {len(choices) - 1}.")
    return tuple(map(require_utf8, choices)), place


def _own_items(cell: Any, modality: str) -> tuple[Any, ...]:
    return cell_items(cell, modality) if cell != "" else ()
