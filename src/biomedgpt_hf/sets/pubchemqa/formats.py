"""Telling PubChem's formats apart by their content, and reading each."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from biomedgpt_hf.files.records import RejectedRecord
from biomedgpt_hf.files.sources import BYTE_ORDER_MARK, GZIP_ERRORS, SourceError, open_source, read_blocks, truncated
from biomedgpt_hf.sets.pubchemqa.findings import Finding
from biomedgpt_hf.sets.pubchemqa.json_values import read_values
from biomedgpt_hf.sets.pubchemqa.pug_view import read_annotation, read_record
from biomedgpt_hf.sets.pubchemqa.structures import read_cid_smiles, read_compound, read_pubchem_sdf

JSON_BLOCK = 1 << 20  # bytes read at once
HEAD = 1 << 14  # bytes by which a format is told
CID_SMILES = re.compile(rb"(?:\xef\xbb\xbf)?(?:CID\tSMILES[ \t]*\r?\n|[ ]*\d+\t\S+)", re.IGNORECASE)
SDF = re.compile(rb"(?:.*\n){3}.{0,60}V[23]000", re.IGNORECASE)
UNKNOWN = "unknown record"
EXPECTED = (
    "expected PUG-View JSON (annotation pages or full records), PC_Compounds JSON, CID-SMILES lines (CID<TAB>SMILES) "
    "or an SDF, each plain or .gz"
)


class PubChemFormat(Enum):
    """What a source file is."""

    JSON = "JSON"
    CID_SMILES = "CID-SMILES"
    SDF = "SDF"


def recognise_pubchem_file(path: Path) -> PubChemFormat:
    """Tell what a file is, by its beginning.

    Raises:
        OSError: the file is missing, a folder, or unreadable.
        SourceError: the file is empty, of no known format, or a gzip that breaks at once.
    """
    try:
        with open_source(path) as file:
            head = file.read1(HEAD)
    except GZIP_ERRORS as error:
        raise truncated(path, 0, error) from error
    text = head.removeprefix(BYTE_ORDER_MARK).lstrip()
    if not text:
        raise SourceError(path, 0, "empty file", "is empty.")
    if CID_SMILES.match(head):
        return PubChemFormat.CID_SMILES
    if SDF.match(head):
        return PubChemFormat.SDF
    if text[:1] in b"{[":
        return PubChemFormat.JSON
    shown = text[:60].decode("utf-8", "replace")
    raise SourceError(path, 1, "unknown format", f"{shown!r} begins no file of PubChem's: {EXPECTED}.")


def read_findings(path: Path, file: io.BufferedReader, kind: PubChemFormat, wanted: np.ndarray) -> Iterator[Finding]:
    """Yield what a file gives.

    Args:
        path: for errors.
        file: the open file.
        kind: its format.
        wanted: ascending CIDs whose structures CID-SMILES and SDF files are searched for, int64. JSON files give
            every structure in them.

    Raises:
        SourceError: the file cannot be read on, or is JSON of something else.
    """
    if kind is PubChemFormat.CID_SMILES:
        yield from read_cid_smiles(path, file, wanted)
    elif kind is PubChemFormat.SDF:
        yield from read_pubchem_sdf(path, file, wanted)
    else:
        yield from _read_json(path, file)


def _read_json(path: Path, file: io.BufferedReader) -> Iterator[Finding]:
    values = read_values(
        path, read_blocks(path, file, JSON_BLOCK), lists=("Annotation", "PC_Compounds"), objects=("Annotations",)
    )
    known = False
    for line, value, container, problem in values:
        if problem is not None:
            yield Finding(line, 0, "", problem)
        elif container != "Annotations":  # these hold the pages' numbers only
            for finding in read_pubchem_value(value, container, line):
                if not known and isinstance(unknown := finding.content, RejectedRecord) and unknown.reason == UNKNOWN:
                    detail = f"JSON with {unknown.detail} is none of PubChem's: {EXPECTED}."
                    raise SourceError(path, line, "unknown format", detail)
                known = True
                yield finding
    if not known:
        raise SourceError(path, 1, "no record", f"holds JSON, but no record: {EXPECTED}.")


def read_pubchem_value(value: Any, container: str, line: int) -> Iterator[Finding]:
    """Yield what a JSON value gives.

    Args:
        value: an annotation, a page of them, a full record, an entry or a list of PC_Compounds, or an error message.
        container: the key under which it stood, or "".
        line: where it begins.
    """
    if not isinstance(value, Mapping):
        yield _unknown(value, line)
    elif container == "Annotation" or ("Data" in value and "SourceName" in value):
        yield from read_annotation(value, line)
    elif container == "PC_Compounds" or ("atoms" in value and "id" in value):
        yield read_compound(value, line)
    elif isinstance(record := value.get("Record", value), Mapping) and "RecordType" in record:
        yield from read_record(record, line)
    elif isinstance(value.get("Annotations"), Mapping):
        yield from _read_listed(value["Annotations"], "Annotation", line)
    elif "PC_Compounds" in value:
        yield from _read_listed(value, "PC_Compounds", line)
    elif isinstance(fault := value.get("Fault"), Mapping):
        detail = f"{fault.get('Code')}: {fault.get('Message')}"
        yield Finding(line, 0, "", RejectedRecord("error message of PubChem", detail[:200]))
    else:
        yield _unknown(value, line)


def _read_listed(holder: Mapping[str, Any], key: str, line: int) -> Iterator[Finding]:
    listed = holder.get(key)
    for value in listed if isinstance(listed, list) else [holder]:
        yield from read_pubchem_value(value, key, line)


def _unknown(value: Any, line: int) -> Finding:
    shown = ", ".join(value)[:60] if isinstance(value, Mapping) else repr(value)[:60]
    return Finding(line, 0, "", RejectedRecord(UNKNOWN, shown))
