"""UniProtKB's XML, https://www.uniprot.org/docs/uniprot.xsd

Read directly instead of with Biopython's "uniprot-xml": that drops what a comment is about
(`<molecule>`) and mixes the places and notes of all locations. A test holds accessions, names, texts
and sequence equal to what Biopython reads.

The reader cuts entries out as bytes; only `parse` reads their XML. A document type definition is
refused, so there is no entity that could be expanded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET
from xml.parsers import expat

from biomedgpt_hf.files.records import Record, RejectedRecord
from biomedgpt_hf.files.sources import LARGEST_RECORD, SourceError
from biomedgpt_hf.files.uniprot.cutting import FilePiece, cut_entries, cut_pieces, decode_entry
from biomedgpt_hf.files.uniprot.entry import (
    ProteinEntry,
    ProteinNames,
    cd_antigen,
    comment_text,
    join_sentences,
    location_comment,
)

# Start tag of the root, with the prefix of its namespace if it has one.
ROOT = re.compile(rb"<((?:[\w.-]+:)?)(uniprot|entry)(?:\s[^>]*)?>")
DECLARATION = re.compile(rb"<\?xml\b[^>]*\?>")
OTHER_ENCODING = re.compile(rb"encoding\s*=\s*[\"'](?!utf-8[\"'])", re.IGNORECASE)
REMARK = re.compile(rb"<!--.*?-->", re.DOTALL)
REVIEWED = {"Swiss-Prot": True, "TrEMBL": False}
# Between these is most of an entry, of no use here. The schema fixes the order of all elements.
UNUSED = ((b"<reference ", b"<comment "), (b"</comment>", b"<sequence "))
# Parts of a location that keep their capital after a comma: the schema writes each part in a
# `<location>` of its own and gives it one. From UniProtKB's vocabulary of locations (subcell.txt).
CAPITAL_PLACES = (
    "Bacterial extracellular vesicle",
    "Cajal ",
    "Cortical granule",
    "Cytoplasmic ribonucleoprotein granule",
    "Golgi ",
    "Host pathogen-containing vacuole",
    "Midbody ring",
    "Nucleolus fibrillar center",
    "Stress granule",
    "Target membrane",
)


class EntryText(NamedTuple):
    """An entry as it stands in the file, with what stands around it.

    Attributes:
        before: XML declaration (if the encoding is not UTF-8) and start tag of the root.
        data: the element.
        after: end tag of the root.
    """

    before: bytes
    data: bytes
    after: bytes


def read_xml_entries(path: Path, head: bytes, blocks: Iterable[bytes]) -> Iterator[Record]:
    """Yield the entries of an XML file as records of `EntryText`.

    Args:
        path: the file, for messages.
        head: its beginning, with the start tag of the root.
        blocks: all of its bytes.

    Raises:
        SourceError: the end of the root is missing, or see `cutting.cut_pieces`.
    """
    head = REMARK.sub(b"", head)
    root = ROOT.search(head)
    if root is None:
        raise SourceError(path, 1, "unknown format", "no start tag of <uniprot> or <entry>.")
    prefix, whole = root[1], root[2] == b"uniprot"
    before, after = (root[0], b"</" + prefix + b"uniprot>") if whole else (b"", b"")
    declaration = DECLARATION.search(head, 0, root.start())
    if declaration and OTHER_ENCODING.search(declaration[0]):
        before = declaration[0] + before
    begin = re.compile(b"<" + prefix + rb"entry(?=[\s>])")
    accession = re.compile(b"<" + prefix + rb"accession>\s*([^<\s]+)")
    last, cut_off = b"", False

    def with_entries() -> Iterator[FilePiece]:
        nonlocal last
        for piece in _without_remarks(path, cut_pieces(path, blocks, b"</" + prefix + b"entry>")):
            last = piece.data
            if piece.complete or begin.search(last):
                yield piece

    def begins(data: bytes) -> list[int]:
        return [match.start() for match in begin.finditer(data)]

    for record in cut_entries(path, with_entries(), begins, accession, "<entry> or </entry>"):
        cut_off = record.problem is not None
        yield record if cut_off else record._replace(content=EntryText(before, record.content, after))
    if not cut_off and after not in last:
        raise SourceError(path, 0, "cut file", f"ends without {after.decode()}. Download it again.")


def _without_remarks(path: Path, pieces: Iterable[FilePiece]) -> Iterator[FilePiece]:
    """Join pieces that were cut inside of `<!-- … -->`, and take all of these out."""
    held = b""
    for piece in pieces:
        data = held + piece.data
        if b"<!--" in data:
            if piece.complete and data.rfind(b"<!--") > data.rfind(b"-->"):
                held = data
                if len(held) > LARGEST_RECORD:
                    raise SourceError(path, piece.line, "entry without end", "the remark <!-- … has no end -->.")
                continue
            data = REMARK.sub(b"", data)
        held = b""
        yield piece._replace(data=data)
    if held:
        yield piece._replace(data=held, complete=False)


def parse_xml_entry(text: EntryText) -> ProteinEntry:
    """Return the entry of a record of `read_xml_entries`.

    Raises:
        RejectedRecord: it is not UTF-8 or not XML, or states no number as its length.
    """
    if not text.before.startswith(b"<?xml"):
        decode_entry(text.data)
    entry = _element(text)
    space = entry.tag.removesuffix("entry")
    comments: dict[str, list[str]] = {"function": [], "subcellular location": [], "similarity": []}
    for element in entry.iterfind(f"{space}comment"):
        kind = element.get("type", "")
        if kind in comments:
            comments[kind].append(_comment(element, space))
    names, numbers = _names(entry, space)
    inner = [_text(number) for number in entry.iterfind(f"{space}protein//{space}ecNumber")]
    sequence = entry.find(f"{space}sequence")
    length = None if sequence is None else sequence.get("length")
    if length and not length.isdecimal():
        raise RejectedRecord("unreadable entry", f"the sequence has the length {length!r}")
    return ProteinEntry(
        accession=_text(entry.find(f"{space}accession")),
        sequence="".join(_text(sequence).split()),
        length=int(length) if length else None,
        reviewed=REVIEWED.get(entry.get("dataset", "")),
        names=names,
        enzyme_numbers=numbers,
        functions=tuple(comments["function"]),
        locations=tuple(comments["subcellular location"]),
        similarities=tuple(comments["similarity"]),
        created=entry.get("created", ""),
        all_enzyme_numbers=(*inner, *numbers),
    )


def _element(text: EntryText) -> ET.Element:
    """Return the entry's element, without what is of no use where it stands as the schema says."""
    try:
        # All of it has to be well-formed; building a tree of all of it would take most of the time.
        expat.ParserCreate().Parse(text.before + text.data + text.after, True)
        root = ET.fromstring(text.before + _used(text.data) + text.after)
    except (expat.ExpatError, ET.ParseError, LookupError, ValueError) as error:
        raise RejectedRecord("unreadable entry", f"not XML: {error}") from error
    return root[0] if text.after else root


def _used(data: bytes) -> bytes:
    """Return an entry without `UNUSED`, or as it is where it is not as expected."""
    (first, second), (third, fourth) = UNUSED
    a, b, c, d = data.find(first), data.find(second), data.rfind(third), data.rfind(fourth)
    if not 0 <= a < b < c < d or b' ref="' in data[:a]:  # `ref`: see `_names`
        return data
    return data[:a] + data[b : c + len(third)] + data[d:]


def _names(entry: ET.Element, space: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    protein = entry.find(f"{space}protein")
    names, numbers = ProteinNames([], [], []), []
    listed = {
        "recommendedName": names.recommended,
        "submittedName": names.submitted,
        "alternativeName": names.alternative,
    }
    for element in () if protein is None else protein:
        kind = element.tag.removeprefix(space)
        if kind in listed:
            parts = [(part.tag.removeprefix(space), _text(part)) for part in element]
            listed[kind] += [value for key, value in parts if key in ("fullName", "shortName")]
            if kind != "alternativeName":
                numbers += [value for key, value in parts if key == "ecNumber"]
                numbers += _numbers_referred_to(entry, space, element.get("ref", ""))
        elif kind == "cdAntigenName":
            names.alternative.append(cd_antigen(_text(element)))
        elif kind in ("allergenName", "biotechName", "innName"):
            names.alternative.append(_text(element))
    return names.in_order(), tuple(numbers)


def _numbers_referred_to(entry: ET.Element, space: str, keys: str) -> list[str]:
    """Return the EC numbers of releases before 2011: `ref="1"` names a `<dbReference key="1">`."""
    return [
        reference.get("id", "")
        for key in keys.split()
        for reference in entry.iterfind(f"{space}dbReference[@key='{key}']")
        if reference.get("type") == "EC"
    ]


def _comment(element: ET.Element, space: str) -> str:
    molecule = ", ".join(_texts(element, f"{space}molecule"))
    texts = _texts(element, f"{space}text")
    if element.get("type") != "subcellular location":
        return comment_text(molecule, join_sentences(texts))
    places = [
        [
            part
            for kind in ("location", "topology", "orientation")
            if (part := _hierarchy(_texts(place, f"{space}{kind}")))
        ]
        for place in element.iterfind(f"{space}subcellularLocation")
    ]
    return location_comment(molecule, places, texts)


def _hierarchy(parts: list[str]) -> str:
    """Join "Cytoplasm", "Cytoskeleton" to "Cytoplasm, cytoskeleton"; "P-body" and "PML body" stay."""
    later = (
        part if part.startswith(CAPITAL_PLACES) or not part[1:2].islower() else part[0].lower() + part[1:]
        for part in parts[1:]
    )
    return ", ".join([*parts[:1], *later])


def _texts(element: ET.Element, tag: str) -> list[str]:
    return [text for child in element.iterfind(tag) if (text := _text(child))]


def _text(element: ET.Element | None) -> str:
    return "" if element is None else " ".join("".join(element.itertext()).split())
