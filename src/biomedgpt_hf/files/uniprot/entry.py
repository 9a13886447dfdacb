"""What every reader makes of a protein's entry, whatever its format."""

from __future__ import annotations

from typing import NamedTuple


class ProteinEntry(NamedTuple):
    """The part of an entry that is asked for. What a source does not tell is empty.

    Comments are in the wording of the flat file (https://web.expasy.org/docs/userman.html), one
    string each, unwrapped, without its topic: "[Isoform 2]: Lacks activity (PubMed:1). {ECO:…}."

    Attributes:
        accession: the primary accession, "" where the entry has none.
        sequence: amino acids in one-letter code, "" where the entry has none.
        length: how long the entry says that its sequence is, or None where it does not say.
        reviewed: Swiss-Prot (True) or TrEMBL (False); None where the format does not tell.
        names: the protein's own names, the recommended one first.
        enzyme_numbers: EC numbers of the recommended or submitted name, e.g. "2.7.11.1".
        functions: FUNCTION comments.
        locations: SUBCELLULAR LOCATION comments.
        similarities: SIMILARITY comments.
        created: day on which the entry came into Swiss-Prot or TrEMBL, as year-month-day; "" where the format does not
            tell. The day of its last change tells nothing: releases touch most entries.
        all_enzyme_numbers: EC numbers of all its names, and of its domains and of the chains that it is cleaved into.
        lower_case: the source has changed the names to lower case.
        name: the one name of a source that gives no others.
        places: where in the cell it mainly is, of a source that tells nothing else.
        in_membrane: whether it is bound to a membrane (True) or soluble (False).
        description: a paragraph of the Saccharomyces Genome Database.
        style: the kind of file, where it is none of UniProtKB's formats; its rows are told apart by it.
        source: where the answers come from, "" where `reviewed` says it.
        license: of the answers, an SPDX identifier.
        split: "test" where the source keeps the entry for evaluation.
    """

    accession: str = ""
    sequence: str = ""
    length: int | None = None
    reviewed: bool | None = None
    names: tuple[str, ...] = ()
    enzyme_numbers: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    locations: tuple[str, ...] = ()
    similarities: tuple[str, ...] = ()
    created: str = ""
    all_enzyme_numbers: tuple[str, ...] = ()
    lower_case: bool = False
    name: str = ""
    places: tuple[str, ...] = ()
    in_membrane: bool | None = None
    description: str = ""
    style: str = ""
    source: str = ""
    license: str = "CC-BY-4.0"
    split: str | None = None


class ProteinNames(NamedTuple):
    """Names by what they are; each list in the order of the entry.

    Attributes:
        recommended: full name and short names of `RecName`.
        alternative: names of `AltName`, the special ones (allergen, INN, …) last.
        submitted: names of `SubName`.
    """

    recommended: list[str]
    alternative: list[str]
    submitted: list[str]

    def in_order(self) -> tuple[str, ...]:
        """Return all names, the official one first; formats order the others differently."""
        recommended, alternative, submitted = self
        return (*recommended, *alternative, *submitted) if recommended else (*submitted, *alternative)


def cd_antigen(number: str) -> str:
    """Return how a CD antigen is named in words: "CD40" → "CD antigen CD40"."""
    return f"CD antigen {number}"


def comment_text(molecule: str, text: str) -> str:
    """Return a comment in the flat file's wording, under the isoform or chain that it is about."""
    return f"[{molecule}]: {text}" if molecule and text else text


def join_sentences(texts: list[str]) -> str:
    """Return texts as the flat file writes them, each with a full stop and one space apart."""
    return " ".join(text if text.endswith(".") else f"{text}." for text in texts if text)


def location_comment(molecule: str, places: list[list[str]], notes: list[str]) -> str:
    """Return a SUBCELLULAR LOCATION comment in the flat file's wording.

    Args:
        molecule: isoform or chain, or "".
        places: for each place its location, topology and orientation, without the missing ones.
        notes: texts of its note.
    """
    parts = ["; ".join(place) + "." for place in places if place]
    if notes := [note for note in notes if note]:
        parts.append(f"Note={join_sentences(notes)}")
    return comment_text(molecule, " ".join(parts))
