"""Multiple-choice sets in the form of all results: the model, the majority row, and what papers report.

DIR/predictions.jsonl                what was chosen, with log-likelihoods (see `multiple_choice`)
DIR/metrics.json, report.md, …       as for other sets
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from biomedgpt_hf.disk.manifests import versions
from biomedgpt_hf.evaluation.answers import Answered
from biomedgpt_hf.evaluation.by_date import by_date, check_dates, read_cutoff
from biomedgpt_hf.evaluation.honest_rows.published import PUBLISHED
from biomedgpt_hf.evaluation.multiple_choice.as_metric import ChosenLabels
from biomedgpt_hf.evaluation.multiple_choice.predictions import ChoicePrediction, read_choice_predictions
from biomedgpt_hf.evaluation.multiple_choice.questions import read_choice_questions
from biomedgpt_hf.evaluation.multiple_choice.run import evaluate_choices
from biomedgpt_hf.evaluation.multiple_choice.scores import majority_row
from biomedgpt_hf.evaluation.multiple_choice.shuffles import score_shuffles
from biomedgpt_hf.evaluation.multiple_choice.statistics import tabulate_choices
from biomedgpt_hf.evaluation.prediction_files import PROTOCOL_VERSION
from biomedgpt_hf.evaluation.report.side_by_side import put_side_by_side
from biomedgpt_hf.evaluation.report.writing import write_report
from biomedgpt_hf.evaluation.resampling import RESAMPLES
from biomedgpt_hf.evaluation.results import HONEST, MODEL, TOOLS, save_results
from biomedgpt_hf.evaluation.scoring import MetricTable, score_table
from biomedgpt_hf.evaluation.set_rows import read_asked_rows
from biomedgpt_hf.inference.long_runs.processes import rank
from biomedgpt_hf.inference.long_runs.run import running_folder
from biomedgpt_hf.sets.biomedical_qa.multiple_choice import PROMPTS

MAJORITY = "most frequent label"


def is_choice_set(source: str | PathLike, split: str | None = None) -> bool:
    """Tell whether a set holds multiple-choice questions, by the task of its first row, or whether a file does.

    Raises:
        SourceError, OSError: the set has no rows to score, or is missing.
    """
    if not Path(source).is_file():
        first = next(read_asked_rows(source, split), None)
        return first is not None and first.expected.task in {dataset.lower() for dataset in PROMPTS}
    try:
        return bool(read_choice_questions(source, split=split))
    except ValueError:
        return False


def evaluate_choice_set(
    source: str | PathLike,
    output: str | PathLike,
    *,
    resamples: int = RESAMPLES,
    cutoff: str | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Put a set of multiple-choice questions to a checkpoint, and score it beside the majority row.

    Args:
        source: a set that `biomedgpt data biomedical-qa` made, a benchmark's file, or a table of one's own.
        output: folder to write. Predictions that are there already are scored again, not asked again.
        resamples: of the bootstrap.
        cutoff: a day, month or year; questions whose entries were made before it and from it on are scored apart.
        options: see `evaluate_choices`: checkpoint, protocol, few_shot, shuffles, …

    Returns:
        The results that `metrics.json` holds; on processes other than the first, an empty dictionary.

    Raises:
        ValueError, OSError: see `evaluate_choices`.
    """
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    path = output / "predictions.jsonl"
    if cutoff is not None:
        read_cutoff(cutoff)
    if not path.exists() or running_folder(path).exists():
        evaluate_choices(source, output=path, resamples=resamples, **options)
    if rank() > 0:
        return {}
    predictions = read_choice_predictions(path)
    own = [one for one in predictions if one.number == 0]
    name = str(options.get("checkpoint") or "mini")
    labels = sorted({label for one in own for label in one.labels})
    runs, tables = [], {}
    for run, kind, rows in ((name, MODEL, own), (MAJORITY, HONEST, majority_row(own))):
        table = _table(rows, labels)
        tables[run, table.metric.name] = table
        runs.append(_run(run, kind, rows, table, resamples))
    model = tables[name, ChosenLabels.name].metric
    check_dates(tables[name, model.name].rows, cutoff)
    results = {
        "protocol_version": PROTOCOL_VERSION,
        "versions": versions(*TOOLS),
        "set": {"name": Path(source).resolve().name, "rows": len(own), "split": options.get("split") or "as found"},
        "metrics": {model.name: {"measures": model.description, "fails": model.fails, **model.versions()}},
        "resamples": resamples,
        "runs": runs,
        "paired": [],
        "shuffles": score_shuffles(predictions, resamples=resamples, seed=0),
        "published": [row._asdict() for dataset in sorted({one.dataset for one in own}) for row in _published(dataset)],
    }
    results |= by_date(tables[name, model.name].rows, tables, cutoff=cutoff, resamples=resamples)
    save_results(output / "metrics.json", results, tables)
    write_report(output, put_side_by_side([output / "metrics.json"]))
    return results


def _published(dataset: str) -> Sequence[Any]:
    return [row._replace(name=f"{row.name}, {dataset}") for row in PUBLISHED.get(dataset, ())]


def _table(predictions: Sequence[ChoicePrediction], labels: Sequence[str]) -> MetricTable:
    statistics = tabulate_choices(predictions, labels)
    rows = tuple(
        Answered(
            id=one.id,
            answer="" if one.chosen is None else one.labels[one.chosen],
            reference=one.labels[one.answer_index],
            question=one.question,
            task=one.dataset,
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
