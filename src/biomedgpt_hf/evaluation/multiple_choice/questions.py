"""Where questions come from: the files of the benchmarks, sets that were built of them, and tables of one's own.

`own_tables` tells what a table of one's own has.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterator
from os import PathLike
from pathlib import Path

from biomedgpt_hf.evaluation.multiple_choice.own_tables import NEEDED, own_columns, read_own_table
from biomedgpt_hf.evaluation.set_rows import asked_row, chosen_split
from biomedgpt_hf.files.records import RejectedRecord
from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.neighbours.known_items import read_set_rows, set_files
from biomedgpt_hf.sets.biomedical_qa.builder import MEDICAL_SUBJECTS
from biomedgpt_hf.sets.biomedical_qa.formats import recognise_exam_file
from biomedgpt_hf.sets.biomedical_qa.multiple_choice import PROMPTS, MultipleChoiceQuestion, prompt, read_back
from biomedgpt_hf.sets.biomedical_qa.parsing import parse_question
from biomedgpt_hf.sets.biomedical_qa.reading import read_questions

logger = logging.getLogger(__name__)

SUBJECT_IN_ID = ("MMLU", "MedConceptsQA")  # as SET:SUBJECT:PART:NUMBER, see `reading.read_questions`


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
        yield from read_own_table(source, _columns(source, error))
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


def _columns(source: Path, error: SourceError) -> dict[str, str]:
    """Return the columns of a table of one's own; `error` says that it is no benchmark's file."""
    try:
        return own_columns(source)
    except SourceError:  # no table either
        raise error from None
    except ValueError as missing:
        needed = f"A table of one's own needs the columns {', '.join(NEEDED)}."
        raise ValueError(f"{error} {needed} {missing}") from missing
