"""How many rows or records may be faulty before a long job stops."""

from __future__ import annotations

import math


class TooManyRejectedError(ValueError):
    """More records were faulty than `max_rejected` allows."""


def parse_limit(max_rejected: str | None) -> tuple[float, float]:
    """Return the largest number and the largest share of faulty records that are allowed.

    Raises:
        ValueError: it is neither a number nor a share such as "1%".
    """
    if max_rejected is None:
        return math.inf, 1.0
    text = str(max_rejected).strip()
    try:
        number = float(text.removesuffix("%"))
    except ValueError:
        number = -1.0
    if number >= 0 and text.endswith("%") and number <= 100:
        return math.inf, number / 100
    if number >= 0 and number.is_integer() and text.isdigit():
        return number, 1.0
    raise ValueError(f"max_rejected is {max_rejected!r}. Give a number of records such as 20, or a share such as 1%.")
