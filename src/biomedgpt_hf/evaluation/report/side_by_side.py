"""The runs of one or several `metrics.json` side by side: what tables and charts show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from biomedgpt_hf.evaluation.metrics.metric import Metric
from biomedgpt_hf.evaluation.metrics.registry import recorded_metrics
from biomedgpt_hf.evaluation.multiple_choice.as_metric import ChosenLabels
from biomedgpt_hf.evaluation.results import HONEST, ResultsError, load_results, load_tables, paired
from biomedgpt_hf.evaluation.scoring import MetricTable


@dataclass(frozen=True)
class SideBySide:
    """Runs that answer the same set.

    Attributes:
        about: the set, protocol and versions, as the first file tells them.
        runs: of all files; models first, then honest rows, each in the order in which they were given.
        published: rows of papers.
        paired: comparisons of the first run with every other one.
        metrics: what each metric measures and where it fails.
    """

    about: Mapping[str, Any]
    runs: Sequence[Mapping[str, Any]]
    published: Sequence[Mapping[str, Any]]
    paired: Sequence[Mapping[str, Any]]
    metrics: Mapping[str, Mapping[str, Any]]

    def scores_of(self, metric: str) -> list[str]:
        """Return the names of a metric's scores, in order."""
        return list(dict.fromkeys(name for run in self.runs for name in run["scores"].get(metric, {}).get("all", {})))


def put_side_by_side(paths: Sequence[str | PathLike]) -> SideBySide:
    """Read several `metrics.json`, and compare the first run with every other one.

    Raises:
        ResultsError: a file is none, two files are of different sets or were scored differently, or none is given.
        OSError: a file cannot be read.
    """
    files = [Path(path) for path in paths]
    if not files:
        raise ResultsError("There is no metrics.json to report on. Name one or several.")
    loaded = [load_results(file) for file in files]
    first = loaded[0]
    for file, other in zip(files[1:], loaded[1:], strict=True):
        _require_comparable(files[0], first, file, other)
    if len(files) == 1:
        return _sorted(first, first["runs"], first["paired"])
    return _joined(files, loaded)


def _require_comparable(path: Path, first: Mapping[str, Any], other_path: Path, other: Mapping[str, Any]) -> None:
    if first.get("set") and other.get("set") and first["set"] != other["set"]:
        raise ResultsError(f"{other_path} is of another set than {path}: they cannot stand side by side.")
    for name in first["metrics"].keys() & other["metrics"].keys():
        if first["metrics"][name] != other["metrics"][name]:
            raise ResultsError(
                f"{other_path} was scored by other rules than {path}: {name} has another tokenizer, WordNet, ontology "
                "or version. Score the predictions again in one way."
            )


def _joined(files: Sequence[Path], loaded: Sequence[Mapping[str, Any]]) -> SideBySide:
    recorded = {name: entry for results in loaded for name, entry in results["metrics"].items()}
    metrics: tuple[Metric, ...] = recorded_metrics(recorded)
    if choices := recorded.get(ChosenLabels.name):
        metrics += (ChosenLabels.recorded(choices),)
    names = [run["name"] for results in loaded for run in results["runs"]]
    runs: list[dict[str, Any]] = []
    tables: dict[tuple[str, str], MetricTable] = {}
    for file, results in zip(files, loaded, strict=True):
        found = load_tables(file, metrics)
        for run in results["runs"]:
            if any(_same(run, other) for other in runs):
                continue  # an honest row that several files have
            shown = run["name"] if names.count(run["name"]) == 1 else f"{run['name']} ({file.parent.name or file.stem})"
            runs.append({**run, "name": shown})
            tables |= {(shown, metric): table for (name, metric), table in found.items() if name == run["name"]}
    compared = [
        comparison
        for run in runs[1:]
        for comparison in paired(runs[0]["name"], run["name"], tables, resamples=loaded[0]["resamples"])
    ]
    return _sorted(loaded[0], runs, compared)


def _same(run: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return run["kind"] == HONEST and other["kind"] == HONEST and run["scores"] == other["scores"]


def _sorted(
    about: Mapping[str, Any], runs: Sequence[Mapping[str, Any]], compared: Sequence[Mapping[str, Any]]
) -> SideBySide:
    in_order = sorted(runs, key=lambda run: run["kind"] == HONEST)
    return SideBySide(about, in_order, about.get("published", []), compared, about["metrics"])
