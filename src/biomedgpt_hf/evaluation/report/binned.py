"""What results tell of parts of the rows, in one form for tables and charts: by similarity, by date, by a cut-off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

# Those that the longer tables and the charts of bins show; scores.csv and metrics.json have all.
MAIN_SCORES = (
    *("bleu2", "rougeL", "fact_f1", "contradiction_rate", "name_f1", "ec_level3_f1", "exact", "right_reaction"),
    *("accuracy", "macro_f1"),
)


class Binned(NamedTuple):
    """Scores of parts of the rows.

    Attributes:
        key: in `metrics.json`, such as "by_date".
        title: of the section.
        column: what the bins are bins of.
        about: what has to be known to read them.
        bins: each with "name", "rows", and "scores" of each run.
    """

    key: str
    title: str
    column: str
    about: str
    bins: Sequence[Mapping[str, Any]]

    @property
    def scores(self) -> list[str]:
        """Return the names of the scores that tables show."""
        found = dict.fromkeys(name for one in self.bins for scores in one["scores"].values() for name in scores)
        return [name for name in MAIN_SCORES if name in found] or list(found)


def binned(results: Mapping[str, Any]) -> list[Binned]:
    """Return the parts that results tell of.

    Args:
        results: a `metrics.json`.
    """
    found = []
    if told := results.get("by_similarity"):
        about = f"{told['memory']} {told['measure']}"
        found.append(Binned("by_similarity", "By similarity to what was known", "similarity", about, told["bins"]))
    if told := results.get("by_date"):
        about = (
            f"When the sources' entries were made, which {told['dated']:,} rows tell. Years in a row are taken "
            "together until they hold a tenth of these."
        )
        found.append(Binned("by_date", "By entry date", "entry made", about, told["bins"]))
    if told := results.get("by_cutoff"):
        about = (
            f"Entries made before {told['cutoff']} and from that day on. A year or month with days on both sides is on "
            "neither."
        )
        found.append(Binned("by_cutoff", "Before and after the cut-off", "entry made", about, told["bins"]))
    return found
