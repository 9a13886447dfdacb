"""Evidence, citations and wrapping out of UniProtKB's text; names with EC numbers in brackets.

How UniProtKB words things: https://web.expasy.org/docs/userman.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from biomedgpt_hf.files.records import RejectedRecord

# https://www.uniprot.org/help/accession_numbers
ACCESSION = r"(?:[OPQ][0-9][A-Z0-9]{3}[0-9]|[A-NR-Z][0-9](?:[A-Z][A-Z0-9]{2}[0-9]){1,2})"
# Evidence, as in {ECO:0000269|PubMed:123, ECO:0000305}. Behind a full stop it has a full stop of its own.
EVIDENCE = re.compile(r"\{ECO:[^{}]*\}")
# Citations and certainty inside the text: (PubMed:1, PubMed:2), (Ref.3), (By similarity).
_REFERENCE = r"(?:PubMed:\s*\d+|Ref\.\s*\d+|By similarity|Probable|Potential)"
CITATIONS = re.compile(rf"\((?i:{_REFERENCE}(?:[\s,;]+(?:and\s+)?{_REFERENCE})*)\)")
# A comment about one isoform or chain: "[Isoform 2]: …".
PREFIX = re.compile(r"^\[(.+?)\]:\s+")
# Names of the chains it is cleaved into and of its domains are other things' names.
PARTS = re.compile(r"\s*\[(?:Cleaved into|Contains|Includes):.*", re.IGNORECASE | re.DOTALL)
ENZYME = re.compile(r"EC \d[\w.-]*(?:, EC \d[\w.-]*)*", re.IGNORECASE)
# 3.4.21.4; the last levels may be open, as in 3.4.-.-, and the fourth preliminary, as in 3.4.21.n1.
EC_LEVELS = r"([1-7])\.(\d{1,2}|-)\.(\d{1,3}|-)\.(n?\d{1,4}|-)"
LEVELS = 4
EC = re.compile(r"\bEC[\s:=]*(?=[\d-])", re.IGNORECASE)
# Names of what nobody knows yet.
SAYS_NOTHING = re.compile(
    r"(?:putative |probable )?(?:uncharacterized|hypothetical|unknown) protein\b.*|unnamed protein product"
    r"|predicted protein|UPF\d+ protein\b.*",
    re.IGNORECASE,
)


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
    return EC.sub("", bracket).split(", ") if ENZYME.fullmatch(bracket) else []


def numbers_in_names(text: str) -> list[str]:
    """Return all EC numbers that stand with names in a text: "A (EC 1.1.1.1) [Includes: B (EC 2.2.2.2)]"."""
    return [number.rstrip(".") for number in re.findall(r"\bEC[ =](\d[\w.-]*)", text, re.IGNORECASE)]


def listed_numbers(cell: str) -> tuple[str, ...]:
    """Return the EC numbers that a cell lists, whatever stands between them."""
    return tuple(filter(None, re.split(r"[;,/|\s]+", EC.sub("", cell))))


def checked_numbers(numbers: Iterable[str]) -> tuple[str, ...]:
    """Return EC numbers with all four levels, "3.4.-.-" for "3.4", each once.

    Raises:
        RejectedRecord: one of them is none.
    """
    found: dict[str, None] = {}
    for number in numbers:
        levels = number.lower().split(".")
        whole = ".".join(levels + ["-"] * (LEVELS - len(levels)))
        if not re.fullmatch(EC_LEVELS, whole) or re.search(r"-\.[^-]", whole):
            raise RejectedRecord("not an EC number", f"{number!r}; EC numbers are such as 3.4.21.4 or 3.4.-.-")
        found[whole] = None
    return tuple(found)


def in_words(numbers: Iterable[str]) -> str:
    """Return EC numbers as answers have them: "EC 1.1.1.1; EC 2.2.2.2"."""
    return "; ".join(f"EC {number}" for number in numbers)


def name_and_numbers(text: str) -> tuple[str, tuple[str, ...]]:
    """Return the name in "Name (NAD(+)) (EC 1.1.1.1) (Fragment)", here "Name (NAD(+))", and its EC numbers."""
    name, brackets = name_and_brackets(text)
    numbers = tuple(number for bracket in brackets for number in enzyme_numbers(bracket))
    return " ".join([name, *(f"({bracket})" for bracket in brackets if not is_remark(bracket))]), numbers


def is_remark(bracket: str) -> bool:
    """Tell whether what stands in brackets is no name: EC numbers, or that it is a fragment."""
    return bool(enzyme_numbers(bracket)) or bracket.lower() in ("fragment", "fragments")
