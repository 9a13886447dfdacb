"""Single questions, such as those of the paper's Figure 4: what each model says, below what the paper prints."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from biomedgpt_hf.evaluation.answers import Answered
from biomedgpt_hf.evaluation.asking import ITS_ITEM, ask_rows
from biomedgpt_hf.evaluation.paper_tables.recipe import CasesRecipe, Row
from biomedgpt_hf.evaluation.set_rows import AskedRow
from biomedgpt_hf.files.items import Item, read_items
from biomedgpt_hf.inference.item_arguments import item_blocks
from biomedgpt_hf.inference.long_runs.processes import own_device, rank
from biomedgpt_hf.inference.prediction.in_memory import PredictionSettings


def ask_cases(
    recipe: CasesRecipe, rows: Sequence[Row], source: Path, output: Path, *, device: str | None = None, **settings: Any
) -> Path | None:
    """Ask each checkpoint about the cases, and write cases.md with all answers.

    Args:
        recipe: the questions.
        rows: who is asked.
        source: file of the items.
        output: folder to write; predictions that are there already are kept.
        device: where to run; None is the first of cuda, mps, cpu.
        settings: see `PredictionSettings`.

    Returns:
        The file; None on processes other than the first.

    Raises:
        ValueError: the file lacks a case, or an item cannot be read.
        OSError: a file or checkpoint is missing.
    """
    asked = [_asked(recipe, source, id, item) for id, item in _find(recipe, source).items()]
    answers: dict[str, dict[str, str]] = {row.expected.id: {} for row in asked}
    for row in rows:
        chosen = PredictionSettings(**row.options, device=device, **settings)
        path = output / f"{row.folder}.jsonl"
        predictor = chosen.predictor(own_device(device))
        ask_rows(asked, path, files=[source], predictor=predictor, settings=chosen, asked_with=ITS_ITEM)
        for line in path.read_text("utf-8").splitlines():
            found = json.loads(line)
            answers[found["id"]][row.name] = found["answer"] or f"(no answer: {found['error'] or 'it is empty'})"
    if rank() > 0:
        return None
    path = output / "cases.md"
    path.write_text("\n".join(_markdown(recipe, answers)), encoding="utf-8")
    return path


def _find(recipe: CasesRecipe, source: Path) -> dict[str, Item]:
    """Return the items of the cases, known by a part of their ids such as the accession in `sp|P52341|DUT_HHV7J`."""
    items: dict[str, Item] = {}
    for item in read_items([source]):
        for part in re.split(r"[|\s]", item.id):
            items.setdefault(part, item)
    for id in recipe.said:
        if id not in items:
            where = f" Get it again: {recipe.origin}." if recipe.origin else ""
            raise ValueError(f"{source} has no entry {id}, which {recipe.name} asks about.{where}")
        if (problem := items[id].problem) is not None:
            raise ValueError(f"{source}: {id} cannot be read: {problem.in_words}")
    return {id: items[id] for id in recipe.said}


def _asked(recipe: CasesRecipe, source: Path, id: str, item: Item) -> AskedRow:
    content = [*item_blocks(item.items), {"type": "text", "text": recipe.question}]
    expected = Answered(id, "", "", question=recipe.question, source=source.name, items=item.items)
    return AskedRow([{"role": "user", "content": content}], expected)


def _markdown(recipe: CasesRecipe, answers: dict[str, dict[str, str]]) -> Iterator[str]:
    yield f"# {recipe.title}\n"
    for id, ours in answers.items():
        yield f"## {id}: {recipe.question}\n"
        for name, text in recipe.said[id].items():
            yield f"**{name}, in the paper:** {_in_one_line(text)}\n"
        for name, text in ours.items():
            yield f"**{name}, here:** {_in_one_line(text)}\n"


def _in_one_line(text: str) -> str:
    return " ".join(text.split())
