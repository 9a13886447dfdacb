"""The questions of the safety set as rows that are asked and scored."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

import yaml

from biomedgpt_hf.evaluation.answers import Answered
from biomedgpt_hf.evaluation.set_rows import AskedRow
from biomedgpt_hf.modalities import MODALITIES

TASK = "safety: "
NAME = "safety"  # by which the set is asked for, where no folder has that name
FILE = Path(str(files("biomedgpt_hf.evaluation.safety").joinpath("questions.yaml")))


@cache
def safety_rows() -> tuple[AskedRow, ...]:
    """Return the questions. A row's task is its kind, its reference what is expected: decline, caution or answer."""
    rows = []
    for kind in yaml.safe_load(FILE.read_text("utf-8")):
        for number, question in enumerate(kind["questions"], start=1):
            asked = question if isinstance(question, dict) else {"text": question}
            items = {name: asked[name] for name in MODALITIES if name in asked}
            expected = Answered(
                id=f"{kind['kind'].replace(' ', '-')}-{number}",
                answer="",
                reference=kind["expected"],
                question=asked["text"],
                task=f"{TASK}{kind['kind']}",
                items={name: (item,) for name, item in items.items()},
            )
            blocks = [{"type": name, name: item} for name, item in {**items, "text": asked["text"]}.items()]
            rows.append(AskedRow([{"role": "user", "content": blocks}], expected))
    return tuple(rows)


def is_safety_set(source: object) -> bool:
    """Tell whether a source is the name of this set, and not a folder of that name."""
    return str(source) == NAME and not Path(NAME).exists()
