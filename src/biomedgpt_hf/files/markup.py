"""Texts of public sources as plain text: without the markup that some of them hold.

ChEBI, PubChem's depositors and others write HTML into their texts, at times escaped once or twice: `<em>N</em>-acyl`,
`H<sub>2</sub>O`, `&alpha;`, `&amp;alpha;`, `&lt;i&gt;R&lt;/i&gt;`. What a tag encloses stays: `H2O`, `14C`. Only a
number that stands raised behind a digit gets a sign of its own, since `10<sup>6</sup>` is not 106: `10^6`.

Chemistry also writes "<" and ">" that are no markup: `p<0.05`, `a <b and c> d`, `(1<->1')`. The parser of the standard
library would take some of these for tags. So a tag is only what certainly is one:

- a closing tag;
- an opening tag that is closed later, or has a value (`<a href="…">`), or closes itself (`<br/>`);
- an opening tag of HTML whose name cannot be a variable (`<sub>`, `<p>`), closed or not.
"""

from __future__ import annotations

import html
import re

# Tags that begin a line, or a cell, of their own: words on both sides of them are different words.
LINE_TAGS = frozenset(
    "blockquote br caption dd div dl dt h1 h2 h3 h4 h5 h6 hr li ol p pre table tbody td th thead title tr ul".split()
)
# Tags inside a line. Those of one letter (<a>, <b>, <i>, <s>, <u>) may be variables, and count when they are closed.
INLINE_TAGS = frozenset(
    "abbr big bold center cite code del em font img ins italic ital kbd mark samp small span strike strong sub sup tt "
    "var wbr".split()
)
_VALUE = r"""\s*=\s*(?:"[^"<>]*"|'[^'<>]*'|[^\s"'<>]+)"""
_NAME = r"[a-z][\w:.-]*"
TAG = re.compile(rf"<(?P<end>/?)(?P<name>{_NAME})(?P<values>(?:\s+{_NAME}{_VALUE})*)\s*(?P<self>/?)>", re.IGNORECASE)
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
# Behind a digit: not the number of an isotope, which stands before a letter, as in 2<sup>13</sup>C.
RAISED_NUMBER = re.compile(r"(?<=\d)<sup>\s*(?:([-+−–]\d+)\s*</sup>|(\d+)\s*</sup>(?![a-z]))", re.IGNORECASE)
ENTITY = re.compile(r"&(?:[a-z][a-z0-9]{1,30}|#\d{1,7}|#x[0-9a-f]{1,6});", re.IGNORECASE)


def plain_text(text: str) -> str:
    """Return a text without markup, with its entities resolved and white space reduced to single spaces."""
    before = None
    while text != before and ("<" in text or "&" in text):  # every turn makes it shorter, or is the last one
        before = text
        text = _without_tags(text)
        text = ENTITY.sub(lambda match: html.unescape(match[0]), text)
    return " ".join(text.split())


def _without_tags(text: str) -> str:
    if "<" not in text:
        return text
    text = RAISED_NUMBER.sub(r"^\1\2", COMMENT.sub(" ", text))
    last_end = {match["name"].lower(): match.start() for match in TAG.finditer(text) if match["end"]}

    def replacement(match: re.Match[str]) -> str:
        name = match["name"].lower()
        certain = match["end"] or match["values"] or match["self"] or name in LINE_TAGS or name in INLINE_TAGS
        if certain or last_end.get(name, -1) > match.start():
            return " " if name in LINE_TAGS else ""
        return match[0]

    return TAG.sub(replacement, text)
