"""The mark of a card that this package wrote and may renew: from the first edit on, a card is its editor's."""

from __future__ import annotations

import hashlib
import re

# Its digest covers the rest of the card, so an edited card does not match it.
MARK = "<!-- Written by biomedgpt_hf and renewed by every save until somebody edits it. {digest} -->\n"
MARK_PATTERN = MARK.format(digest="([0-9a-f]{16})")


def mark_card(text: str) -> str:
    """Return a card with the mark below its metadata."""
    return text.replace("\n---\n", f"\n---\n{MARK.format(digest=_digest(text))}", 1)


def is_untouched(text: str) -> bool:
    """Tell whether a card is still as this package wrote it, so that a newer one may replace it."""
    mark = re.search(MARK_PATTERN, text)
    return mark is not None and _digest(without_mark(text)) == mark[1]


def without_mark(text: str) -> str:
    """Return a card as it was before it was marked."""
    return re.sub(MARK_PATTERN, "", text, count=1)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]
