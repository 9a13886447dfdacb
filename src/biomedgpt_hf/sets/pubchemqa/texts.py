"""Descriptions as plain text: without markup, in single-spaced words, of the lengths that the paper keeps."""

from __future__ import annotations

import html
import re

from biomedgpt_hf.files.records import UnwantedRecord

MIN_WORDS = 4  # paper, §3.2: "We also remove texts with less than 4 words,
MAX_WORDS = 256  # and crops descriptions with more than 256 words."
CROPPED = f"cropped to {MAX_WORDS} words"
# Some depositors' texts hold HTML. Only what is certainly a tag counts: "<5 %" and "</p No 1,1,1-…" are text.
ATTRIBUTES = r"""(?:\s+[\w:-]+\s*=\s*(?:"[^"<>]*"|'[^'<>]*'|[^\s"'<>]+))*"""
LINE_TAG = re.compile(rf"</?(?:br|div|h[1-6]|li|ol|p|table|td|th|tr|ul){ATTRIBUTES}\s*/?>", re.IGNORECASE)
INLINE_TAG = re.compile(rf"</?(?:a|b|em|font|i|img|s|small|span|strong|sub|sup|tt|u){ATTRIBUTES}\s*/?>", re.IGNORECASE)
ENTITY = re.compile(r"&(?:[a-z][a-z0-9]{1,30}|#\d{1,7}|#x[0-9a-f]{1,6});", re.IGNORECASE)


def clean_text(text: str) -> str:
    """Return a text without HTML tags, with HTML's entities resolved and white space reduced to single spaces."""
    if "<" in text:
        text = INLINE_TAG.sub("", LINE_TAG.sub(" ", text))
    if "&" in text:
        text = ENTITY.sub(lambda match: html.unescape(match[0]), text)
    return " ".join(text.split())


def keep_length(text: str) -> tuple[str, bool]:
    """Return a clean text as the paper keeps it, and whether words were cropped.

    Raises:
        UnwantedRecord: it has too few words.
    """
    words = text.split(" ")
    if len(words) < MIN_WORDS:
        raise UnwantedRecord(f"fewer than {MIN_WORDS} words", text)
    return " ".join(words[:MAX_WORDS]), len(words) > MAX_WORDS
