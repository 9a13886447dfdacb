"""What results tell of risk and coverage: how right the surest answers are, as a table and as a picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from biomedgpt_hf.evaluation.report.side_by_side import SideBySide

KEY, TITLE = "risk_coverage", "When the least sure answers are left out"
COLUMNS = {
    "best_25": "surest 25 %",
    "best_50": "surest 50 %",
    "best_75": "surest 75 %",
    "all": "all",
    "area": "area",
    "perfect": "perfect area",
    "gain": "gain",
}
ERRORS = {"expected_calibration_error": "calibration error", "brier": "Brier score"}


class Order(NamedTuple):
    """The answers of a run in an order.

    Attributes:
        run: its name.
        kind: of the run.
        by: the sign that makes the order.
        told: what `evaluation.confidence.risk_coverage` tells of it.
    """

    run: str
    kind: str
    by: str
    told: Mapping[str, Any]

    @property
    def scores(self) -> Mapping[str, Mapping[str, float]]:
        """The scores, each with its interval."""
        found: Mapping[str, Mapping[str, float]] = self.told["scores"]
        return found


def orders_of(results: SideBySide) -> list[Order]:
    """Return the orders of all runs."""
    return [Order(run["name"], run["kind"], told["by"], told) for run in results.runs for told in run.get(KEY) or ()]


def opening_lines(orders: Sequence[Order]) -> Iterator[str]:
    """Yield what has to be known to read the table."""
    measures = ", ".join(dict.fromkeys(measure for one in orders for measure in one.told["measures"].split(", ")))
    yield f"## {TITLE}\n"
    yield (
        f"How right answers are, 0 to 1, by the score of each row's kind of question ({measures}): of the surest ones, "
        "in the order of their confidence or mean log-probability, and of those about items nearest to known ones. "
        "Area is the mean over all coverages, from few to all answers; in a random order it is the column all. Gain is "
        "the share of the way from there to the perfect order.\n"
    )


def errors_shown(orders: Sequence[Order]) -> dict[str, str]:
    """Return the errors of confidences that some order has, with their titles."""
    return {name: title for name, title in ERRORS.items() if any(name in one.scores for one in orders)}
