"""Descriptions in PubChem's PUG-View JSON: annotation pages and full records.

Annotation pages (`…/rest/pug_view/annotations/heading/JSON?heading=Record+Description&heading_type=Compound&page=N`)
list each depositor's text with the compounds that it is about. A full record (`…/rest/pug_view/data/compound/CID/JSON`)
lists a compound's texts, with the depositors in a table of references, and its structure. A few fields had other names
before 2019. Kim et al.: PUG-View (J. Cheminformatics 2019, 11:56).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from biomedgpt_hf.files.records import RejectedRecord, UnwantedRecord
from biomedgpt_hf.sets.pubchemqa.findings import Description, Finding, Form, PubChemStructure, read_number

HEADING = "Record Description"
DESCRIPTORS = "Computed Descriptors"
# Those with stereo come first. Records have "SMILES" since 2025; before, they had the next two.
STRUCTURE_HEADINGS = ("SMILES", "Isomeric SMILES", "Canonical SMILES", "InChI")
# PubChem's own list of related records stands among the descriptions, but describes nothing.
CROSS_REFERENCE = "see also"
NO_DEPOSITOR = "PubChem"


def read_annotation(annotation: Mapping[str, Any], line: int) -> Iterator[Finding]:
    """Yield the descriptions of one annotation of a page: each of its texts for each of its compounds."""
    entry_id = _entry_id(annotation)
    cids = list(dict.fromkeys(_numbers(annotation, "CID")))
    data = _mappings(annotation, "Data")
    texts = [datum for datum in data if _heading(datum) == HEADING]
    if not texts:
        headings = ", ".join(sorted({_heading(datum) for datum in data}))
        yield Finding(line, 0, entry_id, UnwantedRecord("other heading", headings or "no Data"))
    for position, datum in enumerate(texts, start=1):
        text_id = entry_id if position == 1 else f"{entry_id}:{position}"
        content = _content(datum, annotation)
        if not cids and not isinstance(content, UnwantedRecord):
            sids = ", ".join(map(str, _numbers(annotation, "SID")))
            detail = f"linked to the substances {sids} only" if sids else "linked to no compound"
            content = RejectedRecord("no CID", detail)
        for cid in cids or [0]:
            yield Finding(line, cid, f"CID:{cid}:{text_id}" if cid else text_id, content)


def read_record(record: Mapping[str, Any], line: int) -> Iterator[Finding]:
    """Yield the structure and the descriptions of a full record."""
    kind, number = record.get("RecordType"), record.get("RecordNumber")
    cid = read_number(number)
    if kind != "CID" or not cid:
        shown = f"{kind} {number}"[:80]
        yield Finding(line, 0, shown, RejectedRecord("not a compound", f"a record of {shown}"))
        return
    structures: dict[str, str] = {}
    entries: list[Mapping[str, Any]] = []
    for path, section in _sections(record):
        if path[-1] == HEADING:
            entries += _mappings(section, "Information")
        elif path[-1] in STRUCTURE_HEADINGS and DESCRIPTORS in path:
            strings = [string for entry in _mappings(section, "Information") for string in _strings(entry)]
            structures.setdefault(path[-1], "".join(strings[:1]).strip())
    found = next(filter(None, map(structures.get, STRUCTURE_HEADINGS)), None)
    if found:
        yield Finding(line, cid, "", PubChemStructure(Form.LINE, found))
    if not entries:
        yield Finding(line, cid, f"CID:{cid}", UnwantedRecord("no description"))
    yield from _read_entries(record, entries, cid, line)


def _read_entries(
    record: Mapping[str, Any], entries: list[Mapping[str, Any]], cid: int, line: int
) -> Iterator[Finding]:
    references = {reference.get("ReferenceNumber"): reference for reference in _mappings(record, "Reference")}
    met: Counter[str] = Counter()
    for entry in entries:
        number = entry.get("ReferenceNumber")
        reference = references.get(number, {}) if isinstance(number, int) else {}
        content = _content(entry, reference)
        entry_id = _entry_id(reference, str(content))
        met[entry_id] += 1
        suffix = f":{met[entry_id]}" if met[entry_id] > 1 else ""
        yield Finding(line, cid, f"CID:{cid}:{entry_id}{suffix}", content)


def _content(entry: Mapping[str, Any], depositor: Mapping[str, Any]) -> Description | RejectedRecord:
    """Return the description of an entry, or why it is none."""
    text = " ".join(_strings(entry))
    if _string(entry, "Name").lower() == CROSS_REFERENCE or text.lower().startswith(f"{CROSS_REFERENCE}:"):
        return UnwantedRecord("cross reference", text)
    value = entry.get("Value")
    if not text.strip():
        return UnwantedRecord("no text", ", ".join(value) if isinstance(value, Mapping) else "no value")
    return Description(
        text,
        " ".join(_string(depositor, "SourceName").split()) or NO_DEPOSITOR,
        _string(depositor, "LicenseNote"),
        _string(depositor, "LicenseURL"),
    )


def _entry_id(depositor: Mapping[str, Any], text: str = "") -> str:
    """Identify an entry: by its number; else by its depositor and the depositor's number; else by its text."""
    if number := read_number(depositor.get("ANID")):
        return f"ANID:{number}"
    if source_id := depositor.get("SourceID"):
        return f"{_string(depositor, 'SourceName')}:{source_id}"
    text = text or repr(depositor)
    return f"TEXT:{hashlib.blake2b(text.encode('utf-8', 'surrogatepass'), digest_size=8).hexdigest()}"


def _strings(entry: Mapping[str, Any]) -> list[str]:
    """Return the strings of an entry; before 2019 they stood beside the other fields, with HTML in them."""
    value = entry.get("Value", entry)
    if not isinstance(value, Mapping):
        return []
    strings = [part.get("String") for part in _mappings(value, "StringWithMarkup")]
    listed = value.get("StringValueList")
    strings += [value.get("StringValue"), *(listed if isinstance(listed, list) else [])]
    return [string for string in strings if isinstance(string, str)]


def _sections(section: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Mapping]]:
    """Yield all sections below one, each with the headings that lead to it."""
    for below in _mappings(section, "Section"):
        headings = (*path, _heading(below))
        yield headings, below
        yield from _sections(below, headings)


def _heading(entry: Mapping[str, Any]) -> str:
    """Return a heading; in annotation pages it is an object that also says what it is a heading for."""
    heading = entry.get("TOCHeading")
    return _string(heading, "#TOCHeading") if isinstance(heading, Mapping) else str(heading)


def _numbers(annotation: Mapping[str, Any], kind: str) -> list[int]:
    """Return the CIDs or SIDs that an annotation is linked to."""
    linked = annotation.get("LinkedRecords", annotation.get("LinkToPubChemBy"))
    listed = linked.get(kind) if isinstance(linked, Mapping) else None
    return list(filter(None, map(read_number, listed if isinstance(listed, list) else [listed])))


def _mappings(holder: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    listed = holder.get(key)
    return [item for item in listed if isinstance(item, Mapping)] if isinstance(listed, list) else []


def _string(holder: Mapping[str, Any], key: str) -> str:
    value = holder.get(key)
    return value if isinstance(value, str) else ""
