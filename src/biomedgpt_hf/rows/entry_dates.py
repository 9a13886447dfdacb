"""When an entry of a source was made: a year, a month of a year, or a day, written as in ISO 8601.

    2021    2021-05    2021-05-31

A year or a month is all of its days: whether it is before or after a cut-off within it, nobody can tell.
"""

from __future__ import annotations

import calendar
import re
from datetime import UTC, date, datetime, timedelta

# A time of day behind the day is allowed, and left out.
DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:[T ]\d{2}:\d{2}.*)?)?)?", re.ASCII)


def read_entry_date(text: str) -> str:
    """Return a date as rows hold it.

    Raises:
        ValueError: the text is no date, or one in the future.
    """
    match = DATE.fullmatch(text.strip())
    found = "-".join(part for part in match.groups() if part) if match else ""
    try:
        first, _ = days_of(found)
    except ValueError:
        raise ValueError(
            f"{text[:40]!r} is no date. Write year-month-day, such as 2023-06-01, or year-month, or the year."
        ) from None
    if first > datetime.now(UTC).date() + timedelta(days=1):  # somewhere it is tomorrow already
        raise ValueError(f"{text[:40]!r} lies in the future, where no entry can have been made.")
    return found


def days_of(entry_date: str) -> tuple[date, date]:
    """Return the first and the last day of a date.

    Raises:
        ValueError: it is no date.
    """
    year, *rest = (int(part) for part in entry_date.split("-"))
    if not rest:
        return date(year, 1, 1), date(year, 12, 31)
    month, *day = rest
    first = date(year, month, day[0] if day else 1)
    return first, first if day else first.replace(day=calendar.monthrange(year, month)[1])
