"""Descriptions of the lengths that the paper keeps."""

from __future__ import annotations

from biomedgpt_hf.files.records import UnwantedRecord

MIN_WORDS = 4  # paper, §3.2: "We also remove texts with less than 4 words,
MAX_WORDS = 256  # and crops descriptions with more than 256 words."
CROPPED = f"cropped to {MAX_WORDS} words"


def keep_length(text: str) -> tuple[str, bool]:
    """Return a plain text in single-spaced words as the paper keeps it, and whether words were cropped.

    Raises:
        UnwantedRecord: it has too few words.
    """
    words = text.split(" ")
    if len(words) < MIN_WORDS:
        raise UnwantedRecord(f"fewer than {MIN_WORDS} words", text)
    return " ".join(words[:MAX_WORDS]), len(words) > MAX_WORDS
