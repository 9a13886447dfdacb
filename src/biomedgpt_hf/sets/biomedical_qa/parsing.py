"""From a record of one of the files to a `MultipleChoiceQuestion`, or the reason why it is none."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from biomedgpt_hf.files.records import RejectedRecord, UnwantedRecord
from biomedgpt_hf.files.sources import require_utf8
from biomedgpt_hf.sets.biomedical_qa.multiple_choice import DECISIONS, LETTERS, MultipleChoiceQuestion
from biomedgpt_hf.sets.biomedical_qa.reading import BAD_BYTE, RawQuestion
from biomedgpt_hf.sets.biomedical_qa.roles import PUBMEDQA_SETS
from biomedgpt_hf.sets.dates import source_date

OPTION_FIELDS = ("opa", "opb", "opc", "opd")
CONCEPT_FIELDS = ("option1", "option2", "option3", "option4")


def parse_question(raw: RawQuestion, id: str) -> MultipleChoiceQuestion:
    """Return the question of a record; its texts are those of the file, unchanged.

    Raises:
        RejectedRecord: a field is missing or of a wrong type, the question is empty, there are
            fewer than two options, or the answer is missing or none of them.
        UnwantedRecord: the answer was never published: PQA-U, MedMCQA's test set.
    """
    if raw.holds in PUBMEDQA_SETS:
        question = _pubmedqa(raw, id)
    elif raw.holds == "MedMCQA":
        question = _medmcqa(raw, id)
    elif raw.holds == "MedQA":
        question = _medqa(raw, id)
    elif raw.holds == "MedConceptsQA":
        question = _medconceptsqa(raw, id)
    else:
        question = _mmlu(raw, id)
    texts = (question.question, *question.choices, *question.contexts, question.explanation)
    for text in map(require_utf8, texts):
        if BAD_BYTE in text:
            before = text[max(0, text.index(BAD_BYTE) - 20) : text.index(BAD_BYTE)]
            raise RejectedRecord("not UTF-8 text", f"after {before!r}")
    if not question.question.strip():
        raise RejectedRecord("empty question")
    _check_choices(question.choices, question.answer_index)
    return question


def _pubmedqa(raw: RawQuestion, id: str) -> MultipleChoiceQuestion:
    fields = _fields(raw)
    lower = "pubid" in fields  # the Hugging Face copies
    contexts = _field(_field(fields, "context", Mapping), "contexts", list) if lower else fields.get("CONTEXTS")
    if not isinstance(contexts, list) or not all(isinstance(text, str) for text in contexts):
        raise _malformed("contexts", contexts, "a list of texts")
    if not any(text.strip() for text in contexts):
        raise RejectedRecord("no context", "there is no abstract to answer from")
    decision = fields.get("final_decision")
    if raw.holds == "PQA-U":
        raise UnwantedRecord("unlabelled question", "PQA-U has no answers")
    if decision is None or not str(decision).strip():
        raise RejectedRecord("no answer", "final_decision is missing")
    if (found := str(decision).strip().lower()) not in DECISIONS:
        raise RejectedRecord("answer outside the options", f"final_decision is {decision!r}")
    question = _field(fields, "question" if lower else "QUESTION", str)
    explanation = fields.get("long_answer" if lower else "LONG_ANSWER")
    return MultipleChoiceQuestion(
        "PubMedQA",
        id,
        question,
        DECISIONS,
        DECISIONS.index(found),
        tuple(contexts),
        str(explanation or ""),
        entry_date=source_date(fields.get("YEAR"))[0],
    )


def _medmcqa(raw: RawQuestion, id: str) -> MultipleChoiceQuestion:
    fields = _fields(raw)
    question = _field(fields, "question", str)
    choices = _choices([fields.get(name) for name in OPTION_FIELDS])
    number = _whole_number(fields.get("cop"))
    unanswered = number is None or (raw.first_option == 0 and number == -1)  # -1 in the copies' test set
    if unanswered and fields.get("cop") in (None, "", number):
        if raw.part == "test":
            raise UnwantedRecord("answer not published", "MedMCQA's test set has no answers")
        raise RejectedRecord("no answer", f"cop is {fields.get('cop')!r}")
    if number is None or not 0 <= number - raw.first_option < len(choices):
        detail = f"cop is {fields.get('cop')!r}, which counts from {raw.first_option}, with {len(choices)} options"
        raise RejectedRecord("answer outside the options", detail)
    explanation, subject = (str(fields.get(name) or "") for name in ("exp", "subject_name"))
    return MultipleChoiceQuestion("MedMCQA", id, question, choices, number - raw.first_option, (), explanation, subject)


def _medqa(raw: RawQuestion, id: str) -> MultipleChoiceQuestion:
    fields = _fields(raw)
    question = _field(fields, "question", str)
    options = fields.get("options")
    if isinstance(options, list) and all(isinstance(option, Mapping) for option in options):
        options = {option.get("key"): option.get("value") for option in options}
    if not isinstance(options, Mapping):
        raise _malformed("options", options, "letters with their texts")
    letters = [letter for letter in sorted(options, key=str) if options[letter] is not None]
    if letters != list(LETTERS[: len(letters)]):
        raise RejectedRecord("malformed record", f"the options are {letters}, not A, B, C and so on")
    choices = _choices([options[letter] for letter in letters])
    return MultipleChoiceQuestion("MedQA", id, question, choices, _medqa_answer(fields, choices))


def _medqa_answer(fields: Mapping[str, Any], choices: tuple[str, ...]) -> int:
    """Return the place of the right option, which the file gives by its letter and by its text."""
    letter, text = (str(fields.get(name) or "").strip() for name in ("answer_idx", "answer"))
    if not letter and not text:
        raise RejectedRecord("no answer", "neither answer_idx nor answer is there")
    same = [place for place, choice in enumerate(choices) if choice.strip() == text]
    if not letter:
        if len(same) != 1:
            raise RejectedRecord("answer outside the options", f"answer is {text[:60]!r}, found {len(same)} times")
        return same[0]
    place = _letter_place(letter, choices, "answer_idx")
    if text and place not in same:
        raise RejectedRecord("answer contradicts the options", f"{letter} is {choices[place]!r}, answer is {text!r}")
    return place


def _medconceptsqa(raw: RawQuestion, id: str) -> MultipleChoiceQuestion:
    """Return the question without the choices, which the file also lists at the end of its question."""
    fields = _fields(raw)
    question = _field(fields, "question", str)
    choices = _choices([fields.get(name) for name in CONCEPT_FIELDS])
    listed = r"\s*".join(
        rf"{letter}\.\s*{re.escape(choice.strip())}" for letter, choice in zip(LETTERS, choices, strict=False)
    )
    stem = re.sub(rf"\s*{listed}\s*$", "", question).strip()
    letter, text = (str(fields.get(name) or "").strip() for name in ("answer_id", "answer"))
    if not letter:
        raise RejectedRecord("no answer", "answer_id is missing")
    place = _letter_place(letter, choices, "answer_id")
    if text and choices[place].strip() != text:
        raise RejectedRecord("answer contradicts the options", f"{letter} is {choices[place]!r}, answer is {text!r}")
    return MultipleChoiceQuestion("MedConceptsQA", id, stem, choices, place, subject=raw.subject)


def _mmlu(raw: RawQuestion, id: str) -> MultipleChoiceQuestion:
    if isinstance(raw.fields, list):
        if len(raw.fields) != 6:
            raise RejectedRecord("malformed record", f"{len(raw.fields)} columns instead of 6")
        question, *cells, letter = raw.fields
        choices, letter = _choices(cells), letter.strip()
        if not letter:
            raise RejectedRecord("no answer", "the last column is empty")
        place = _letter_place(letter, choices, "the last column")
    else:
        fields = _fields(raw)
        question = _field(fields, "question", str)
        choices = _choices(_field(fields, "choices", list))
        found = _whole_number(fields.get("answer"))
        if found is None:
            raise RejectedRecord("no answer", f"answer is {fields.get('answer')!r}")
        place = found
    return MultipleChoiceQuestion("MMLU", id, question, choices, place, subject=raw.subject)


def _fields(raw: RawQuestion) -> Mapping[str, Any]:
    if not isinstance(raw.fields, Mapping):
        raise _malformed("the record", raw.fields, "an object with fields")
    return raw.fields


def _field(fields: Mapping[str, Any], name: str, kind: Any) -> Any:
    if not isinstance(value := fields.get(name), kind):
        raise _malformed(name, value, {str: "a text", list: "a list"}.get(kind, "an object with fields"))
    return value


def _malformed(name: str, value: object, expected: str) -> RejectedRecord:
    return RejectedRecord("malformed record", f"{name} should be {expected}, not {repr(value)[:60]}")


def _choices(options: Sequence[Any]) -> tuple[str, ...]:
    """Return options as texts; those at the end that are not there at all (None) are left out."""
    while options and options[-1] is None:
        options = options[:-1]
    for option in options:
        if not isinstance(option, str | int | float) or isinstance(option, bool):
            raise _malformed("an option", option, "a text")
    return tuple(map(str, options))


def _check_choices(choices: tuple[str, ...], place: int) -> None:
    if sum(bool(choice.strip()) for choice in choices) < 2:
        raise RejectedRecord("fewer than two options", f"the options are {list(choices)}")
    if not 0 <= place < len(choices) or not choices[place].strip():
        raise RejectedRecord("answer outside the options", f"it is option {place + 1} of {list(choices)}")


def _letter_place(letter: str, choices: tuple[str, ...], name: str) -> int:
    place = LETTERS.find(letter.upper()) if len(letter) == 1 else -1
    if not 0 <= place < len(choices):
        raise RejectedRecord("answer outside the options", f"{name} is {letter[:60]!r}, with {len(choices)} options")
    return place


def _whole_number(value: Any) -> int | None:
    """Return a whole number, also from text or a float, or None."""
    try:
        return None if isinstance(value, bool) or float(value) != int(value) else int(value)
    except (TypeError, ValueError, OverflowError):
        return None
