"""Evidence, citations and wrapping out of UniProtKB's text.

How UniProtKB words things: https://web.expasy.org/docs/userman.html
"""

from __future__ import annotations

import re

# Evidence, as in {ECO:0000269|PubMed:123, ECO:0000305}. Behind a full stop it has a full stop of its own.
EVIDENCE = re.compile(r"\{ECO:[^{}]*\}")
# Citations and certainty inside the text: (PubMed:1, PubMed:2), (Ref.3), (By similarity).
_REFERENCE = r"(?:PubMed:\s*\d+|Ref\.\s*\d+|By similarity|Probable|Potential)"
CITATIONS = re.compile(rf"\((?i:{_REFERENCE}(?:[\s,;]+(?:and\s+)?{_REFERENCE})*)\)")
# A comment about one isoform or chain: "[Isoform 2]: …".
PREFIX = re.compile(r"^\[(.+?)\]:\s+")
# Names of the chains it is cleaved into and of its domains are other things' names.
PARTS = re.compile(r"\s*\[(?:Cleaved into|Contains|Includes):.*", re.IGNORECASE | re.DOTALL)
ENZYME = re.compile(r"EC \d[\w.-]*(?:, EC \d[\w.-]*)*")


def without_evidence(text: str) -> str:
    """Return text without its evidence tags."""
    if "{ECO:" not in text:
        return text
    clean, *rest = EVIDENCE.split(text)
    for part in rest:
        clean = clean.rstrip()
        clean += part[1:] if clean.endswith((".", "!", "?")) and part.startswith(".") else part
    return clean


def clean(text: str) -> str:
    """Return text without evidence tags and citations, with single spaces."""
    text = without_evidence(text)
    if "(" in text:
        *before, last = CITATIONS.split(text)
        text = "".join(part.rstrip() for part in before) + last
    return " ".join(text.split())


def name_and_brackets(text: str) -> tuple[str, list[str]]:
    """Split "Name (EC 1.1.1.1) (Synonym (old))" into "Name" and ["EC 1.1.1.1", "Synonym (old)"]."""
    brackets: list[str] = []
    while text.endswith(")"):
        depth, start = 0, len(text)
        while start > 0:
            start -= 1
            depth += {")": 1, "(": -1}.get(text[start], 0)
            if depth == 0:
                break
        if start == 0 or text[start - 1] != " ":
            break
        brackets.insert(0, text[start + 1 : -1])
        text = text[:start].rstrip()
    return text, brackets


def enzyme_numbers(bracket: str) -> list[str]:
    """Return ["1.1.1.1", "2.2.2.2"] for "EC 1.1.1.1, EC 2.2.2.2", and [] for a name."""
    return bracket.replace("EC ", "").split(", ") if ENZYME.fullmatch(bracket) else []


def is_remark(bracket: str) -> bool:
    """Tell whether what stands in brackets is no name: EC numbers, or that it is a fragment."""
    return bool(enzyme_numbers(bracket)) or bracket.lower() in ("fragment", "fragments")
