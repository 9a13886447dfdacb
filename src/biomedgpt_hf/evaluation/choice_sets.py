"""Multiple-choice sets in the form of all results: the model, the majority row, and what papers report.

DIR/predictions.jsonl                what was chosen, with log-likelihoods (see `multiple_choice`)
DIR/metrics.json, report.md, …       as for other sets
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import Any

from biomedgpt_hf.disk.manifests import versions
from biomedgpt_hf.evaluation.answers import Answered
from biomedgpt_hf.evaluation.by_date import by_date, check_dates, read_cutoff
from biomedgpt_hf.evaluation.finding_sets import find_set, scored_depositors
from biomedgpt_hf.evaluation.honest_rows.published import PUBLISHED
from biomedgpt_hf.evaluation.multiple_choice.as_metric import ChosenLabels
from biomedgpt_hf.evaluation.multiple_choice.predictions import ChoicePrediction
from biomedgpt_hf.evaluation.multiple_choice.questions import SUBJECT_IN_ID
from biomedgpt_hf.evaluation.multiple_choice.run import evaluate_choices
from biomedgpt_hf.evaluation.multiple_choice.scores import majority_row
from biomedgpt_hf.evaluation.multiple_choice.shuffles import score_shuffles
from biomedgpt_hf.evaluation.multiple_choice.statistics import tabulate_choices
from biomedgpt_hf.evaluation.prediction_files import PROTOCOL_VERSION
from biomedgpt_hf.evaluation.report.side_by_side import put_side_by_side
from biomedgpt_hf.evaluation.report.writing import write_report
from biomedgpt_hf.evaluation.resampling import RESAMPLES
from biomedgpt_hf.evaluation.results import HONEST, MODEL, TOOLS, run_name, save_results
from biomedgpt_hf.evaluation.score_files import describe_set
from biomedgpt_hf.evaluation.scoring import MetricTable, score_table
from biomedgpt_hf.evaluation.set_rows import chosen_split, read_asked_rows
from biomedgpt_hf.inference.long_runs.processes import rank
from biomedgpt_hf.sets.biomedical_qa.multiple_choice import PROMPTS

MAJORITY = "most frequent label"


def is_choice_set(source: str | PathLike, split: str | None = None) -> bool:
    """Tell whether a set holds multiple-choice questions, by the task of its first row. A file can hold nothing else.

    Raises:
        SourceError, OSError: the set has no rows to score, or is missing.
    """
    source = find_set(source)
    if source.is_file():
        return True
    first = next(read_asked_rows(source, split), None)
    return first is not None and first.expected.task in {dataset.lower() for dataset in PROMPTS}


def evaluate_choice_set(
    source: str | PathLike,
    output: str | PathLike,
    *,
    limit: int | None = None,
    resamples: int = RESAMPLES,
    cutoff: str | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Put a set of multiple-choice questions to a checkpoint, and score it beside the majority row.

    Args:
        source: folder or Hub id of a set that `biomedgpt data biomedical-qa` made, a benchmark's file, or a table of
            one's own.
        output: folder to write. Predictions of the same are scored again, not asked again.
        limit: put only so many questions, spread over the split; None for all.
        resamples: of the bootstrap.
        cutoff: a day, month or year; questions whose entries were made before it and from it on are scored apart.
        options: see `evaluate_choices`: checkpoint, protocol, few_shot, shuffles, …

    Returns:
        The results that `metrics.json` holds; on processes other than the first, an empty dictionary.

    Raises:
        FileExistsError: the folder holds the predictions of another checkpoint, or of other questions.
        ValueError, OSError: see `evaluate_choices`.
    """
    source, output = find_set(source), Path(output)
    output.mkdir(parents=True, exist_ok=True)
    path = output / "predictions.jsonl"
    if cutoff is not None:
        read_cutoff(cutoff)
    evaluated = evaluate_choices(source, output=path, limit=limit, resamples=resamples, **options)
    if rank() > 0:
        return {}
    predictions = evaluated.predictions
    own = [one for one in predictions if one.number == 0]
    name = run_name(options.get("checkpoint"))
    labels = sorted({label for one in own for label in one.labels})
    runs, tables = [], {}
    for run, kind, rows in ((name, MODEL, own), (MAJORITY, HONEST, majority_row(own))):
        table = _table(rows, labels)
        tables[run, table.metric.name] = table
        runs.append(_run(run, kind, rows, table, resamples))
    runs[0]["predictions"] = {"run": evaluated.manifest}
    model = tables[name, ChosenLabels.name].metric
    split = options.get("split")
    if split is None:
        split = chosen_split(Path(source)) if Path(source).is_dir() else "as found"
    check_dates(tables[name, model.name].rows, cutoff)
    results = {
        "protocol_version": PROTOCOL_VERSION,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(*TOOLS),
        "set": {**describe_set(source, split, len(own)), "limit": limit},
        "depositors": scored_depositors(source, options.get("split"), len(own)),
        "metrics": {model.name: {"measures": model.description, "fails": model.fails, **model.versions()}},
        "resamples": resamples,
        "runs": runs,
        "paired": [],
        "shuffles": score_shuffles(predictions, resamples=resamples, seed=0),
        "published": _published(own) if limit is None else [],
    }
    results |= by_date(tables[name, model.name].rows, tables, cutoff=cutoff, resamples=resamples)
    save_results(output / "metrics.json", results, tables)
    write_report(output, put_side_by_side([output / "metrics.json"]))
    return results


def _published(predictions: Sequence[ChoicePrediction]) -> list[dict[str, Any]]:
    """Return what papers report on the data sets of some questions, and on their subjects."""
    names = {name for one in predictions for name in (one.dataset, f"{one.dataset} {one.subject}")}
    return [
        row._replace(name=f"{row.name}, {name}")._asdict() for name in sorted(names) for row in PUBLISHED.get(name, ())
    ]


def _table(predictions: Sequence[ChoicePrediction], labels: Sequence[str]) -> MetricTable:
    """Return the scores of choices: of several data sets apart, of one alone by its subjects, where it has some."""
    statistics = tabulate_choices(predictions, labels)
    by_subject = {one.dataset for one in predictions} in [{dataset} for dataset in SUBJECT_IN_ID]
    rows = tuple(
        Answered(
            id=one.id,
            answer="" if one.chosen is None else one.labels[one.chosen],
            reference=one.labels[one.answer_index],
            question=one.question,
            task=f"{one.dataset} {one.subject}".strip() if by_subject else one.dataset,
            error=one.error if one.status != "ok" else None,
            truncated=one.truncated,
            drawn_with=one.unit,
            entry_date=one.entry_date,
        )
        for one in predictions
    )
    return MetricTable(ChosenLabels(statistics), rows, statistics.table)


def _run(
    name: str, kind: str, predictions: Sequence[ChoicePrediction], table: MetricTable, resamples: int
) -> dict[str, Any]:
    failed = [{"id": row.id, "error": row.error} for row in table.rows if row.error is not None]
    return {
        "name": name,
        "kind": kind,
        "description": "always the label that is right most often" if kind == HONEST else "",
        "rows": len(predictions),
        "empty": sum(one.chosen is None for one in predictions),
        "truncated": sum(one.truncated for one in predictions),
        "failed": len(failed) if kind == MODEL else 0,
        "failed_rows": failed if kind == MODEL else [],
        "scores": {table.metric.name: score_table(table, resamples=resamples)},
    }
