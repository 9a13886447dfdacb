"""SDF, MOL and MOL2 files as blocks of text, one block per molecule. RDKit reads the blocks in `molblock`.

A block holds the lines that the format needs. Title, comments and data fields are free text of any encoding, and are
read only for an id: PubChem's CID, else the title, else the field in which ChEBI or ChEMBL writes an id.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from biomedgpt_hf.files.items.molblock import MOL2_START, Structure
from biomedgpt_hf.files.items.text_lines import RecordSize, as_label, text_lines
from biomedgpt_hf.files.records import Record, RejectedRecord

SDF_END = "$$$$"
MOL2_MOLECULE = f"{MOL2_START}MOLECULE"
CID_FIELD = re.compile(r">.*<PUBCHEM_COMPOUND_CID>", re.IGNORECASE)
ID_FIELD = re.compile(r">.*<(chebi[ _]id|chembl_?id|molecule_chembl_id|drugbank_id|zinc_?id|id|name)>", re.IGNORECASE)


def read_sdf_records(path: Path) -> Iterator[Record]:
    """Yield the records of an SDF or MOL file. The content is a `Structure`.

    Raises:
        OSError, SourceError: see `sources.read_lines`; or a record has no end.
    """
    size, begin, block = RecordSize(path, SDF_END), 1, list[str]()
    for number, line in chain(text_lines(path), [(0, SDF_END)]):  # the last record may lack its end mark
        size.add(number, line, is_new=not block)
        if not line.startswith(SDF_END):
            block.append(line)
            continue
        if any(map(str.strip, block)):
            yield _sdf_record(path, begin, block)
        begin, block = number + 1, []


def _sdf_record(path: Path, begin: int, block: Sequence[str]) -> Record:
    end = next((place for place, line in enumerate(block) if line.startswith("M  END")), None)
    cid = _field(block, CID_FIELD)
    id = f"CID:{cid}" if cid else as_label(block[0]) or _field(block, ID_FIELD)
    if end is None:
        problem = RejectedRecord("record cut in the middle", "its line 'M  END' is missing")
        return Record(path.name, begin, id, problem=problem)
    lines = ["", *block[1:2], "", *block[3 : end + 1], ""]
    return Record(path.name, begin, id, Structure("\n".join(lines), is_mol_block=True))


def _field(block: Sequence[str], name: re.Pattern[str]) -> str:
    value = next((block[place + 1] for place, line in enumerate(block[:-1]) if name.match(line)), "")
    return as_label(value)


def read_mol2(path: Path) -> Iterator[Record]:
    """Yield the molecules of a MOL2 file. The content is a `Structure`.

    Raises:
        OSError, SourceError: see `sources.read_lines`; or a record has no end.
    """
    size, begin, block = RecordSize(path, MOL2_MOLECULE), 0, list[str]()
    for number, line in chain(text_lines(path), [(0, MOL2_MOLECULE)]):
        is_new = line.startswith(MOL2_MOLECULE)
        size.add(number, line, is_new=is_new)
        if is_new and begin:
            yield _mol2_record(path, begin, block)
        if is_new:
            begin, block = number, []
        block.append(line)


def _mol2_record(path: Path, begin: int, block: Sequence[str]) -> Record:
    id = as_label(block[1]) if len(block) > 1 else ""
    text = "\n".join([block[0], "", *(line for line in block[2:] if not line.startswith("#")), ""])
    return Record(path.name, begin, "" if id == "****" else id, Structure(text, is_mol_block=True))
