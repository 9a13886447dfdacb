"""What was scored, on disk: `metrics.json` for people and programs, `metrics.rows.parquet` for comparisons.

The statistics of each row are kept beside the scores, so that runs can be compared pairwise later without their
predictions, and without a model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from biomedgpt_hf.disk.manifests import versions
from biomedgpt_hf.disk.replacing import replace_file, write_json
from biomedgpt_hf.evaluation.answers import Answered
from biomedgpt_hf.evaluation.confidence.rightness import rightness_of
from biomedgpt_hf.evaluation.confidence.risk_coverage import risk_coverage
from biomedgpt_hf.evaluation.metrics.metric import Metric
from biomedgpt_hf.evaluation.prediction_files import PROTOCOL_VERSION
from biomedgpt_hf.evaluation.resampling import RESAMPLES
from biomedgpt_hf.evaluation.safety.reactions import DECLINE, reaction
from biomedgpt_hf.evaluation.scoring import ALL, MetricTable, compare_tables, score_table, tabulate

TOOLS = ("biomedgpt-hf", "numpy", "rdkit", "torch", "transformers")
LISTED = 100  # failed rows whose reasons are listed; all are counted
MODEL, HONEST = "model", "honest row"
ROWS_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("run", "metric", "id", "task", "unit", "reference")),
        ("statistics", pa.list_(pa.float64())),
    ]
)


class ResultsError(ValueError):
    """A `metrics.json` that cannot be read, or does not go with another."""


@dataclass(frozen=True)
class Run:
    """The answers of one model, or of one honest row.

    Attributes:
        name: how tables call it.
        answers: all of them, failed ones too.
        kind: `MODEL` or `HONEST`.
        facts: where the answers come from: file, checkpoint, settings, memory.
    """

    name: str
    answers: Sequence[Answered]
    kind: str = MODEL
    facts: Mapping[str, Any] = field(default_factory=dict)


def run_name(checkpoint: str | PathLike | None) -> str:
    """Return how results call a checkpoint: "mini", Hub id, or the folder's name, which tells nothing of a machine."""
    folder = Path(checkpoint or "")
    return folder.resolve().name if checkpoint and folder.is_dir() else str(checkpoint or "mini")


def score_runs(
    runs: Sequence[Run],
    metrics: Sequence[Metric],
    *,
    about: Mapping[str, Any] | None = None,
    resamples: int = RESAMPLES,
    processes: int | None = None,
) -> tuple[dict[str, Any], dict[tuple[str, str], MetricTable]]:
    """Score runs, and compare the first with each other one.

    Args:
        runs: the first is the one that the others are compared with. Their names are different.
        metrics: those that apply to some row are computed.
        about: what else the results tell, such as the set.
        resamples: for intervals and tests.
        processes: how many compute where there are many rows; None is as many as there are processor cores.

    Returns:
        the results as JSON values, and the statistics of each run (name) and metric (name).

    Raises:
        ValueError: two runs have the same name or no row in common.
    """
    if repeated := [run.name for place, run in enumerate(runs) if run.name in [one.name for one in runs[:place]]]:
        raise ValueError(f"Two runs are called {repeated[0]!r}. Give each a name of its own.")
    tables = {
        (run.name, name): table for run in runs for name, table in tabulate(run.answers, metrics, processes).items()
    }
    used = {name for _, name in tables}
    results = {
        "protocol_version": PROTOCOL_VERSION,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(*TOOLS),
        **(about or {}),
        "metrics": {
            metric.name: {"measures": metric.description, "fails": metric.fails, **metric.versions()}
            for metric in metrics
            if metric.name in used
        },
        "resamples": resamples,
        "runs": [_described(run, tables, metrics, resamples) for run in runs],
        "paired": [
            comparison for run in runs[1:] for comparison in paired(runs[0].name, run.name, tables, resamples=resamples)
        ],
    }
    return results, tables


def _described(
    run: Run, tables: Mapping[tuple[str, str], MetricTable], metrics: Sequence[Metric], resamples: int
) -> dict[str, Any]:
    own = {metric: table for (name, metric), table in tables.items() if name == run.name}
    failed = [{"id": row.id, "error": row.error} for row in run.answers if row.error is not None]
    return {
        "name": run.name,
        "kind": run.kind,
        **run.facts,
        "rows": len(run.answers),
        "empty": sum(not row.answer.strip() for row in run.answers),
        "truncated": sum(row.truncated for row in run.answers),
        "declined": sum(bool(row.answer.strip()) and reaction(row.answer) == DECLINE for row in run.answers),
        "failed": len(failed),
        "failed_rows": failed[:LISTED],
        "risk_coverage": risk_coverage(run.answers, rightness_of(own.values()), resamples=resamples),
        "scores": {
            metric.name: score_table(own[metric.name], resamples=resamples) for metric in metrics if metric.name in own
        },
    }


def paired(
    first: str, second: str, tables: Mapping[tuple[str, str], MetricTable], *, resamples: int
) -> list[dict[str, Any]]:
    """Compare two runs by every metric that both have."""
    shared = [metric for run, metric in tables if run == first and (second, metric) in tables]
    return [
        {
            "first": first,
            "second": second,
            "metric": metric,
            **compare_tables(tables[first, metric], tables[second, metric], resamples=resamples),
        }
        for metric in shared
    ]


def save_results(
    path: str | PathLike, results: Mapping[str, Any], tables: Mapping[tuple[str, str], MetricTable]
) -> None:
    """Write `metrics.json`, and the statistics of the rows beside it; a missing folder is made.

    Raises:
        OSError: the files cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows_path = rows_file(path)
    partial = rows_path.with_name(f".{rows_path.name}.partial")
    with pq.ParquetWriter(partial, ROWS_SCHEMA, compression="zstd", use_dictionary=["run", "metric", "task"]) as file:
        for (run, metric), table in tables.items():
            file.write_table(_rows_table(run, metric, table))
    replace_file(partial, rows_path)
    write_json(path, results)


def _rows_table(run: str, metric: str, table: MetricTable) -> pa.Table:
    rows, width = table.statistics.shape
    ends = np.arange(rows + 1, dtype=np.int32) * width
    columns = {
        "run": [run] * rows,
        "metric": [metric] * rows,
        "id": [row.id for row in table.rows],
        "task": [row.task for row in table.rows],
        "unit": table.units,
        "reference": [row.reference for row in table.rows],
        "statistics": pa.ListArray.from_arrays(ends, table.statistics.astype(float).ravel()),
    }
    return pa.table(columns, schema=ROWS_SCHEMA)


def rows_file(path: Path) -> Path:
    """Return where the statistics of the rows are, beside `metrics.json`."""
    return path.with_name(f"{path.stem}.rows.parquet")


def evidence_in_words(manifest: Mapping[str, Any] | None) -> str:
    """Return what of known items stood in a run's prompts, by its manifest; "" where nothing did."""
    if not manifest or not manifest.get("in_prompt"):
        return ""
    index = (manifest.get("index") or {}).get("name")
    return f"the {manifest['neighbours']} nearest known items of the index {index} in the prompt"


def load_results(path: str | PathLike) -> dict[str, Any]:
    """Read a `metrics.json`.

    Raises:
        ResultsError: it is none, or of another protocol version.
        OSError: it cannot be read.
    """
    path = Path(path)
    try:
        results = json.loads(path.read_text("utf-8"))
        version = results["protocol_version"]
        is_whole = bool(results["runs"]) and all(map(_is_run, results["runs"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        is_whole = False
    if not is_whole:
        raise ResultsError(
            f"{path} is no whole metrics.json of `biomedgpt score` or `evaluate`. Score the predictions again."
        )
    if version != PROTOCOL_VERSION:
        raise ResultsError(
            f"{path} has the protocol version {version!r}, and this package writes version {PROTOCOL_VERSION}: their "
            "scores cannot stand side by side. Score the predictions again."
        )
    return results


def _is_run(run: Mapping[str, Any]) -> bool:
    """Tell whether a run has a name, a kind, and numbers as scores over all rows."""
    estimates = [one for scores in run["scores"].values() for one in scores[ALL].values() if isinstance(one, Mapping)]
    told = [number for one in estimates for number in one.values()]
    return bool(run["name"] and run["kind"]) and all(isinstance(one, int | float) or one is None for one in told)


def load_tables(path: str | PathLike, metrics: Sequence[Metric]) -> dict[tuple[str, str], MetricTable]:
    """Read the statistics of the rows beside a `metrics.json`; those of other metrics are left out.

    Raises:
        ResultsError: the file is missing or damaged.
    """
    path = rows_file(Path(path))
    try:
        rows = pq.read_table(path, schema=ROWS_SCHEMA)
    except (OSError, pa.ArrowException) as error:
        raise ResultsError(
            f"{path} cannot be read ({' '.join(str(error).split())}). Paired tests need it: score the predictions "
            "again."
        ) from error
    known = {metric.name: metric for metric in metrics}
    pairs = rows.select(["run", "metric"]).group_by(["run", "metric"], use_threads=False).aggregate([]).to_pylist()
    return {
        (pair["run"], pair["metric"]): _table_of(rows, pair["run"], known[pair["metric"]])
        for pair in pairs
        if pair["metric"] in known
    }


def _table_of(rows: pa.Table, run: str, metric: Metric) -> MetricTable:
    own = rows.filter((pc.field("run") == run) & (pc.field("metric") == metric.name)).combine_chunks()
    told = zip(*(own[name].to_pylist() for name in ("id", "reference", "task", "unit")), strict=True)
    answers = tuple(Answered(id, "", reference, task=task, drawn_with=unit) for id, reference, task, unit in told)
    numbers = pc.list_flatten(own["statistics"]).to_numpy()
    return MetricTable(metric, answers, numbers.reshape(len(answers), -1))
