"""The scores as pictures: a bar with its interval for each run, one picture for each metric."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from biomedgpt_hf.evaluation.report.binned import Binned, binned
from biomedgpt_hf.evaluation.report.by_sureness import KEY, TITLE, Order, orders_of
from biomedgpt_hf.evaluation.report.side_by_side import SideBySide
from biomedgpt_hf.evaluation.results import MODEL
from biomedgpt_hf.extras import missing_package

MODEL_COLOUR, HONEST_COLOUR, PUBLISHED_COLOUR = "#2b6cb0", "#a0aec0", "#dd6b20"
COLUMNS = 3


def write_charts(folder: Path, results: SideBySide) -> list[str]:
    """Write a PNG for each metric into a folder, and return their names.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
        OSError: a file cannot be written.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise ModuleNotFoundError(missing_package("matplotlib", "evaluation")) from error
    matplotlib.use("Agg")
    names = []
    for metric in results.metrics:
        name = f"{metric}.png"
        _draw(folder / name, results, metric)
        names.append(name)
    for told in binned(results.about):
        if told.scores:
            names.append(f"{told.key}.png")
            _draw_bins(folder / names[-1], results, told)
    if orders := orders_of(results):
        names.append(f"{KEY}.png")
        _draw_orders(folder / names[-1], orders)
    return names


def _draw_orders(path: Path, orders: Sequence[Order]) -> None:
    """Draw how right the surest answers are over the share of answers that is left, a line for each order."""
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(6.4, 4.2), layout="constrained")
    for one in orders:
        curve = one.told["curve"]
        shares = [100 * (place + 1) / len(curve) for place in range(len(curve))]
        is_model = one.kind == MODEL
        axis.plot(shares, curve, label=f"{one.run}, by {one.by}", linewidth=2 if is_model else 1)
    axis.set_xlabel("answers that are left, %", fontsize=8)
    axis.set_ylabel("how right they are, 0 to 1", fontsize=8)
    axis.set_title(TITLE, fontsize=10)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(fontsize=7, frameon=False)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _draw_bins(path: Path, results: SideBySide, told: Binned) -> None:
    """Draw each score of each run over the bins, with its intervals; a bin too small for scores leaves a gap."""
    from matplotlib import pyplot

    columns = min(COLUMNS, len(told.scores))
    rows = -(-len(told.scores) // columns)
    figure, axes = pyplot.subplots(rows, columns, figsize=(4.8 * columns, 3.6 * rows), squeeze=False)
    for axis, score in zip_longest(axes.ravel(), told.scores):
        if score is None:
            axis.set_axis_off()
            continue
        for run in results.runs:
            found = [one["scores"].get(run["name"], {}).get(score) for one in told.bins]
            _points(axis, run, found)
        axis.set_xticks(range(len(told.bins)), [one["name"] for one in told.bins], fontsize=7, rotation=30, ha="right")
        axis.set_title(score, fontsize=10)
        axis.spines[["top", "right"]].set_visible(False)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    figure.set_layout_engine("constrained")
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _points(axis: Any, run: Mapping[str, Any], found: Sequence[Mapping[str, float] | None]) -> None:
    values = [math.nan if one is None else one["value"] for one in found]
    errors = [
        [math.nan if one is None else max(0.0, one["value"] - one["low"]) for one in found],
        [math.nan if one is None else max(0.0, one["high"] - one["value"]) for one in found],
    ]
    is_model = run["kind"] == MODEL
    axis.errorbar(
        range(len(found)),
        values,
        yerr=errors,
        label=run["name"],
        marker="o",
        markersize=4,
        capsize=2,
        color=MODEL_COLOUR if is_model else None,
        linewidth=2 if is_model else 1,
        alpha=1 if is_model else 0.6,
    )


def _draw(path: Path, results: SideBySide, metric: str) -> None:
    from matplotlib import pyplot

    scores = results.scores_of(metric)
    columns = min(COLUMNS, len(scores))
    rows = -(-len(scores) // columns)
    height = 1.2 + 0.3 * (len(results.runs) + len(results.published))
    figure, axes = pyplot.subplots(
        rows, columns, figsize=(4.2 * columns, height * rows), squeeze=False, sharey=True, layout="constrained"
    )
    for place, axis in enumerate(axes.ravel()):
        if place < len(scores):
            _bars(axis, results, metric, scores[place])
        else:
            axis.set_axis_off()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _bars(axis: Any, results: SideBySide, metric: str, score: str) -> None:
    labels, values, errors, colours = [], [], [], []
    for run in results.runs:
        found = run["scores"].get(metric, {}).get("all", {}).get(score)
        if found is not None:
            labels.append(run["name"])
            values.append(found["value"])
            errors.append((max(0.0, found["value"] - found["low"]), max(0.0, found["high"] - found["value"])))
            colours.append(MODEL_COLOUR if run["kind"] == MODEL else HONEST_COLOUR)
    for published in results.published:
        if score in published["scores"]:
            labels.append(published["name"])
            values.append(published["scores"][score])
            errors.append((0.0, 0.0))
            colours.append(PUBLISHED_COLOUR)
    places = range(len(labels))
    low, high = zip(*errors, strict=True) if errors else ((), ())
    axis.barh(places, values, xerr=(low, high), color=colours, ecolor="#4a5568", capsize=2)
    axis.set_yticks(list(places), labels, fontsize=8)
    axis.invert_yaxis()
    axis.set_title(score, fontsize=10)
    axis.spines[["top", "right"]].set_visible(False)
