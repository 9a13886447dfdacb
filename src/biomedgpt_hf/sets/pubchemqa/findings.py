"""What PubChem's files give, whatever their format: descriptions, structures, and why something is neither."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from biomedgpt_hf.files.records import RejectedRecord


class Description(NamedTuple):
    """A text about a compound, as its depositor gave it.

    Attributes:
        text: the strings of the entry, joined by a space; otherwise untouched.
        source: name of the depositor, e.g. "CAMEO Chemicals".
        license_note: what the depositor says about the licence, or "".
        license_url: where the licence stands, or "".
    """

    text: str
    source: str
    license_note: str
    license_url: str


class Form(IntEnum):
    """In what form a file gives a structure; where a compound has several, the smallest is taken."""

    LINE = 0  # SMILES or InChI
    MOLBLOCK = 1  # V2000 or V3000
    MOLBLOCK_PARTLY_UNDEFINED = 2  # with stereocentres or double bonds of which PubChem knows no configuration


class PubChemStructure(NamedTuple):
    """The structure of a compound, unread."""

    form: Form
    text: str


class Finding(NamedTuple):
    """One thing found in a file.

    Attributes:
        line: the line where it begins, from 1.
        cid: PubChem's number of the compound, or 0 where there is none.
        id: identifies a description within PubChem, e.g. "CID:4:ANID:761273"; "" for structures.
        content: what was found, or why it cannot be used.
    """

    line: int
    cid: int
    id: str
    content: Description | PubChemStructure | RejectedRecord


def read_number(value: object) -> int:
    """Return PubChem's number of something as SQLite can hold it; 0 for what is no positive whole number."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 19:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**63 else 0
