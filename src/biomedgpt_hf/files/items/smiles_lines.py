"""Lines of molecules: `SMILES name`, `CID<TAB>SMILES` as PubChem's CID-SMILES, InChI too; with or without a header."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from rdkit import Chem, rdBase

from biomedgpt_hf.files.items.column_names import structure_column
from biomedgpt_hf.files.items.molblock import Structure
from biomedgpt_hf.files.items.text_lines import as_label, head_lines, text_lines
from biomedgpt_hf.files.records import Record, RejectedRecord
from biomedgpt_hf.files.sources import SourceError

HEADER_DELIMITER = r"[\t,;]"
DELIMITERS = r"[\s,;]+"  # between a structure and its name
INCHI = "InChI="  # which has commas and semicolons of its own
SUFFIXES = (".smi", ".smiles", ".ism", ".can")
FIRST_LINES = 20  # looked at to tell where the structures are
EXPECTED_MOLECULES = (
    "Expected lines of SMILES (alone, before a name, or behind a CID), a table with a column named SMILES, an SDF, MOL "
    "or MOL2 file."
)


def read_smiles_lines(path: Path) -> Iterator[Record]:
    """Yield the molecules of a list; the content is a `Structure`, which is not checked.

    Raises:
        OSError, SourceError: as `sources.read_lines`, or most of the first lines hold no molecule.
    """
    place, skipped = structure_place(head_lines(path))
    if place is None and is_named_so(path):  # each line's problem will be told
        place = 0
    if place is None:
        raise SourceError(path, 1, "unknown format", f"does not begin a list of molecules. {EXPECTED_MOLECULES}")
    for number, line in text_lines(path):
        if number <= skipped or not line.strip() or line.startswith("#"):  # a comment
            continue
        text, name = _cut(line, place)
        id = ("CID:" if place and name.isdecimal() else "") + as_label(name)
        if text:
            yield Record(path.name, number, id, Structure(undoubled(text)))
        else:
            yield Record(
                path.name, number, id, problem=RejectedRecord("no structure", f"{as_label(line)[:60]!r} is all")
            )


def structure_place(head: Sequence[tuple[int, str]]) -> tuple[int | None, int]:
    """Return where most lines have a molecule, and the number of the header line, or 0.

    The place is 0, in front; 1, behind a name; or None, nowhere.
    """
    lines = [(number, line) for number, line in head if line.strip() and not line.startswith("#")][: FIRST_LINES + 1]
    if not lines:
        return None, 0
    number, first = lines[0]
    has_header = structure_column(header_cells(first)) is not None
    molecules = [line for _, line in lines[has_header:]]
    for place in (0, 1):
        if molecules and 2 * sum(_is_readable(_cut(line, place)[0]) for line in molecules) >= len(molecules):
            return place, number if has_header else 0
    return None, 0


def is_named_so(path: Path) -> bool:
    """Tell whether a file's name says that it is a list of SMILES, whatever is in it."""
    return path.name.lower().removesuffix(".gz").endswith(SUFFIXES)


def header_cells(header: str) -> list[str]:
    """Return the cells of a line that may be the header of a table or a list."""
    cells = re.split(HEADER_DELIMITER, header) if re.search(HEADER_DELIMITER, header) else header.split()
    return [cell.strip(" \"'") for cell in cells]


def undoubled(text: str) -> str:
    """Return a structure with single backslashes; ChEBI-20's files double them."""
    return text.strip().replace("\\\\", "\\")


def _cut(line: str, place: int) -> tuple[str, str]:
    """Return a line's structure, its first (0) or second (1) word, and the name beside it."""
    first, rest = _first_word(line.strip())
    if place:
        return _first_word(rest)[0], first
    if extension := re.match(r"\|[^|]*\|", rest):  # of CXSMILES, which `smiles_to_graph` refuses with a reason
        return f"{first} {extension[0]}", rest[extension.end() :]
    return first, rest


def _first_word(text: str) -> tuple[str, str]:
    """Return the first word of a line, and what is behind it."""
    word, *rest = re.split(r"\s+" if text.startswith(INCHI) else DELIMITERS, text, maxsplit=1)
    return word, "".join(rest)


def _is_readable(text: str) -> bool:
    if text.startswith(INCHI):
        return True
    if not text.strip("*") or not text.isascii():  # `*` is a molecule to RDKit, and a bullet in prose
        return False
    with rdBase.BlockLogs():
        return Chem.MolFromSmiles(undoubled(text)) is not None
