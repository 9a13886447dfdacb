"""Multiple-choice sets in the form of all results: the model, the majority row, and what papers report.

DIR/predictions.jsonl                what was chosen, with log-likelihoods (see `multiple_choice`)
DIR/metrics.json, report.md, …       as for other sets
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import Any

from biomedgpt_hf.disk.manifests import versions
from biomedgpt_hf.evaluation.answers import Answered
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
from biomedgpt_hf.evaluation.score_files import describe_set
from biomedgpt_hf.evaluation.scoring import MetricTable, score_table
from biomedgpt_hf.evaluation.set_rows import chosen_split, equally_spaced, read_asked_rows
from biomedgpt_hf.inference.loading import identify
from biomedgpt_hf.inference.long_runs.processes import rank
from biomedgpt_hf.mini import mini_checkpoint
from biomedgpt_hf.sets.biomedical_qa.multiple_choice import PROMPTS, MultipleChoiceQuestion

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
    limit: int | None = None,
    resamples: int = RESAMPLES,
    **options: Any,
) -> dict[str, Any]:
    """Put a set of multiple-choice questions to a checkpoint, and score it beside the majority row.

    Args:
        source: a set that `biomedgpt data biomedical-qa` made, a benchmark's file, or a table of one's own.
        output: folder to write. Predictions that are there already are scored again, not asked again.
        limit: put only so many questions, spread over the split; None for all.
        resamples: of the bootstrap.
        options: see `evaluate_choices`: checkpoint, protocol, few_shot, shuffles, …

    Returns:
        The results that `metrics.json` holds; on processes other than the first, an empty dictionary.

    Raises:
        FileExistsError: the folder holds the predictions of another checkpoint, or of other questions.
        ValueError, OSError: see `evaluate_choices`.
    """
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    path = output / "predictions.jsonl"
    chosen = {name: options[name] for name in ("split", "subjects") if name in options}
    questions = equally_spaced(read_choice_questions(source, **chosen), limit)
    if path.exists():
        _check_same(path, questions, options)
    else:
        evaluate_choices(questions, output=path, resamples=resamples, **options)
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
    runs[0]["predictions"] = {"run": _manifest(path)}
    model = tables[name, ChosenLabels.name].metric
    split, datasets = options.get("split"), sorted({one.dataset for one in own})
    if split is None:
        split = chosen_split(Path(source)) if Path(source).is_dir() else "as found"
    results = {
        "protocol_version": PROTOCOL_VERSION,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(*TOOLS),
        "set": {**describe_set(source, split, len(own)), "limit": limit},
        "metrics": {model.name: {"measures": model.description, "fails": model.fails, **model.versions()}},
        "resamples": resamples,
        "runs": runs,
        "paired": [],
        "shuffles": score_shuffles(predictions, resamples=resamples, seed=0),
        "published": [row._asdict() for name in datasets for row in _published(name)] if limit is None else [],
    }
    save_results(output / "metrics.json", results, tables)
    write_report(output, put_side_by_side([output / "metrics.json"]))
    return results


def _manifest(path: Path) -> dict[str, Any]:
    beside = path.with_name(f"{path.name}.manifest.json")
    return dict(json.loads(beside.read_text("utf-8"))) if beside.exists() else {}


def _check_same(path: Path, questions: Sequence[MultipleChoiceQuestion], options: Mapping[str, Any]) -> None:
    """Raise a FileExistsError if predictions that are there are another checkpoint's, or answer other questions."""
    found = _manifest(path)
    wanted = {name: options[name] for name in ("protocol", "few_shot", "shuffles") if name in options}
    checkpoint = options.get("checkpoint")
    if Path(checkpoint or mini_checkpoint()).is_dir():
        wanted["digest"] = identify(checkpoint, None)["digest"]
    wanted["questions"] = len(questions)
    told = [f"{name} {found.get(name)!r}, and now it is {value!r}" for name, value in wanted.items()]
    differ = [one for one, (name, value) in zip(told, wanted.items(), strict=True) if found.get(name) != value]
    if not differ and {one.id for one in questions} != {one.id for one in read_choice_predictions(path)}:
        differ = ["other questions than are asked now"]
    if found and differ:
        raise FileExistsError(
            f"{path} holds predictions with {differ[0]}. Choose another --output, or remove the folder."
        )


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
