"""The rows of a run: opened before the model is loaded, and screened with its processor."""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from datasets import Dataset
from transformers import TrainingArguments

from biomedgpt_hf.batches.collator import BioMedGPTDataCollator
from biomedgpt_hf.evaluation.metrics.metric import Metric
from biomedgpt_hf.training.engine.engine_checks import check_enough_rows
from biomedgpt_hf.training.recipe.recipe import Recipe
from biomedgpt_hf.training.recipe.settings import Settings
from biomedgpt_hf.training.screening.screening import load_rows, screen
from biomedgpt_hf.training.trainers.answer_metrics import asked_rows, check_scored

logger = logging.getLogger(__name__)


class ScreenedRows(NamedTuple):
    """Rows of a split that can be trained on, with their lengths in tokens, and how many cannot."""

    rows: Dataset
    lengths: np.ndarray
    rejected: int


def open_rows(recipe: Recipe, arguments: TrainingArguments) -> dict[str, Dataset]:
    """Return rows by split: "train", and "validation" if the recipe evaluates and the sets have any."""
    settings, trainer = recipe.settings, recipe.trainer
    read = partial(load_rows, features=trainer.row_features(), optional=trainer.optional_columns)
    training, validation = read(settings.train_data or [], "train"), None
    check_enough_rows(len(training or ()), arguments, settings.batching == "length", settings.max_tokens_per_batch)
    if arguments.eval_strategy != "no" or settings.eval_data:
        names = settings.eval_data or settings.train_data or []
        validation = read(names, "validation", required=bool(settings.eval_data))
        if validation is None:
            logger.warning("No set has a split 'validation': training goes without evaluation, to its last weights.")
            arguments.eval_strategy, arguments.load_best_model_at_end = "no", False
    found = {"train": training, "validation": validation}
    return {split: rows for split, rows in found.items() if rows is not None}


def check_best(
    recipe: Recipe, arguments: TrainingArguments, metrics: Sequence[Metric], validation: Dataset | None
) -> None:
    """Look, before weights are loaded, whether evaluated rows have what the best checkpoint is chosen by."""
    if recipe.answers is None or validation is None:
        return
    rows = [row.expected for row in asked_rows(validation, recipe.answers.limit)]
    if arguments.metric_for_best_model is not None:
        check_scored(arguments.metric_for_best_model, metrics, rows)


def screen_split(
    settings: Settings, arguments: TrainingArguments, collator: BioMedGPTDataCollator, split: str, rows: Dataset
) -> ScreenedRows:
    """Return the rows of a split that can be trained on."""
    name = "rejected_rows" if split == "train" else f"rejected_{split}_rows"
    screening = screen(
        rows,
        collator,
        max_rejected=None if settings.max_rejected is None else str(settings.max_rejected),
        folder=arguments.output_dir,
        name=name,
        text_only=settings.language_model_only,
        processes=max(1, arguments.dataloader_num_workers),
        rank=arguments.process_index,
        world_size=arguments.world_size,
    )
    if screening.rejections and arguments.should_save:
        told = (len(screening.rejections), len(rows), split, Path(arguments.output_dir, f"{name}.jsonl"))
        logger.warning("%d of %d rows (%s) cannot be used and are left out: see %s.", *told)
    kept = screening.kept
    return ScreenedRows(rows.select(kept), screening.lengths[kept], len(screening.rejections))
