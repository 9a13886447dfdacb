"""Dates that sources give of their entries."""

from __future__ import annotations

from biomedgpt_hf.rows.entry_dates import read_entry_date

NO_DATE = "the source's date is none, and was left out"


def source_date(text: object) -> tuple[str | None, tuple[str, ...]]:
    """Return what a row holds as its date, None where there is none, and the note that one had to be left out.

    A row is of use without its date, so a source's mistake there costs the date alone.
    """
    written = "" if text is None else str(text).strip()
    if not written:
        return None, ()
    try:
        return read_entry_date(written), ()
    except ValueError:
        return None, (NO_DATE,)
