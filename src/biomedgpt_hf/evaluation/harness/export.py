"""Task files that need nothing of this package: a model of lm-evaluation-harness's own, such as `hf`, runs them.

    from biomedgpt_hf.evaluation.harness import export_tasks
    export_tasks(["ori_pqal.json"], "tasks")  # ["biomedgpt_pubmedqa"]
    lm-eval run --model hf --model_args pretrained=LM --include_path tasks --tasks biomedgpt_pubmedqa

where LM is what `biomedgpt convert language-model` wrote. Molecules and proteins stand in the prompts as text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, cast

import yaml

from biomedgpt_hf.disk.folders import staged_folder
from biomedgpt_hf.evaluation.finding_sets import find_set
from biomedgpt_hf.evaluation.harness.documents import choice_documents, example_questions
from biomedgpt_hf.evaluation.multiple_choice.asking import BETWEEN_EXAMPLES, DELIMITER
from biomedgpt_hf.evaluation.multiple_choice.questions import read_choice_questions
from biomedgpt_hf.sets.biomedical_qa.multiple_choice import MultipleChoiceQuestion

Source = Sequence[str | PathLike] | Sequence[MultipleChoiceQuestion]
TAG = "biomedgpt_exported"
HEADER = """\
# lm-eval run --model hf --model_args pretrained=LM --include_path {folder} --tasks {task}
#
# Written by biomedgpt_hf. data_files has the place of the documents: change it where the folder moves.
"""


def export_tasks(
    questions: Source,
    output: str | PathLike,
    *,
    examples: Source = (),
) -> list[str]:
    """Write a folder of tasks, one for each data set among the questions.

    Args:
        questions: files, folders of sets, or questions (see `read_choice_questions`).
        output: folder to make.
        examples: likewise, for few-shot prompts (`--num_fewshot`), the first of which are taken; of sets the training
            rows. None for those of the sets among the questions. What is asked is never an example.

    Returns:
        The names of the tasks. All of them have the tag "biomedgpt_exported".

    Raises:
        OSError: a file is missing, or the folder is not empty or cannot be written.
        ValueError: sources hold no questions.
    """
    asked = _by_dataset(_questions(questions, read_choice_questions))
    shown = _examples(examples or questions, bool(examples), asked)
    output = Path(output)
    with staged_folder(output) as folder:
        for name, of_dataset in asked.items():
            files = {"test": f"{name}.test.jsonl", **({"train": f"{name}.train.jsonl"} if name in shown else {})}
            for split, file in files.items():
                rows = choice_documents(of_dataset if split == "test" else shown[name])
                lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
                (folder / file).write_text("".join(lines), "utf-8")
            task = _task(name, {split: str(output.resolve() / file) for split, file in files.items()})
            text = HEADER.format(folder=output, task=name) + yaml.safe_dump(task, sort_keys=False, allow_unicode=True)
            (folder / f"{name}.yaml").write_text(text, "utf-8")
    return list(asked)


def _questions(source: Source, read: Callable[..., list[MultipleChoiceQuestion]]) -> list[MultipleChoiceQuestion]:
    questions = [one for one in source if isinstance(one, MultipleChoiceQuestion)]
    return questions if len(questions) == len(source) else read(*map(find_set, cast(Sequence[str], source)))


def _examples(
    source: Source, are_named: bool, asked: dict[str, list[MultipleChoiceQuestion]]
) -> dict[str, list[MultipleChoiceQuestion]]:
    if not are_named and any(isinstance(one, MultipleChoiceQuestion) for one in source):
        return {}
    found = _questions(source, lambda *paths: example_questions(paths, are_named))
    scored = {one.id for of_dataset in asked.values() for one in of_dataset}
    return _by_dataset([one for one in found if one.id not in scored])


def _by_dataset(questions: Sequence[MultipleChoiceQuestion]) -> dict[str, list[MultipleChoiceQuestion]]:
    """Return questions by the name of their data set, as a task's name has it."""
    found: dict[str, list[MultipleChoiceQuestion]] = {}
    for one in questions:
        name = re.sub(r"[^a-z0-9]+", "_", one.dataset.lower()).strip("_") or "questions"
        found.setdefault(f"biomedgpt_{name}", []).append(one)
    return found


def _task(name: str, files: dict[str, str]) -> dict[str, Any]:
    shots = {"fewshot_split": "train", "fewshot_config": {"sampler": "first_n"}} if "train" in files else {}
    return {
        "task": name,
        "tag": TAG,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": files},
        "output_type": "multiple_choice",
        "test_split": "test",
        **shots,
        "doc_to_text": "{{text}}",
        "doc_to_choice": "labels",
        "doc_to_target": "target",
        "target_delimiter": DELIMITER,
        "fewshot_delimiter": BETWEEN_EXAMPLES,
        "metric_list": [
            {"metric": name, "aggregation": "mean", "higher_is_better": True} for name in ("acc", "acc_norm")
        ],
        "metadata": {"version": 1.0},
    }
