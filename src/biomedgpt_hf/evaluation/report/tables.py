"""The scores as one long CSV table: a line for each run, metric, kind of question and score."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from biomedgpt_hf.evaluation.report.binned import binned
from biomedgpt_hf.evaluation.report.by_sureness import KEY, orders_of
from biomedgpt_hf.evaluation.report.side_by_side import SideBySide

INTERVAL = ("value", "low", "high")
COLUMNS = ("run", "kind", "metric", "of", "score", "rows", *INTERVAL)


def write_csv(path: Path, results: SideBySide) -> None:
    """Write the table.

    Raises:
        OSError: the file cannot be written.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(_lines(results))


def _lines(results: SideBySide) -> Iterator[tuple[object, ...]]:
    for run in results.runs:
        for metric, scores in run["scores"].items():
            parts = {"all": (scores["rows"], scores["all"])}
            if "macro" in scores:
                parts["macro"] = (scores["rows"], scores["macro"])
            for groups in ("by_task", "by_source"):
                parts |= {name: (entry["rows"], entry) for name, entry in scores.get(groups, {}).items()}
            for part, (rows, entry) in parts.items():
                for name, one in entry.items():
                    if isinstance(one, dict):
                        yield run["name"], run["kind"], metric, part, name, rows, *map(one.get, INTERVAL)
    kinds = {run["name"]: run["kind"] for run in results.runs}
    for told in binned(results.about):
        for one in told.bins:
            for run, scores in one["scores"].items():
                for name, found in scores.items():
                    part = f"{told.key.removeprefix('by_')}: {one['name']}"
                    yield run, kinds.get(run, ""), told.key, part, name, one["rows"], *map(found.get, INTERVAL)
    for order in orders_of(results):
        for name, found in order.scores.items():
            yield order.run, order.kind, KEY, order.by, name, order.told["rows"], *map(found.get, INTERVAL)
    for published in results.published:
        for name, value in published["scores"].items():
            yield published["name"], "published", published["source"], "all", name, "", value, "", ""
