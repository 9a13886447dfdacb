"""Lines of molecules: `SMILES name`, or `CID<TAB>SMILES` as in PubChem's CID-SMILES. InChI and a header are allowed."""

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
from biomedgpt_hf.processors.molecule_limits import molecule_excess

HEADER_DELIMITER = r"[\t,;]"
DELIMITERS = r"[\s,;]+"  # between a structure and its name
INCHI = "InChI="  # an InChI may contain commas and semicolons itself
SUFFIXES = (".smi", ".smiles", ".ism", ".can")
FIRST_LINES = 20  # number of lines that decide where the structures are
EXPECTED_MOLECULES = (
    "Expected lines of SMILES (alone, before a name, or after a CID), a table with a column named SMILES, an SDF, MOL "
    "or MOL2 file."
)


def read_smiles_lines(path: Path) -> Iterator[Record]:
    """Yield the molecules of a list. The content is a `Structure`, which is not checked.

    Raises:
        OSError, SourceError: see `sources.read_lines`; or most of the first lines hold no molecule.
    """
    place, skipped = structure_place(head_lines(path))
    if place is None and is_named_so(path):  # each line is reported with its own problem
        place = 0
    if place is None:
        raise SourceError(
            path, 1, "unknown format", f"is not the beginning of a list of molecules. {EXPECTED_MOLECULES}"
        )
    for number, line in text_lines(path):
        if number <= skipped or not line.strip() or line.startswith("#"):  # a comment
            continue
        text, name = _cut(line, place)
        id = ("CID:" if place and name.isdecimal() else "") + as_label(name)
        if text:
            yield Record(path.name, number, id, Structure(undoubled(text)))
        else:
            yield Record(
                path.name,
                number,
                id,
                problem=RejectedRecord("no structure", f"the line holds only {as_label(line)[:60]!r}"),
            )


def structure_place(head: Sequence[tuple[int, str]]) -> tuple[int | None, int]:
    """Return the place of the molecule in most lines, and the number of the header line, or 0.

    The place is 0 for the first word, 1 for the second word, after a name, and None if there is no molecule.
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
    """Tell whether a file's name says that it is a list of SMILES. The content is not read."""
    return path.name.lower().removesuffix(".gz").endswith(SUFFIXES)


def header_cells(header: str) -> list[str]:
    """Return the cells of a line that may be the header of a table or a list."""
    cells = re.split(HEADER_DELIMITER, header) if re.search(HEADER_DELIMITER, header) else header.split()
    return [cell.strip(" \"'") for cell in cells]


def undoubled(text: str) -> str:
    """Return a structure with single backslashes. ChEBI-20's files double them."""
    return text.strip().replace("\\\\", "\\")


def _cut(line: str, place: int) -> tuple[str, str]:
    """Return a line's structure, its first (0) or second (1) word, and the name beside it."""
    first, rest = _first_word(line.strip())
    if place:
        return _first_word(rest)[0], first
    if extension := re.match(r"\|[^|]*\|", rest):  # of CXSMILES; `smiles_to_graph` refuses it with a reason
        return f"{first} {extension[0]}", rest[extension.end() :]
    return first, rest


def _first_word(text: str) -> tuple[str, str]:
    """Return the first word of a line, and what follows it."""
    word, *rest = re.split(r"\s+" if text.startswith(INCHI) else DELIMITERS, text, maxsplit=1)
    return word, "".join(rest)


def _is_readable(text: str) -> bool:
    if text.startswith(INCHI):
        return True
    if not text.strip("*") or not text.isascii():  # RDKit reads `*` as a molecule, but it may be a bullet
        return False
    if molecule_excess(text):  # a molecule, whose reader will refuse it
        return True
    with rdBase.BlockLogs():
        return Chem.MolFromSmiles(undoubled(text)) is not None
