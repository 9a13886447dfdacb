"""Sequences of amino acids as people write them, and the form that the rest of the package takes."""

from __future__ import annotations

import re

from biomedgpt_hf.files.items.text_lines import as_label
from biomedgpt_hf.files.records import RejectedRecord

SHORTEST_NUCLEOTIDES = 20  # letters
SHOWN = 60  # letters of a sequence in an error
# Upper case of other alphabets may be several letters, or one of this alphabet: ß is SS, and the dotless ı is I.
NO_RESIDUE = re.compile(r"[^A-Za-z]")
NAMES = {"-": "a gap", ".": "a gap", "*": "a stop inside"}


def clean_sequence(letters: str) -> str:
    """Return a sequence in upper case, without white space and without a final stop.

    Raises:
        RejectedRecord: it is empty, or a character is not a letter.
    """
    letters = "".join(letters.split()).removesuffix("*")
    if not letters:
        raise RejectedRecord("no residues", "there is no sequence")
    if found := NO_RESIDUE.search(letters):
        character = found[0].upper() if not found[0].upper().isascii() else found[0]
        place = f"{as_label(character)!r} at index {found.start()} is {NAMES.get(character, 'not a residue')}"
        raise RejectedRecord("unreadable protein", f"{place}, in {as_label(letters[:SHOWN])!r}")
    return letters.upper()


def is_nucleotides(letters: str) -> bool:
    """Tell whether a sequence in upper case consists of nucleotides.

    That is, it has at least 20 letters, all of them are of ACGTUN, and at least three of A, C, G and T or U occur.
    Repeats of one or two residues, such as (GA)n of silk, are still proteins.
    """
    found = set(letters.replace("U", "T"))
    return len(letters) >= SHORTEST_NUCLEOTIDES and found <= set("ACGTN") and len(found - {"N"}) >= 3
