"""Which cells of a column of items hold nothing: real nulls, blanks, and the words that programs write for nothing.

The words are for columns only. A single value that somebody passes by hand is what it is: "NA" is a protein of
asparagine and alanine, but in a column it is what pandas and R write where there is nothing.
"""

from __future__ import annotations

from typing import Any

# In lower case: what pandas, R, Excel, SQL and people write.
WORDS = frozenset(
    ("nan", "-nan", "na", "n/a", "n.a.", "n.a", "<na>", "#n/a", "#na", "none", "null", "(null)", "\\n")
    + ("-", "--", "\N{EN DASH}", "\N{EM DASH}", "\N{MINUS SIGN}", "?", ".")
)
LONGEST_WORD = max(map(len, WORDS))
# Blanks of all kinds, and the characters without width that come along when text is copied.
BLANKS = (
    " \t\n\r\v\f\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\u00ad\u180e\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
)


def is_null(value: Any) -> bool:
    """Tell whether a value is None, or not a number in the sense of floats, Decimal, numpy and pandas."""
    try:
        return value is None or bool(value != value)
    except (TypeError, ValueError, ArithmeticError):  # pandas' NA is neither true nor false, and neither are arrays
        return type(value).__name__ == "NAType"


def is_empty(value: Any) -> bool:
    """Tell whether a cell of a column of items holds nothing, or a word for nothing."""
    if not isinstance(value, str):
        return is_null(value)
    text = without_blanks(value)
    return not text or (len(text) <= LONGEST_WORD and text.casefold() in WORDS)


def without_blanks(text: str) -> str:
    """Return a text without the blanks, also invisible ones, at its ends."""
    return text.strip(BLANKS)
