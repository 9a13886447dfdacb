"""What a UniProtKB entry says, as plain sentences: the four answers of UniProtQA.

Entry format: https://web.expasy.org/docs/userman.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from Bio.SwissProt import Record

# Evidence: {ECO:0000269|PubMed:123, ECO:0000305}; after a full stop it brings one of its own.
EVIDENCE = re.compile(r"(?:(?<=[.!?])\s*\{ECO:[^{}]*\}\.?)|(?:\s*\{ECO:[^{}]*\})")
_REFERENCE = r"(?:PubMed:\s*\d+|Ref\.\s*\d+|By similarity|Probable|Potential)"
# Citations and certainty inside the text: (PubMed:1, PubMed:2), (Ref.3), (By similarity).
_NEXT = rf"(?:(?:\s*[,;]|\s+and)\s*{_REFERENCE})*"
CITATIONS = re.compile(rf"\s*\({_REFERENCE}{_NEXT}\)", re.IGNORECASE)
# A comment about one isoform or chain: "[Isoform 2]: …".
PREFIX = re.compile(r"^\[([^\]]+)\]:\s*")
# Marks a line that ended in a hyphen or slash, see `unwrap`.
JOINT = "\ue000"
# "di- and tripeptides": a hyphen before one of these words keeps its space.
SUSPENDED = re.compile(rf"{JOINT} (?=(?:and|or|and/or|nor|to|but|as)\b)")


def unwrap(lines: Iterable[str]) -> str:
    """Return an entry's text with a mark wherever a wrapped comment or name breaks at "-" or "/".

    UniProt wraps there without a space ("non-" / "covalently"), but readers of the format, also
    Biopython's, join lines by a space. `clean` joins them right with the help of the mark.
    """
    marked = []
    for line in lines:
        if line[:2] in ("CC", "DE") and line.endswith(("-", "/")) and not line.endswith("---"):
            line += JOINT
        marked.append(line)
    return "\n".join(marked) + "\n"


def clean(text: str) -> str:
    """Return text without evidence tags, citations and wrapping."""
    text = SUSPENDED.sub(" ", text).replace(f"{JOINT} ", "").replace(JOINT, "")
    text = CITATIONS.sub("", EVIDENCE.sub("", text))
    return " ".join(text.split())


def function_answer(record: Record) -> str:
    """Return the FUNCTION comments, those on one isoform or chain under its name."""
    return " ".join(_comments(record, "FUNCTION"))


def location_answer(record: Record) -> str:
    """Return the SUBCELLULAR LOCATION comments: places first, then the text of `Note=`."""
    answers = []
    for text in _comments(record, "SUBCELLULAR LOCATION"):
        answers.append(re.sub(r"\bNote=", "", text))
    return " ".join(answers)


def family_answer(record: Record) -> str:
    """Return the SIMILARITY comments that name a family; "Contains 1 … domain." does not."""
    similar = _comments(record, "SIMILARITY")
    return " ".join(text for text in similar if "belongs to" in text.lower())


def names_answer(record: Record) -> str:
    """Return the protein's recommended (or submitted) name, EC numbers and alternative names.

    Names of the chains it is cleaved into (`Contains:`) and of its domains (`Includes:`) are other
    things' names, and `Flags:` is none: they are left out.
    """
    description = clean(record.description)
    if not re.match(r"(RecName|SubName|AltName|Contains|Includes|Flags):", description):
        return _old_names_answer(description)
    own = re.split(r"(?:^|\s)(?:Contains|Includes|Flags):", description)[0]
    names, enzyme_numbers = [], []
    kind = ""
    for part in re.split(r";\s*", own):
        if category := re.match(r"(RecName|SubName|AltName):\s*", part):
            kind, part = category[1], part[category.end() :]
        key, _, value = part.partition("=")
        if key == "EC" and kind != "AltName":
            enzyme_numbers.append(f"EC {value}")
        elif key in ("Full", "Short", "INN", "CD_antigen", "Allergen", "Biotech"):
            names.append(f"CD antigen {value}" if key == "CD_antigen" else value)
    return _names_sentence(names, enzyme_numbers)


def _old_names_answer(description: str) -> str:
    """Read the description of releases before 2008: NAME (EC 1.1.1.1) (SYNONYM) (FRAGMENT)."""
    text = re.sub(r"\s*\[(?:Contains|Includes):.*", "", description, flags=re.IGNORECASE)
    synonyms: list[str] = []
    text = text.rstrip(". ")
    while text.endswith(")"):
        depth, start = 0, len(text)
        while start > 0:
            start -= 1
            depth += {")": 1, "(": -1}.get(text[start], 0)
            if depth == 0:
                break
        if start == 0 or text[start - 1] != " ":
            break
        synonyms.insert(0, text[start + 1 : -1])
        text = text[:start].rstrip()
    enzyme_numbers = [synonym for synonym in synonyms if synonym.startswith("EC ")]
    skipped = {*enzyme_numbers, *(s for s in synonyms if s.lower() in ("fragment", "fragments"))}
    return _names_sentence([text, *(s for s in synonyms if s not in skipped)], enzyme_numbers)


def _names_sentence(names: list[str], enzyme_numbers: list[str]) -> str:
    names = [name for name in dict.fromkeys(names) if name]
    if not names:
        return ""
    numbers = f" ({'; '.join(enzyme_numbers)})" if enzyme_numbers else ""
    others = f" Also known as {'; '.join(names[1:])}." if names[1:] else ""
    return f"{names[0]}{numbers}.{others}"


def _comments(record: Record, topic: str) -> list[str]:
    """Return the cleaned texts of all comments on a topic, each ending a sentence."""
    texts = []
    for comment in record.comments:
        name, _, text = comment.partition(": ")
        if name == topic and (text := PREFIX.sub(r"\1: ", clean(text))):
            texts.append(text if text.endswith((".", "!", "?")) else text + ".")
    return texts
