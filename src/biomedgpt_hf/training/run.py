"""A run: the road from a recipe to a trained checkpoint with its card and report.

    recipe/       what is asked for: a YAML file and the words of a command line
    run_notes     whether the folder holds this run or another one
    loading       model and processor that it starts from                     (model/)
    screening/    the sets' rows, each of which is built once before training
    trainers/     the trainer that the recipe names                           (engine/, checkpoints/)
    reporting/, publishing/    report and card, and what is saved and uploaded

Folders never import this module or its neighbours, so what a step needs is in its folder or below it.

In the run's folder are:

    run.json                   what was asked for, how often it was started, how long it took
    rejected_rows.jsonl        rows that cannot be trained on, if any
    checkpoint-STEP/           to go on from, each complete or passed over
    runs/                      for TensorBoard
    model.safetensors, …       at the end: model, processor, card, training_report.md, loss_curve.png
    code/                      what loading the model without this package takes; in an upload it is beside the weights
"""

import logging
import os
import signal
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from datasets import Dataset
from torch import distributed
from transformers import TrainingArguments, set_seed

from biomedgpt_hf.batches.collator import BioMedGPTDataCollator
from biomedgpt_hf.batches.shared_prefix import items_of
from biomedgpt_hf.publishing.code_apart import put_code_apart
from biomedgpt_hf.rows.schema import to_conversation
from biomedgpt_hf.training import checkpoints
from biomedgpt_hf.training.engine.engine_checks import check_enough_rows, check_torch_build, given_command
from biomedgpt_hf.training.loading import Loaded, check_model, load_for_training
from biomedgpt_hf.training.model.model_parts import trained_counts
from biomedgpt_hf.training.recipe.recipe import Recipe
from biomedgpt_hf.training.recipe.settings import Settings
from biomedgpt_hf.training.reporting.report import card_facts, write_report
from biomedgpt_hf.training.reporting.run_facts import RunFacts
from biomedgpt_hf.training.run_notes import RunNotes
from biomedgpt_hf.training.screening.row_sets import describe_set
from biomedgpt_hf.training.screening.screening import load_rows, screen
from biomedgpt_hf.training.trainers.run_trainer import RunTrainerMixin

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunResult:
    """How a run ended.

    Attributes:
        output: its folder.
        step: steps taken in all.
        steps: steps that were asked for.
        metrics: of the last evaluation, and the training's own.
        stopped_by: the signal that stopped it before its end; 0 if none did.
        kept_step: the step whose weights were kept since its evaluation was the best; None for the last one.
    """

    output: Path
    step: int
    steps: int
    metrics: dict[str, float]
    stopped_by: int = 0
    kept_step: int | None = None

    def summary(self) -> str:
        """Return what a person wants to know, in a few lines."""
        if self.stopped_by:
            name = signal.Signals(self.stopped_by).name
            return (
                f"Stopped by {name} after step {self.step} of {self.steps}; checkpoint-{self.step} is complete. "
                "Give the same command again to go on."
            )
        losses = {name: value for name, value in self.metrics.items() if name.endswith("loss")}
        told = ", ".join(f"{name} {value:.4f}" for name, value in losses.items())
        losses_told = f" ({told})" if told else ""
        kept = f", with the weights of step {self.kept_step}, the best evaluation" if self.kept_step else ""
        return f"Wrote {self.output} after {self.step} steps{losses_told}{kept}; see training_report.md there."


class _ScreenedRows(NamedTuple):
    """Rows of a split that can be trained on, with their lengths in tokens, and how many cannot."""

    rows: Dataset
    lengths: np.ndarray
    rejected: int


def train(recipe: Recipe) -> RunResult:
    """Do what a recipe says; every process of the run calls it. A run that was stopped goes on.

    Raises:
        ValueError: if the recipe does not fit the machine, the model or the rows, or the run that it would go on with.
        OSError: if something cannot be found, read or written; checkpoints stay.
    """
    launcher = os.getppid()  # asked before loading, which may take minutes
    check_torch_build(bool(recipe.arguments.get("use_cpu")))
    arguments = recipe.training_arguments()
    output = Path(arguments.output_dir)
    notes = RunNotes(output, recipe, arguments)
    notes.check(checkpoints.newest_complete(output) is not None)
    try:
        check_model(recipe.settings, arguments)  # before rows are opened, and these before weights, which take longest
        opened = _open_rows(recipe, arguments)
        set_seed(arguments.seed)  # new adapters begin at random
        loaded = load_for_training(recipe.settings, arguments)
        collator = _make_collator(recipe, loaded)
        rows = {split: _screen(recipe.settings, arguments, collator, split, found) for split, found in opened.items()}
        trainer = _make_trainer(recipe, arguments, loaded, collator, rows)
        trainer.preemption.launcher = launcher
        if arguments.should_save:
            notes.begin(resumes=checkpoints.newest_complete(output) is not None)
        started = time.monotonic()
        try:
            trainer.train(resume_from_checkpoint=arguments.resume_from_checkpoint or True)
        finally:
            if arguments.should_save:
                notes.end(time.monotonic() - started)
        return _finish(recipe, loaded, rows, trainer, notes)
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()


def _make_collator(recipe: Recipe, loaded: Loaded) -> BioMedGPTDataCollator:
    """Return what makes batches of the trainer's rows, as the settings say."""
    settings = recipe.settings
    return recipe.trainer.collator_class(
        loaded.processor,
        max_length=settings.max_length,
        processor_kwargs={"truncation": True} if settings.truncate_proteins else None,
        packing=settings.packing,
        share_prefix=settings.share_prefix,
    )


def _open_rows(recipe: Recipe, arguments: TrainingArguments) -> dict[str, Dataset]:
    """Return rows by split: "train", and "validation" if the recipe evaluates and the sets have any."""
    settings, trainer = recipe.settings, recipe.trainer
    read = partial(load_rows, features=trainer.row_features(), optional=trainer.optional_columns)
    training, validation = read(settings.train_data or [], "train"), None
    check_enough_rows(len(training or ()), arguments, settings.batching == "length", settings.max_tokens_per_batch)
    if arguments.eval_strategy != "no" or settings.eval_data:
        names = settings.eval_data or settings.train_data or []
        validation = read(names, "validation", required=bool(settings.eval_data))
        if validation is None:
            logger.warning("No set has a split 'validation': training goes without evaluation.")
            arguments.eval_strategy, arguments.load_best_model_at_end = "no", False
    found = {"train": training, "validation": validation}
    return {split: rows for split, rows in found.items() if rows is not None}


def _screen(
    settings: Settings, arguments: TrainingArguments, collator: BioMedGPTDataCollator, split: str, rows: Dataset
) -> _ScreenedRows:
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
    return _ScreenedRows(rows.select(kept), screening.lengths[kept], len(screening.rejections))


def _make_trainer(
    recipe: Recipe,
    arguments: TrainingArguments,
    loaded: Loaded,
    collator: BioMedGPTDataCollator,
    rows: dict[str, _ScreenedRows],
) -> RunTrainerMixin:
    """Return the recipe's trainer over what was loaded and read."""
    settings, training, validation = recipe.settings, rows["train"], rows.get("validation")
    by_length = settings.batching == "length"
    return recipe.trainer.trainer_class(
        loaded.model,
        args=arguments,
        data_collator=collator,
        train_dataset=training.rows,
        eval_dataset=validation.rows if validation else None,
        processing_class=loaded.saved_with,
        lengths=training.lengths if by_length else None,
        groups=[items_of(to_conversation(row)) for row in training.rows] if settings.share_prefix else None,
        max_tokens_per_batch=settings.max_tokens_per_batch,
        **{name: getattr(settings, name) for name in recipe.trainer.own_settings},
    )


def _finish(
    recipe: Recipe, loaded: Loaded, rows: dict[str, _ScreenedRows], trainer: RunTrainerMixin, notes: RunNotes
) -> RunResult:
    """Write the trained checkpoint with its card and report, unless the run was stopped before its end."""
    output, state = Path(trainer.args.output_dir), trainer.state
    metrics = {name: value for entry in state.log_history for name, value in entry.items() if name.endswith("loss")}
    metrics.pop("train_loss", None)  # of all steps, from the first one on: it says little of the end
    result = RunResult(output, state.global_step, state.max_steps, metrics, trainer.preemption.received)
    if result.stopped_by and result.step < result.steps:
        return result
    facts = _facts(recipe, loaded, rows, trainer, notes)
    config = trainer.model.config
    config.training = {**card_facts(state.log_history, facts), **(getattr(config, "training", None) or {})}
    trainer.save_model(_internal_call=True)  # without it, the Trainer would upload the model here already
    if trainer.args.should_save:
        write_report(output, state.log_history, facts)
    if trainer.args.push_to_hub:
        trainer.push_to_hub()
    elif trainer.args.should_save:
        put_code_apart(output)
    return RunResult(output, result.step, result.steps, metrics, kept_step=facts.kept_step)


def _facts(
    recipe: Recipe, loaded: Loaded, rows: dict[str, _ScreenedRows], trainer: RunTrainerMixin, notes: RunNotes
) -> RunFacts:
    """Return what the report and the card tell beside the losses."""
    settings, arguments = recipe.settings, trainer.args
    names = dict.fromkeys([*(settings.train_data or []), *(settings.eval_data or [])])
    return RunFacts(
        command=given_command(arguments.world_size),
        recipe=recipe.name,
        base=str(settings.model),
        settings=settings.changed(),
        arguments=recipe.adapted()[0],
        sets=[describe_set(name) for name in names],
        rows={split: len(of_split.rows) for split, of_split in rows.items()},
        rejected={split: of_split.rejected for split, of_split in rows.items()},
        trained=trained_counts(trainer.model),
        parameters=sum(parameter.numel() for parameter in trainer.model.parameters()),
        steps=trainer.state.global_step,
        kept_step=trainer.state.best_global_step if trainer.args.load_best_model_at_end else None,
        epochs=trainer.state.epoch or 0.0,
        seconds=notes.seconds,
        resumed=notes.resumed,
        processes=arguments.world_size,
        device=arguments.device,
        plain_language_model=settings.language_model_only,
        trainer=recipe.trainer.name,
        metrics=recipe.trainer.metrics,
        loss_unit=recipe.trainer.loss_unit,
    )
