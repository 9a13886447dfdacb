"""Scores by when the sources' entries were made: what a model may have seen, and what was annotated after a cut-off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from biomedgpt_hf.evaluation.answers import Answered
from biomedgpt_hf.evaluation.bins import SMALLEST, score_bins
from biomedgpt_hf.evaluation.scoring import MetricTable
from biomedgpt_hf.rows.entry_dates import days_of, read_entry_date

SHARE = 10  # a bin of years holds at least this part of the dated rows
UNDATED, UNCLEAR = "no date", "a date around it"


def read_cutoff(text: str) -> str:
    """Return a cut-off as a day: of a year or a month the first.

    Raises:
        ValueError: it is no date, or lies in the future.
    """
    try:
        return days_of(read_entry_date(text))[0].isoformat()
    except ValueError as error:
        raise ValueError(f"The cut-off {error}") from error


def check_dates(rows: Iterable[Answered], cutoff: str | None) -> None:
    """Check a cut-off before anything is asked or scored.

    Raises:
        ValueError: it is no date, lies in the future, or no row has a date.
    """
    if cutoff is None:
        return
    read_cutoff(cutoff)
    if not any(row.entry_date for row in rows):
        raise ValueError(
            f"The cut-off is {cutoff}, but no row has a date (entry_date). Sets of UniProt and PubMedQA have dates if "
            "they are built of files that have them, and tables with --date-column; build the set again, or leave the "
            "cut-off out."
        )


def by_date(
    rows: Sequence[Answered],
    tables: Mapping[tuple[str, str], MetricTable],
    *,
    cutoff: str | None = None,
    resamples: int,
) -> dict[str, Any]:
    """Return scores of every run by the dates of the rows, where rows have dates.

    Args:
        rows: what is scored.
        tables: statistics of each run (name) and metric (name).
        cutoff: a day, month or year; None for none.
        resamples: of the bootstrap.

    Returns:
        "by_date" with "dated" (a number of rows) and "bins" of years (see `score_bins`), and with a cut-off "by_cutoff"
        with "cutoff" and "bins": before it, from it on, and those of which that cannot be told. Nothing without dates.
    """
    dates = {row.id: row.entry_date for row in rows if row.entry_date}
    if not dates:
        return {}
    names = year_bins(Counter(int(date[:4]) for date in dates.values()))
    years = {row.id: names[int(row.entry_date[:4])] if row.entry_date else UNDATED for row in rows}
    order = [*dict.fromkeys(names.values()), UNDATED]
    found: dict[str, Any] = {
        "by_date": {"dated": len(dates), "bins": score_bins(years, order, tables, resamples=resamples)}
    }
    if cutoff is not None:
        day = read_cutoff(cutoff)
        sides = {row.id: side_of(row.entry_date, day) for row in rows}
        order = [f"before {day}", f"{day} and later", UNCLEAR, UNDATED]
        found["by_cutoff"] = {"cutoff": day, "bins": score_bins(sides, order, tables, resamples=resamples)}
    return found


def side_of(entry_date: str | None, cutoff: str) -> str:
    """Return on which side of a cut-off, a day, an entry was made.

    A year or a month that has days on both sides is on neither.
    """
    if entry_date is None:
        return UNDATED
    first, last = (day.isoformat() for day in days_of(entry_date))
    if last < cutoff:
        return f"before {cutoff}"
    return f"{cutoff} and later" if first >= cutoff else UNCLEAR


def year_bins(rows: Mapping[int, int]) -> dict[int, str]:
    """Return the bin of each year: years in a row are taken together until they hold a tenth of the rows.

    Args:
        rows: how many rows each year has.
    """
    enough = max(SMALLEST, sum(rows.values()) / SHARE)
    bins: list[list[int]] = [[]]
    for year in sorted(rows):
        if sum(rows[one] for one in bins[-1]) >= enough:
            bins.append([])
        bins[-1].append(year)
    if len(bins) > 1 and sum(rows[one] for one in bins[-1]) < enough:  # what is left over at the end
        last = bins.pop()
        bins[-1] += last
    return {
        year: str(years[0]) if years[0] == years[-1] else f"{years[0]} to {years[-1]}"
        for years in bins
        for year in years
    }
