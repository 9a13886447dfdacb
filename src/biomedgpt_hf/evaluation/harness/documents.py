"""The rows of a set, and multiple-choice questions, as documents of lm-evaluation-harness.

A document's `text` is the whole question with its items between tags, so that every model can read it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from biomedgpt_hf.evaluation.finding_sets import find_set
from biomedgpt_hf.evaluation.items_in_text import write_items
from biomedgpt_hf.evaluation.multiple_choice.questions import read_choice_questions
from biomedgpt_hf.evaluation.set_rows import chosen_split, has_split, read_asked_rows
from biomedgpt_hf.sets.biomedical_qa.multiple_choice import MultipleChoiceQuestion, labels, prompt

EXAMPLES = "train"  # the split of few-shot examples, in sets as in lm-evaluation-harness


def read_answers(
    set: str | None = None, split: str | None = None, modality: str | None = None, task: str | None = None, **_: Any
) -> dict[str, Any]:
    """Return rows of a set: `id`, `text`, `reference` and `task`.

    Args:
        set: folder or Hub id of a set that `biomedgpt data` made.
        split: which rows are asked; None for its test rows, or else its validation rows.
        modality: only rows about this one, "molecule" or "protein".
        task: only rows of this kind.

    Returns:
        "test": the rows that are asked, whatever their split; "train": examples for few-shot prompts, which are
        training rows and never asked ones; empty where there are none.

    Raises:
        ValueError: no set is named, or it has no such row.
        OSError: there is no such set.
    """
    folder = find_set(_named("set", set))
    split = split or chosen_split(folder)
    asked = _answers(folder, split, modality, task)
    if not asked:
        raise ValueError(
            f"{set} has no row about a {modality or 'question'}{f' of the task {task!r}' if task else ''}."
        )
    shown = _answers(folder, EXAMPLES, modality, task) if split != EXAMPLES and has_split(folder, EXAMPLES) else []
    return {"test": _dataset(asked), EXAMPLES: _dataset(_apart(shown, asked))}


def read_choices(
    questions: str | Sequence[str] | None = None, examples: str | Sequence[str] | None = None, **_: Any
) -> dict[str, Any]:
    """Return multiple-choice questions: `id`, `text`, `labels`, `target`.

    Args:
        questions: files or sets (see `read_choice_questions`).
        examples: likewise, for few-shot prompts; of a set its training rows. None for those of the sets that are asked.

    Returns:
        "test": what is asked; "train": examples, among which is no asked question.

    Raises:
        ValueError: no file is named, or it holds no questions.
        OSError: a file is missing.
    """
    sources = _listed(_named("questions", questions))
    asked = list(choice_documents(read_choice_questions(*sources)))
    shown = list(choice_documents(example_questions(_listed(examples) if examples else sources, bool(examples))))
    return {"test": _dataset(asked), EXAMPLES: _dataset(_apart(shown, asked))}


def example_questions(sources: Sequence[str | PathLike], are_named: bool = True) -> list[MultipleChoiceQuestion]:
    """Return questions for few-shot prompts: those of files, and the training rows of sets.

    Args:
        sources: files or sets.
        are_named: False where they are what is asked: then files, and sets without training rows, have no examples.
    """
    if not are_named:
        sources = [source for source in sources if Path(source).is_dir() and has_split(Path(source), EXAMPLES)]
    return read_choice_questions(*sources, split=EXAMPLES) if sources else []


def _answers(folder: Path, split: str, modality: str | None, task: str | None) -> list[dict[str, Any]]:
    rows = (one.expected for one in read_asked_rows(folder, split))
    return [
        {"id": row.id, "text": write_items(row.items) + row.question, "reference": row.reference, "task": row.task}
        for row in rows
        if (modality is None or row.items.get(modality)) and task in (None, row.task)
    ]


def _apart(shown: list[dict[str, Any]], asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the examples that ask nothing that is scored: with an answer beside it, that would be no question."""
    scored = {row["text"] for row in asked}
    return [row for row in shown if row["text"] not in scored]


def choice_documents(questions: Sequence[MultipleChoiceQuestion]) -> Iterator[dict[str, Any]]:
    """Yield questions as documents."""
    for one in questions:
        text = write_items(one.items) + prompt(one)
        yield {"id": one.id, "text": text, "labels": list(labels(one)), "target": one.answer_index}


def _listed(source: Any) -> list[Path]:
    return [find_set(one) for one in ([source] if isinstance(source, str) else source)]


def _named(name: str, value: Any) -> Any:
    if not value:
        raise ValueError(f'Name what the task reads: --metadata \'{{"{name}": "PATH"}}\'.')
    return value


def _dataset(rows: list[dict[str, Any]]) -> Any:
    from datasets import Dataset

    return Dataset.from_list(rows)
