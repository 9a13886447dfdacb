"""BioMedGPT inside lm-evaluation-harness (the package `lm_eval`, extra `lm-eval`).

    python -m biomedgpt_hf.evaluation.harness run --model biomedgpt --model_args pretrained=DIR --tasks pubmedqa
    python -m biomedgpt_hf.evaluation.harness run --model biomedgpt --model_args pretrained=DIR \
        --apply_chat_template --tasks biomedgpt_molecule_answers --metadata '{"set": "SET"}'

`model` is the model's class; text goes to lm-evaluation-harness's own code, and items stand in texts between tags
(`items_in_text`). `tasks/` holds tasks about molecules and proteins, which read sets through `documents`. `export`
writes task files that need nothing of this package, for a language model alone.

Versions of `lm_eval` that look for entry points know the model's name from them. Others, 0.4.13 among them, know it
once `register` has been called, which `python -m biomedgpt_hf.evaluation.harness` does.
"""

from __future__ import annotations

from pathlib import Path

from biomedgpt_hf.evaluation.harness.export import export_tasks
from biomedgpt_hf.extras import missing_package

MODEL = "biomedgpt"
TASKS = Path(__file__).resolve().parent / "tasks"

__all__ = ["MODEL", "TASKS", "export_tasks", "register"]


def register() -> None:
    """Make the model known to lm-evaluation-harness in this process.

    Raises:
        ModuleNotFoundError: lm_eval is not installed.
    """
    try:
        from lm_eval.api.registry import model_registry
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(missing_package(error.name or "lm_eval", "lm-eval")) from error
    if MODEL not in model_registry:
        model_registry.register(MODEL, target="biomedgpt_hf.evaluation.harness.model:BioMedGPTLM")
