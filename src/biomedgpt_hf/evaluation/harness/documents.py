"""The rows of a set, and multiple-choice questions, as documents of lm-evaluation-harness.

A document's `text` is the whole question with its items between tags, so that every model can read it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from biomedgpt_hf.evaluation.items_in_text import write_items
from biomedgpt_hf.evaluation.multiple_choice.questions import read_choice_questions
from biomedgpt_hf.evaluation.set_rows import read_asked_rows
from biomedgpt_hf.sets.biomedical_qa.multiple_choice import MultipleChoiceQuestion, labels, prompt


def read_answers(
    set: str | None = None, split: str | None = None, modality: str | None = None, task: str | None = None, **_: Any
) -> dict[str, Any]:
    """Return the rows of a set: `id`, `text`, `reference` and `task`.

    Args:
        set: folder of a set that `biomedgpt data` made.
        split: which rows; None for its test rows, or else its validation rows.
        modality: only rows about this one, "molecule" or "protein".
        task: only rows of this kind.

    Raises:
        ValueError: no set is named, or it has no such row.
        OSError: the folder is missing.
    """
    folder = _named("set", set)
    rows = []
    for asked in read_asked_rows(folder, split):
        row = asked.expected
        if (modality is None or row.items.get(modality)) and task in (None, row.task):
            text = write_items(row.items) + row.question
            rows.append({"id": row.id, "text": text, "reference": row.reference, "task": row.task})
    if not rows:
        raise ValueError(
            f"{folder} has no row about a {modality or 'question'}{f' of the task {task!r}' if task else ''}."
        )
    return {"test": _dataset(rows)}


def read_choices(
    questions: str | Sequence[str] | None = None, examples: str | Sequence[str] | None = None, **_: Any
) -> dict[str, Any]:
    """Return multiple-choice questions: `id`, `text`, `labels`, `target`.

    Args:
        questions: files or sets (see `read_choice_questions`).
        examples: likewise, for few-shot prompts.

    Raises:
        ValueError: no file is named, or it holds no questions.
        OSError: a file is missing.
    """
    asked = list(choice_documents(_questions(_named("questions", questions))))
    shown = list(choice_documents(_questions(examples))) if examples else []
    return {"test": _dataset(asked), "train": _dataset(shown)}


def choice_documents(questions: Sequence[MultipleChoiceQuestion]) -> Iterator[dict[str, Any]]:
    """Yield questions as documents."""
    for one in questions:
        text = write_items(one.items) + prompt(one)
        yield {"id": one.id, "text": text, "labels": list(labels(one)), "target": one.answer_index}


def _questions(source: Any) -> list[MultipleChoiceQuestion]:
    return read_choice_questions(*([source] if isinstance(source, str) else source))


def _named(name: str, value: Any) -> Any:
    if not value:
        raise ValueError(f'Name what the task reads: --metadata \'{{"{name}": "PATH"}}\'.')
    return value


def _dataset(rows: list[dict[str, Any]]) -> Any:
    from datasets import Dataset

    return Dataset.from_list(rows)
