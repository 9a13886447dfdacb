"""UniProtKB's text format ("flat file"), https://web.expasy.org/docs/userman.html

Read directly instead of with Bio.SwissProt: only six fields are needed, which takes a fraction of
its time, and the line breaks have to be seen. UniProtKB wraps after a hyphen without a space
("non-" / "covalently"); Bio.SwissProt joins all lines by a space, and then nobody can tell any more.
A test holds each field equal to what Bio.SwissProt reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from biomedgpt_hf.files.records import Record, RejectedRecord
from biomedgpt_hf.files.uniprot import wording
from biomedgpt_hf.files.uniprot.cutting import cut_entries, cut_pieces, decode_entry
from biomedgpt_hf.files.uniprot.entry import ProteinEntry, ProteinNames, cd_antigen

BEGIN, END = b"ID   ", b"\n//"
ACCESSION = re.compile(rb"^AC   ([^;\s]+)", re.MULTILINE)
REVIEWED = {"Reviewed": True, "Unreviewed": False, "STANDARD": True, "PRELIMINARY": False}  # the last two until 2006
# A line that ends in a hyphen or slash goes on without a space, but for "di- and tripeptides" and
# "N- or C-terminal". ("Y-" / "to-PDA" is one word: the next word is whole only before a space.)
JOINED = re.compile(r"([-/])\n(?!(?:and|or|and/or|nor|to|but|as)\s)")
LINES = {code: re.compile(rf"(?:\n{code}[^\n]*)+") for code in ("AC", "DE", "CC")}
LINE_BREAK = {code: re.compile(rf"\s*\n{code}\s*") for code in ("DE", "CC")}
COMMENT, GOES_ON = "\nCC   -!- ", "\nCC       "
LENGTH = re.compile(r"SQ   SEQUENCE\s+(\d+) AA;")
LENGTH_OF_ID = re.compile(r"\s(\d+) AA\.?\s*$")
CREATED = re.compile(r"\nDT   (\d\d)-([A-Z]{3})-(\d{4})")
MONTHS = {month: number for number, month in enumerate("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split(), 1)}
TOPICS = ("FUNCTION", "SUBCELLULAR LOCATION", "SIMILARITY")
LICENCE = "\nCC   ---"
NAME = re.compile(
    r"(?:(?P<kind>RecName|AltName|SubName): )?(?P<key>Full|Short|EC|INN|CD_antigen|Allergen|Biotech)=(?P<value>.*?)"
    r"(?:;(?=\s+(?:RecName:|AltName:|SubName:|Full=|Short=|EC=|INN=|CD_antigen=|Allergen=|Biotech=)|\s*$)|$)"
)
OWN_NAMES_END = re.compile(r"(?:^|\s)(?:Contains|Includes|Flags):")
CATEGORY = re.compile(r"(?:RecName|SubName|AltName|Contains|Includes|Flags):")


class Fields(NamedTuple):
    """Fields of an entry; text that was wrapped keeps its line breaks.

    Attributes:
        name: entry name, e.g. "FOS_HUMAN".
        data_class: "Reviewed", "Unreviewed" or what older releases called them.
        accessions: the primary one first.
        description: the DE lines.
        comments: (topic, text) of each comment on `TOPICS`.
        length: number of amino acids on the SQ line, or None without one.
        sequence: the amino acids.
        created: the first of the DT lines, as year-month-day, or "".
    """

    name: str
    data_class: str
    accessions: list[str]
    description: str
    comments: list[tuple[str, str]]
    length: int | None
    sequence: str
    created: str


def read_flat_entries(path: Path, blocks: Iterable[bytes]) -> Iterator[Record]:
    """Yield the entries of a flat file as records of bytes.

    Raises:
        SourceError: see `cutting.cut_pieces`.
    """
    return cut_entries(path, cut_pieces(path, blocks, END), _begins, ACCESSION, "//")


def _begins(data: bytes) -> list[int]:
    starts = [0] if data.startswith(BEGIN) else []
    found = data.find(b"\nID")  # a needle that ends in a rare letter is found faster
    while found >= 0:
        if data.startswith(BEGIN, found + 1):
            starts.append(found + 1)
        found = data.find(b"\nID", found + 1)
    return starts


def parse_flat_entry(data: bytes) -> ProteinEntry:
    """Return the entry of a record of `read_flat_entries`.

    Raises:
        RejectedRecord: it is not UTF-8, or see `read_fields`.
    """
    fields = read_fields(decode_entry(data))
    description = unwrap(fields.description)
    names, enzyme_numbers = read_flat_names(description)
    by_topic = {topic: tuple(unwrap(text) for kind, text in fields.comments if kind == topic) for topic in TOPICS}
    return ProteinEntry(
        accession=fields.accessions[0] if fields.accessions else "",
        sequence=fields.sequence,
        length=fields.length,
        reviewed=REVIEWED[fields.data_class],
        names=names,
        enzyme_numbers=enzyme_numbers,
        functions=by_topic["FUNCTION"],
        locations=by_topic["SUBCELLULAR LOCATION"],
        similarities=by_topic["SIMILARITY"],
        created=fields.created,
        all_enzyme_numbers=tuple(wording.numbers_in_names(wording.clean(description))),
    )


def read_fields(text: str) -> Fields:
    """Return the fields of an entry's text.

    Raises:
        RejectedRecord: the ID or SQ line cannot be read, or they belong to two entries.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    first = text[: text.find("\n")]
    columns = first[5:].split()
    data_class = columns[1].rstrip(";") if len(columns) > 1 else ""
    if not first.startswith("ID   ") or data_class not in REVIEWED:
        raise RejectedRecord("unreadable entry", f"not an ID line with Reviewed or Unreviewed: {first[:60]!r}")
    length, sequence = _sequence(text)
    accessions, description, comments = "", "", ""
    at = 0
    if lines := _lines(text, "AC", at):
        accessions, at = lines[0].replace("\nAC   ", ""), lines.end()
    _require_one_entry(first, length, text.find("\nAC   ", at) >= 0)
    if lines := _lines(text, "DE", at):
        description, at = LINE_BREAK["DE"].sub("\n", lines[0]).strip(), lines.end()
    if lines := _lines(text, "CC", at):
        comments = lines[0]
    created = CREATED.search(text)
    return Fields(
        name=columns[0],
        data_class=data_class,
        accessions=[accession for part in accessions.split(";") if (accession := part.strip())],
        description=description,
        comments=_comments(comments),
        length=length,
        sequence=sequence,
        created=f"{created[3]}-{MONTHS[created[2]]:02d}-{created[1]}" if created and created[2] in MONTHS else "",
    )


def _require_one_entry(first: str, length: int | None, more_accessions: bool) -> None:
    """Raise if a piece of the file is missing, so that one entry's beginning stands before another one's end.

    Args:
        first: the ID line, which states a length too.
        length: what the SQ line states.
        more_accessions: whether AC lines follow that do not stand with the first ones.
    """
    stated = LENGTH_OF_ID.search(first)
    if stated and length is not None and int(stated[1]) != length:
        detail = f"the ID line states {stated[1]} amino acids, the SQ line {length}: they are of two entries"
        raise RejectedRecord("entry cut in the middle", detail)
    if more_accessions:
        raise RejectedRecord("entry cut in the middle", "the AC lines of another entry follow, without // before them")


def _lines(text: str, code: str, start: int) -> re.Match[str] | None:
    """Return the lines with a code (they stand together), each after a line break."""
    start = text.find(f"\n{code}", start)
    return LINES[code].match(text, start) if start >= 0 else None


def _comments(lines: str) -> list[tuple[str, str]]:
    """Return (topic, text) of the comments on `TOPICS`, without the licence that comes after them."""
    comments = []
    for comment in lines.split(COMMENT)[1:]:
        if not comment.startswith(TOPICS):
            continue
        if LICENCE in comment:
            comment = comment.partition(LICENCE)[0]
        text = comment.replace(GOES_ON, "\n")
        usual = len(comment) - len(text) == text.count("\n") * (len(GOES_ON) - 1)
        if not usual or "\n " in text or " \n" in text:
            text = LINE_BREAK["CC"].sub("\n", comment)
        topic, _, text = text.partition(": ")
        comments.append((topic, text.strip()))
    return comments


def _sequence(text: str) -> tuple[int | None, str]:
    """Return the length that the SQ line states, and the sequence below it."""
    start = text.rfind("\nSQ   ")
    if start < 0:
        return None, ""
    line, _, below = text[start + 1 :].partition("\n")
    length = LENGTH.match(line)
    if not length:
        raise RejectedRecord("unreadable entry", f"not an SQ line with a length: {line[:60]!r}")
    return int(length[1]), "".join(below.partition("//")[0].split())


def unwrap(text: str) -> str:
    """Return text of several lines as one: a space at each line break, but for words cut at it."""
    if "-\n" in text or "/\n" in text:
        text = JOINED.sub(r"\1", text)
    return text.replace("\n", " ")


def read_flat_names(description: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return a protein's names and EC numbers from its DE lines.

    Names of the chains that it is cleaved into (`Contains:`) and of its domains (`Includes:`) are
    other things' names, and `Flags:` is none: they are left out.
    """
    description = wording.clean(description)
    if description and not CATEGORY.match(description):
        return _read_old_names(description)
    names, numbers, kind = ProteinNames([], [], []), [], ""
    listed = {"RecName": names.recommended, "SubName": names.submitted, "AltName": names.alternative}
    for match in NAME.finditer(OWN_NAMES_END.split(description)[0]):
        kind, value = match["kind"] or kind, match["value"]
        if match["key"] != "EC":
            listed[kind or "RecName"].append(cd_antigen(value) if match["key"] == "CD_antigen" else value)
        elif kind != "AltName":
            numbers.append(value)
    return names.in_order(), tuple(numbers)


def _read_old_names(description: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Read the description of releases before 2008: NAME (EC 1.1.1.1) (SYNONYM) (FRAGMENT)."""
    name, brackets = wording.name_and_brackets(wording.PARTS.sub("", description).rstrip(". "))
    numbers = [number for bracket in brackets for number in wording.enzyme_numbers(bracket)]
    synonyms = [bracket for bracket in brackets if not wording.is_remark(bracket)]
    return (name, *synonyms), tuple(numbers)
