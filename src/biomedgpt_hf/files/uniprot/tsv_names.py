"""Names and families as the table of UniProtKB writes them, back in the words of the entry.

    Protein names     Full (Short) (EC 1.1.1.1) (EC 2.2.2.2) (Alternative) (Short) (EC 3.3.3.3, EC 4.4.4.4)
                      (allergen Bet v 1) (CD antigen CD12) [Cleaved into: …] [Includes: …]
    Protein families  Protein kinase superfamily, Tyr protein kinase family, JAK subfamily; …

The table does not say whose an EC number is after several names, nor where a family had a capital
letter by itself. Both are guessed.
"""

from __future__ import annotations

import re
from itertools import chain, takewhile

from biomedgpt_hf.files.uniprot import wording
from biomedgpt_hf.files.uniprot.entry import ProteinNames

SPECIAL = re.compile(r"^(?:allergen|biotech) (?=\S)")
# Brackets that belong to an enzyme's name: "Glycine dehydrogenase (decarboxylating)".
QUALIFIER = re.compile(
    r"NADP?(?:\(\+\)|H)?|NAD\(P\)(?:\(\+\)|H)|[ACGU][DT]P|(?:ubi)?quinone|ferredoxin|[a-z][\w,/-]*ing"
)
NEXT_LEVEL = re.compile(r"(?<=family), ")
FIRST_WORD = re.compile(r"[A-Z][a-z]*(?![A-Z\d])")
# Families that begin with a name, so that the entry has the capital letter too; abbreviations
# (up to three letters, or with another capital or a digit) do as well, but for the ones below.
NAMES = {"Bowman", "Casparian", "Integrator", "Mediator", "Nudix", "Rieske", "Schlafen", "Speedy", "Toll"}
SHORT_WORDS = {"Gas", "Lin", "Non", "Two", "Unc"}
SMALL_FIRST = re.compile(r"(?:[TRM]RNA|SnRNP|B(?:ZIP|HLH)|D[GC]TP|DUTP|EIF|MTERF|NudC|ArsA|P23|P53|Pex\d|Mis18)")


def read_tsv_names(cell: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return a protein's names, and the EC numbers of its official name."""
    official, brackets = wording.name_and_brackets(wording.PARTS.sub("", cell).strip())
    if brackets and QUALIFIER.fullmatch(brackets[0]):
        official = f"{official} ({brackets.pop(0)})"
    names, numbers = ProteinNames([official], [], []), _official_numbers(official, brackets)
    for bracket in brackets:
        name, inner = wording.name_and_brackets(bracket)
        if found := list(chain.from_iterable(map(wording.enzyme_numbers, inner))):
            names.alternative.append(name)  # a second submitted name with its numbers
            numbers += found
        elif not wording.is_remark(bracket):
            names.alternative.append(SPECIAL.sub("", bracket))
    return (names.in_order() if official else ()), tuple(numbers)


def _official_numbers(official: str, brackets: list[str]) -> list[str]:
    """Return the first EC numbers if they are the official name's, else none.

    They are if nothing stands between, or only what can be its short names; or if each has brackets
    of its own, for those of an alternative name share a pair.
    """
    numbers = [wording.enzyme_numbers(bracket) for bracket in brackets]
    first = next((position for position, found in enumerate(numbers) if found), len(numbers))
    found = list(takewhile(bool, numbers[first:]))
    if first and len(found) == 1:
        shared = len(found[0]) > 1
        if shared or not all(_may_be_short(bracket, official) for bracket in brackets[:first]):
            return []
    return list(chain.from_iterable(found))


def _may_be_short(name: str, official: str) -> bool:
    """Tell whether a name can be short for the official one: shorter, and one word or with one of its words."""
    words = {word.lower() for word in re.findall(r"\w+", name)}
    shares = words & {word.lower() for word in re.findall(r"\w+", official)}
    return len(name) < len(official) and (" " not in name or bool(shares))


def family_sentence(family: str) -> str:
    """Return "Belongs to the protein kinase superfamily. Tyr protein kinase family." for a family."""
    family = NEXT_LEVEL.sub(". ", family)
    word = FIRST_WORD.match(family)
    own_capital = not word or word[0] in NAMES or (len(word[0]) <= 3 and word[0] not in SHORT_WORDS)
    if not own_capital or SMALL_FIRST.match(family):
        family = family[0].lower() + family[1:]
    return f"Belongs to the {family.rstrip('.')}."
