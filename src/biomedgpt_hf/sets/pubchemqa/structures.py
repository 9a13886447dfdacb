"""Structures of PubChem's compounds: CID-SMILES, SDF and PC_Compounds.

CID-SMILES(.gz), in PubChem's folder Compound/Extras, has a line `CID<TAB>SMILES` for each of more than 100 million
compounds; an SDF has their CID as a tag. Of both, only what is wanted is kept.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from biomedgpt_hf.files.records import RejectedRecord
from biomedgpt_hf.files.sources import read_blocks
from biomedgpt_hf.sets.pubchemqa.findings import Finding, Form, PubChemStructure, read_number

BLOCK = 1 << 22  # bytes read at once
TAB, NEWLINE, ZERO = b"\t\n0"
MAX_DIGITS = 18  # of a CID that fits into 64 bits; PubChem's have nine
SDF_END = b"\n$$$$"
SDF_CID = b"PUBCHEM_COMPOUND_CID"
SDF_SMILES = (b"PUBCHEM_SMILES", b"PUBCHEM_OPENEYE_ISO_SMILES")  # both with stereo; files had the second until 2025
SDF_UNDEFINED = (b"PUBCHEM_ATOM_UDEF_STEREO_COUNT", b"PUBCHEM_BOND_UDEF_STEREO_COUNT")
# Label and name of the properties of PC_Compounds that hold a structure; those with stereo come first.
PROPERTIES = (("SMILES", "Absolute"), ("SMILES", "Isomeric"), ("InChI", "Standard"), ("SMILES", "Canonical"))


def read_cid_smiles(path: Path, file: io.BufferedReader, wanted: np.ndarray) -> Iterator[Finding]:
    """Yield the wanted structures of CID-SMILES, and its lines that are none.

    Args:
        path: for errors.
        file: the open file.
        wanted: CIDs in ascending order, int64.

    Raises:
        SourceError: the file is a truncated or corrupt gzip, after what could be read.
    """
    for line, block in _read_whole_lines(path, file):
        codes = np.frombuffer(block, np.uint8)
        ends = np.flatnonzero(codes == NEWLINE)
        starts = np.concatenate(([0], ends[:-1] + 1))
        tabs = np.append(np.flatnonzero(codes == TAB), len(codes))
        tabs = np.minimum(tabs[np.searchsorted(tabs, starts)], ends)
        cids, malformed = _read_numbers(codes, starts, tabs)
        malformed |= tabs == ends
        found = ~malformed & _is_in(cids, wanted)
        for i in np.flatnonzero(found | malformed):
            text = block[starts[i] : ends[i]].decode("utf-8", "surrogateescape")
            smiles = text.partition("\t")[2].strip()
            if found[i] and smiles:
                yield Finding(line + int(i), int(cids[i]), "", PubChemStructure(Form.LINE, smiles))
            elif text.strip() and not _is_header(text, line + int(i)):
                yield Finding(
                    line + int(i), 0, "", RejectedRecord("malformed line", f"{text[:60]!r} is no CID<TAB>SMILES")
                )


def _is_in(numbers: np.ndarray, ascending: np.ndarray) -> np.ndarray:
    if not len(ascending):
        return np.zeros(len(numbers), bool)
    places = np.minimum(np.searchsorted(ascending, numbers), len(ascending) - 1)
    return ascending[places] == numbers


def _read_numbers(codes: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Read the number between each start and end; also return which of them is none."""
    widths = ends - starts
    malformed = (widths == 0) | (widths > MAX_DIGITS)
    numbers = np.zeros(len(starts), np.int64)
    for place in range(min(int(widths.max(initial=0)), MAX_DIGITS)):
        inside = place < widths
        digits = codes[np.minimum(starts + place, len(codes) - 1)].astype(np.int64) - ZERO
        malformed |= inside & ((digits < 0) | (digits > 9))
        numbers = np.where(inside, numbers * 10 + digits, numbers)
    return numbers, malformed


def _is_header(text: str, line: int) -> bool:
    return line == 1 and text.removeprefix("\ufeff").lower().split() == ["cid", "smiles"]


def _read_whole_lines(path: Path, file: io.BufferedReader) -> Iterator[tuple[int, bytes]]:
    """Yield (number of the first line, a block of whole lines).

    Raises:
        SourceError: the file cannot be read on; after everything that could be read but a half line.
    """
    line, rest = 1, b""
    for block in read_blocks(path, file, BLOCK):
        whole, newline, rest = (rest + block).rpartition(b"\n")
        if newline:
            yield line, whole + newline
            line += whole.count(b"\n") + 1
    if rest:
        yield line, rest + b"\n"


def read_pubchem_sdf(path: Path, file: io.BufferedReader, wanted: np.ndarray) -> Iterator[Finding]:
    """Yield the wanted structures of an SDF: the SMILES among its tags, else the molblock.

    Args:
        path: for errors.
        file: the open file.
        wanted: CIDs in ascending order, int64.

    Raises:
        SourceError: the file is a truncated or corrupt gzip, after what could be read.
    """
    asked = set(wanted.tolist())
    start, waiting = 1, b""
    for _, block in _read_whole_lines(path, file):
        waiting += block
        at = 0
        while (end := waiting.find(SDF_END, at)) >= 0:
            end = waiting.index(b"\n", end + len(SDF_END)) + 1
            entry = waiting[at:end]
            yield from _read_entry(entry, start, asked)
            start += entry.count(b"\n")
            at = end
        waiting = waiting[at:]
    if waiting.strip():
        title = waiting[:60].partition(b"\n")[0].decode("utf-8", "replace")
        yield Finding(start, 0, "", RejectedRecord("entry cut off", f"{title!r} does not end with $$$$"))


def _read_entry(entry: bytes, line: int, wanted: set[int]) -> Iterator[Finding]:
    cid = read_number(_tag(entry, SDF_CID).decode("ascii", "replace"))
    if not cid:
        title = entry[:60].partition(b"\n")[0].decode("utf-8", "replace")
        yield Finding(line, 0, "", RejectedRecord("structure without a CID", f"{title!r} has no {SDF_CID.decode()}"))
    elif cid in wanted:
        smiles = next(filter(None, (_tag(entry, tag) for tag in SDF_SMILES)), b"")
        if smiles:
            structure = PubChemStructure(Form.LINE, smiles.decode("utf-8", "surrogateescape"))
        else:
            undefined = any(_tag(entry, tag) not in (b"", b"0") for tag in SDF_UNDEFINED)
            molblock = entry.partition(b"M  END")
            text = b"".join(molblock[:2]).decode("utf-8", "surrogateescape").replace("\r\n", "\n")
            structure = PubChemStructure(Form.MOLBLOCK_PARTLY_UNDEFINED if undefined else Form.MOLBLOCK, text)
        yield Finding(line, cid, "", structure)


def _tag(entry: bytes, name: bytes) -> bytes:
    """Return the value of an SDF tag, or b""."""
    at = entry.find(b"<" + name + b">")
    if at < 0:
        return b""
    start = entry.find(b"\n", at) + 1
    return entry[start : entry.find(b"\n", start)].strip()


def read_compound(compound: Mapping[str, Any], line: int) -> Finding:
    """Return the structure of an entry of PC_Compounds (`…/rest/pug/compound/cid/CID/JSON`)."""
    try:
        cid = read_number(compound["id"]["id"]["cid"])
        values = {
            (prop["urn"]["label"], prop["urn"].get("name")): prop["value"].get("sval")
            for prop in compound.get("props", ())
        }
    except (AttributeError, KeyError, TypeError) as error:
        # PubChem answers so for a structure that it does not have.
        detail = f"{type(error).__name__}: {error}"
        return Finding(line, 0, "", RejectedRecord("structure without a CID", detail))
    structure = next(filter(None, map(values.get, PROPERTIES)), None)
    if not isinstance(structure, str) or not cid:
        return Finding(line, 0, f"CID:{cid}", RejectedRecord("structure without SMILES", "nor InChI"))
    return Finding(line, cid, "", PubChemStructure(Form.LINE, structure.strip()))
