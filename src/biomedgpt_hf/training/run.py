"""A run: the road from a recipe to a trained checkpoint with its card and report.

    recipe/       what is asked for: a YAML file and the words of a command line
    run_notes     whether the folder holds this run or another one
    run_rows      the rows that it reads
    loading       model and processor that it starts from                     (model/)
    screening/    the sets' rows, each of which is built once before training
    trainers/     the trainer that the recipe names                           (engine/, checkpoints/)
    reporting/, publishing/    report and card, and what is saved and uploaded
    evaluations                what the saved model is worth, on the sets that the recipe names

Folders never import this module or its neighbours, so what a step needs is in its folder or below it.

In the run's folder are:

    run.json                   what was asked for, how often it was started, how long it took
    rejected_rows.jsonl        rows that cannot be trained on, if any
    checkpoint-STEP/           to go on from, each complete or passed over
    runs/                      for TensorBoard
    model.safetensors, …       at the end: model, processor, card, training_report.md, loss_curve.png
    evaluation/SET/            predictions, scores and report of each set that the recipe evaluates
    code/                      what loading the model without this package takes; in an upload it is beside the weights
"""

import logging
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import distributed
from transformers import TrainingArguments, set_seed

from biomedgpt_hf.batches.collator import BioMedGPTDataCollator
from biomedgpt_hf.batches.shared_prefix import items_of
from biomedgpt_hf.evaluation.metrics.metric import Metric
from biomedgpt_hf.publishing.code_apart import put_code_apart
from biomedgpt_hf.publishing.uploading import has_weights
from biomedgpt_hf.rows.schema import to_conversation
from biomedgpt_hf.training import checkpoints
from biomedgpt_hf.training.engine.engine_checks import check_torch_build, given_command
from biomedgpt_hf.training.evaluations import evaluate_run
from biomedgpt_hf.training.loading import Loaded, check_model, load_for_training
from biomedgpt_hf.training.model.model_parts import trained_counts
from biomedgpt_hf.training.recipe.evaluations import evaluation_of, scores_of
from biomedgpt_hf.training.recipe.recipe import Recipe
from biomedgpt_hf.training.reporting.report import card_facts, write_report
from biomedgpt_hf.training.reporting.run_facts import RunFacts
from biomedgpt_hf.training.run_notes import RunNotes
from biomedgpt_hf.training.run_result import RunResult
from biomedgpt_hf.training.run_rows import ScreenedRows, check_best, open_rows, screen_split
from biomedgpt_hf.training.screening.row_sets import describe_set
from biomedgpt_hf.training.trainers.answer_metrics import AnswerMetrics
from biomedgpt_hf.training.trainers.early_stopping import EarlyStopping
from biomedgpt_hf.training.trainers.run_trainer import RunTrainerMixin

logger = logging.getLogger(__name__)


def train(recipe: Recipe) -> RunResult:
    """Do what a recipe says; every process of the run calls it. A run that was stopped goes on.

    Raises:
        ValueError: if the recipe does not fit the machine, the model or the rows, or the run that it would go on with;
            or if the trained model is saved and could not be evaluated.
        OSError: if something cannot be found, read or written; checkpoints stay.
    """
    launcher = os.getppid()  # asked before loading, which may take minutes
    check_torch_build(bool(recipe.arguments.get("use_cpu")))
    try:
        arguments = recipe.training_arguments()
        metrics = recipe.check_evaluations()
        notes = RunNotes(Path(arguments.output_dir), recipe, arguments)
        if notes.ended is None or not has_weights(os.listdir(arguments.output_dir)):
            result = _train(recipe, arguments, notes, metrics, launcher)
        else:
            result = RunResult(**{**notes.ended["result"], "output": Path(arguments.output_dir)})
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()
    evaluated = evaluation_of(recipe.settings)
    if evaluated is None or result.stopped_by:
        return result
    hub_id = notes.ended["hub_id"] if notes.ended else None
    return replace(result, scores=evaluate_run(result.output, *evaluated, arguments, hub_id))


def _train(
    recipe: Recipe, arguments: TrainingArguments, notes: RunNotes, metrics: Sequence[Metric], launcher: int
) -> RunResult:
    """Train to the end, or till a signal. What it holds in memory is free when it returns."""
    output = Path(arguments.output_dir)
    notes.check(checkpoints.newest_complete(output) is not None)
    check_model(recipe.settings, arguments)  # before rows are opened, and these before weights, which take longest
    opened = open_rows(recipe, arguments)
    check_best(recipe, arguments, metrics, opened.get("validation"))
    set_seed(arguments.seed)  # new adapters begin at random
    loaded = load_for_training(recipe.settings, arguments)
    collator = _make_collator(recipe, loaded)
    rows = {split: screen_split(recipe.settings, arguments, collator, split, found) for split, found in opened.items()}
    trainer = _make_trainer(recipe, arguments, loaded, collator, rows, metrics)
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


def _make_trainer(
    recipe: Recipe,
    arguments: TrainingArguments,
    loaded: Loaded,
    collator: BioMedGPTDataCollator,
    rows: dict[str, ScreenedRows],
    metrics: Sequence[Metric],
) -> RunTrainerMixin:
    """Return the recipe's trainer over what was loaded and read."""
    settings, training, validation = recipe.settings, rows["train"], rows.get("validation")
    by_length = settings.batching == "length"
    answers, answer_metrics = recipe.answers, None
    if answers is not None and validation is not None:
        check_best(recipe, arguments, metrics, validation.rows)
        answer_metrics = AnswerMetrics(
            loaded.processor,
            metrics,
            limit=answers.limit,
            max_new_tokens=answers.max_new_tokens,
            crop=settings.truncate_proteins,
        )
    callbacks = []
    if settings.early_stopping_patience is not None and validation is not None:
        callbacks.append(EarlyStopping(settings.early_stopping_patience, settings.early_stopping_threshold))
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
        answer_metrics=answer_metrics,
        callbacks=callbacks,
        **{name: getattr(settings, name) for name in recipe.trainer.own_settings},
    )


def _finish(
    recipe: Recipe, loaded: Loaded, rows: dict[str, ScreenedRows], trainer: RunTrainerMixin, notes: RunNotes
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
    kept: dict[str, Any] = {"kept_step": facts.kept_step, "kept_by": facts.kept_by}
    result = replace(result, stopped_by=0, ended_early=facts.ended_early, **kept)
    if trainer.args.should_save:
        notes.save_end(result=vars(result), hub_id=trainer.hub_model_id if trainer.args.push_to_hub else None)
    return result


def _facts(
    recipe: Recipe, loaded: Loaded, rows: dict[str, ScreenedRows], trainer: RunTrainerMixin, notes: RunNotes
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
        kept_step=trainer.state.best_global_step if arguments.load_best_model_at_end else None,
        kept_by=f"the best evaluation{_in_words(trainer)}",
        ended_early=_why_early(recipe, trainer),
        epochs=trainer.state.epoch or 0.0,
        seconds=notes.seconds,
        resumed=notes.resumed,
        processes=arguments.world_size,
        device=arguments.device,
        plain_language_model=settings.language_model_only,
        trainer=recipe.trainer.name,
        metrics=(*recipe.trainer.metrics, *(scores_of(recipe.answers) if recipe.answers else ())),
        loss_unit=recipe.trainer.loss_unit,
    )


def _in_words(trainer: RunTrainerMixin) -> str:
    """Return by which score the best evaluation was chosen, unless it was the loss."""
    metric, best = trainer.args.metric_for_best_model, trainer.state.best_metric
    name = (metric or "loss").removeprefix("eval_")
    return "" if name == "loss" or best is None else f" ({name} {best:.4f})"


def _why_early(recipe: Recipe, trainer: RunTrainerMixin) -> str:
    """Return why a run ended before its last step; nothing if it did not."""
    state = trainer.state
    if state.global_step >= state.max_steps:
        return ""
    name = str(trainer.args.metric_for_best_model or "loss").removeprefix("eval_")
    patience = recipe.settings.early_stopping_patience
    times = "evaluation" if patience == 1 else f"{patience} evaluations in a row"
    return f"early, of {state.max_steps:,} steps: {times} {'was' if patience == 1 else 'were'} no better by {name}"
