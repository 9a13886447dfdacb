"""UniProtKB's REST JSON, https://www.uniprot.org/help/api

As the site gives it: {"results": [entries]}, one bare entry, a bare list, JSON Lines, and the answers
of its identifier mapping; compact or indented.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from biomedgpt_hf.files.json_text import describe_json_error
from biomedgpt_hf.files.records import Record, RejectedRecord, UnwantedRecord
from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.files.uniprot.cutting import reject_cut_entry
from biomedgpt_hf.files.uniprot.entry import (
    ProteinEntry,
    ProteinNames,
    cd_antigen,
    comment_text,
    join_sentences,
    location_comment,
)
from biomedgpt_hf.files.uniprot.json_stream import EntryStream

ACCESSION = re.compile(r'"primaryAccession"\s*:\s*"([^"]*)"')
REVIEWED = {"UniProtKB reviewed (Swiss-Prot)": True, "UniProtKB unreviewed (TrEMBL)": False}


def read_json_entries(path: Path, blocks: Iterable[bytes]) -> Iterator[Record]:
    """Yield the entries of a JSON file as records of text.

    A record's line is its number, for the files have mostly one line.

    Raises:
        SourceError: the first object is no entry, the end of the list is missing, or the gzip is cut.
    """
    stream = EntryStream(blocks)
    number = 0
    for number, found in enumerate(stream, start=1):
        match = ACCESSION.search(found.text)
        accession = match[1] if match else ""
        if found.cut:
            yield reject_cut_entry(path, number, accession, "closing }")
        elif found.problem:
            yield Record(path.name, number, accession, problem=found.problem)
        elif number == 1 and not accession:
            detail = f"the first object is no entry of UniProtKB, it has no primaryAccession: {found.text[:200]!r}."
            raise SourceError(path, 1, "unknown format", detail)
        else:
            yield Record(path.name, number, accession, found.text)
    if not stream.complete:
        detail = f"ends after entry {number} without the closing ] of its list. Download it again."
        raise SourceError(path, 0, "cut file", detail)


def parse_json_entry(text: str) -> ProteinEntry:
    """Return the entry of a record of `read_json_entries`.

    Raises:
        UnwantedRecord: UniProtKB has deleted it, or merged it with another.
        RejectedRecord: it is not JSON, or not built as UniProtKB builds it.
    """
    try:
        value = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise RejectedRecord("unreadable entry", f"not JSON: {describe_json_error(error)}") from error
    if not isinstance(value, Mapping):
        raise RejectedRecord("unreadable entry", f"{value!r:.60} is no object")
    if isinstance(value.get("to"), Mapping):  # an answer of the identifier mapping: {"from": …, "to": entry}
        value = value["to"]
    if value.get("entryType") == "Inactive":
        raise UnwantedRecord("inactive entry", _string(_object(value, "inactiveReason").get("inactiveReasonType")))
    description = _object(value, "proteinDescription")
    names, numbers = _names(description)
    by_topic: dict[str, list[str]] = {"FUNCTION": [], "SUBCELLULAR LOCATION": [], "SIMILARITY": []}
    for item in _objects(value, "comments"):
        if (topic := _string(item.get("commentType"))) in by_topic:
            by_topic[topic].append(_comment(item))
    sequence = _object(value, "sequence")
    length = sequence.get("length")
    return ProteinEntry(
        accession=_string(value.get("primaryAccession")),
        sequence=_string(sequence.get("value")),
        length=length if isinstance(length, int) else None,
        reviewed=REVIEWED.get(_string(value.get("entryType"))),
        names=names,
        enzyme_numbers=numbers,
        functions=tuple(by_topic["FUNCTION"]),
        locations=tuple(by_topic["SUBCELLULAR LOCATION"]),
        similarities=tuple(by_topic["SIMILARITY"]),
        created=_string(_object(value, "entryAudit").get("firstPublicDate")),
        all_enzyme_numbers=tuple(_all_numbers(description)),
    )


def _names(description: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    names, numbers = ProteinNames([], [], []), []
    recommended = _object(description, "recommendedName")
    submitted = _objects(description, "submissionNames")
    names.recommended.extend(_full_and_short(recommended))
    for name in _objects(description, "alternativeNames"):
        names.alternative.extend(_full_and_short(name))
    for name in submitted:
        names.submitted.extend(_full_and_short(name))
    for name in (recommended, *submitted):
        numbers += _values(_objects(name, "ecNumbers"))
    for key in ("allergenName", "biotechName"):
        names.alternative.extend(_values([_object(description, key)]))
    names.alternative.extend(map(cd_antigen, _values(_objects(description, "cdAntigenNames"))))
    names.alternative.extend(_values(_objects(description, "innNames")))
    return names.in_order(), tuple(numbers)


def _all_numbers(description: Mapping[str, Any]) -> list[str]:
    """Return the EC numbers of all names, those of domains and chains too."""
    parts = [description, *_objects(description, "includes"), *_objects(description, "contains")]
    numbers = []
    for part in parts:
        listed = (*_objects(part, "alternativeNames"), *_objects(part, "submissionNames"))
        for name in (_object(part, "recommendedName"), *listed):
            numbers += _values(_objects(name, "ecNumbers"))
    return numbers


def _full_and_short(name: Mapping[str, Any]) -> list[str]:
    return _values([_object(name, "fullName"), *_objects(name, "shortNames")])


def _comment(item: Mapping[str, Any]) -> str:
    molecule = _string(item.get("molecule"))
    if item["commentType"] != "SUBCELLULAR LOCATION":
        return comment_text(molecule, join_sentences(_values(_objects(item, "texts"))))
    places = [
        _values([_object(place, part) for part in ("location", "topology", "orientation")])
        for place in _objects(item, "subcellularLocations")
    ]
    return location_comment(molecule, places, _values(_objects(_object(item, "note"), "texts")))


def _values(items: Sequence[Mapping[str, Any]]) -> list[str]:
    return [text for item in items if (text := _string(item.get("value")))]


def _string(value: object) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    raise RejectedRecord("unreadable entry", f"{value!r:.60} is no string")


def _object(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return an object inside of another one, {} where it is missing."""
    inner = value.get(key)
    if inner is None or isinstance(inner, Mapping):
        return inner or {}
    raise RejectedRecord("unreadable entry", f"{key} is {inner!r:.60}, not an object")


def _objects(value: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    """Return a list of objects inside of another one, [] where it is missing."""
    inner = value.get(key)
    if inner is None or (isinstance(inner, list) and all(isinstance(item, Mapping) for item in inner)):
        return inner or []
    raise RejectedRecord("unreadable entry", f"{key} is {inner!r:.60}, not a list of objects")
