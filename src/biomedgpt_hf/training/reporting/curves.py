"""The losses of a run, read from the Trainer's log: as curves, in figures, and as a picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from biomedgpt_hf.training.reporting.tally import row_kinds

# Of the losses by kind of row, in the order of `row_kinds`; a further modality begins them anew.
COLORS = ("#777777", "#1f77b4", "#d95f02", "#2a9d57", "#9467bd", "#8c564b")
ALL = "#000000"  # of the loss over all rows
WITH_MARKERS = 20  # a curve of up to so many points shows each of them, since a single point makes no line


class Curve(NamedTuple):
    """A loss, or another figure, over the steps of a run.

    Attributes:
        name: as the log has it, e.g. "loss", "loss_protein", "eval_loss".
        points: (step, value) by rising step; values need not be finite.
    """

    name: str
    points: list[tuple[int, float]]

    @property
    def finite(self) -> list[tuple[int, float]]:
        """The points that are numbers."""
        return [point for point in self.points if math.isfinite(point[1])]

    @property
    def is_evaluation(self) -> bool:
        """Whether it was measured on rows that are not trained on."""
        return self.name.startswith("eval_")

    @property
    def best(self) -> tuple[int, float] | None:
        """The lowest point, the earliest of several; None where none is a number."""
        return min(self.finite, key=lambda point: point[1], default=None)


def loss_curves(log_history: Iterable[Mapping[str, Any]]) -> list[Curve]:
    """Return the losses in a Trainer's `state.log_history`, those of the training first.

    A step that was logged twice, as when a run went on from a checkpoint, has its last value.
    """
    return _curves(log_history, _is_loss)


def values_of(log_history: Iterable[Mapping[str, Any]], name: str) -> list[float]:
    """Return all finite values that were logged under a name."""
    values = (entry.get(name) for entry in log_history)
    return [float(value) for value in values if isinstance(value, int | float) and math.isfinite(value)]


def figure_curves(log_history: Iterable[Mapping[str, Any]], names: Collection[str]) -> list[Curve]:
    """Return what was logged under these names beside losses, in training and evaluations."""
    wanted = {f"{prefix}{name}" for name in names for prefix in ("", "eval_") if not _is_loss(name)}
    return _curves(log_history, lambda name: name in wanted)


def draw(curves: Iterable[Curve], path: Path, unit: str = "nats per label token") -> bool:
    """Write a picture of the curves, or remove an old one where there is nothing to draw.

    Args:
        curves: losses.
        path: of the picture.
        unit: in which they are measured.

    Returns:
        Whether there is a picture.
    """
    curves = [curve for curve in curves if curve.finite]
    if not curves:
        path.unlink(missing_ok=True)
        return False
    # Not `pyplot`, which would choose a backend for the whole process and keep the figure.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(8, 4.5), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for curve in curves:
        steps, values = zip(*curve.points, strict=True)
        shown = [value if math.isfinite(value) else math.nan for value in values]  # leaves a gap
        axes.plot(steps, shown, label=curve.name, **_style(curve))
    axes.set_xlabel("step")
    axes.set_ylabel(f"loss ({unit})")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    return True


def _curves(log_history: Iterable[Mapping[str, Any]], wanted: Callable[[str], bool]) -> list[Curve]:
    """Return what was logged under the wanted names, evaluations last and otherwise in the order of the log."""
    found: dict[str, dict[int, float]] = {}
    for entry in log_history:
        for name, value in entry.items():
            if wanted(name) and "step" in entry and isinstance(value, int | float):
                found.setdefault(name, {})[int(entry["step"])] = float(value)
    curves = [Curve(name, sorted(points.items())) for name, points in found.items()]
    return sorted(curves, key=lambda curve: curve.is_evaluation)


def _is_loss(name: str) -> bool:
    """Whether a logged name is a loss: `loss`, `loss_KIND`, or an evaluation's of some set."""
    stem, _, kind = name.rpartition("loss")
    return (not stem or (stem.startswith("eval_") and stem.endswith("_"))) and (not kind or kind[1:] in row_kinds())


def _style(curve: Curve) -> dict[str, Any]:
    kind, kinds = curve.name.rpartition("loss_")[2], row_kinds()
    over_all = kind not in kinds
    return {
        "color": ALL if over_all else COLORS[kinds.index(kind) % len(COLORS)],
        "linewidth": 1.8 if over_all else 1.0,
        "linestyle": "--" if curve.is_evaluation else "-",
        "marker": "o" if curve.is_evaluation or len(curve.points) <= WITH_MARKERS else None,
        "markersize": 4,
    }
