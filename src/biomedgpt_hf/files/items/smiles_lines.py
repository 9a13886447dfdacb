"""Lines of molecules: `SMILES name`, or `CID<TAB>SMILES` as in PubChem's CID-SMILES. InChI and a header are allowed.

A header has a name that is known for molecules. Where it has none, the lines are no list: they are a table, and its
user has to say which column holds the molecules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from rdkit import Chem, rdBase

from biomedgpt_hf.files.items.molblock import Structure
from biomedgpt_hf.files.items.text_lines import as_label, head_lines, text_lines
from biomedgpt_hf.files.records import Record, RejectedRecord
from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.files.tables.column_names import id_prefix, known_columns
from biomedgpt_hf.files.tables.empty_cells import is_empty
from biomedgpt_hf.modalities import MOLECULE
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


def read_smiles_lines(path: Path, *, is_sure: bool = False) -> Iterator[Record]:
    """Yield the molecules of a list. The content is a `Structure`, which is not checked.

    Args:
        path: the file.
        is_sure: its user says that it is a list, so that each line without a molecule is told by itself.

    Raises:
        OSError, SourceError: see `sources.read_lines`; or most of the first lines hold no molecule.
    """
    head = head_lines(path)
    place, skipped = structure_place(head)
    if place is None and (is_sure or is_named_so(path)):  # each line is reported with its own problem
        place = 0
    if place is None:
        raise SourceError(
            path, 1, "unknown format", f"is not the beginning of a list of molecules. {EXPECTED_MOLECULES}"
        )
    prefix = "CID:" if place and _has_cids(head, skipped) else ""
    for number, line in text_lines(path):
        if number <= skipped or not line.strip() or line.startswith("#"):  # a comment
            continue
        text, name = _cut(line, place)
        id = (prefix if name.isdecimal() else "") + as_label(name)
        if not is_empty(text):
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
    has_header = bool(known_columns(header_cells(first), MOLECULE.name))
    molecules = [line for _, line in lines[has_header:]]
    for place in (0, 1):
        # Cells without a molecule may be the header of a table with other names, such as "id,drug" or "drug,target".
        may_be_bad = place == 0 and not re.search(HEADER_DELIMITER, first)
        is_list = has_header or may_be_bad or is_structure(_cut(first, place)[0])
        if (
            molecules
            and is_list
            and 2 * sum(is_structure(_cut(line, place)[0]) for line in molecules) >= len(molecules)
        ):
            return place, number if has_header else 0
    return None, 0


def _has_cids(head: Sequence[tuple[int, str]], header: int) -> bool:
    """Tell whether lines are those of PubChem's CID-SMILES: all begin with a number, and none has a third cell.

    A header, whose line is given, has to say that the numbers are CIDs.
    """
    filled = [(number, line.strip()) for number, line in head if line.strip() and not line.startswith("#")]
    named = next((header_cells(line)[0] for number, line in filled if number == header), "cid")
    cells = [_first_word(line) for number, line in filled if number > header]
    return bool(id_prefix(named)) and all(number.isdecimal() and not _first_word(rest)[1] for number, rest in cells)


def begins_as_list(first: str) -> bool:
    """Tell whether the first line of a file has a molecule where a list has it."""
    return any(is_structure(_cut(first, place)[0]) for place in (0, 1))


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


def is_structure(text: str) -> bool:
    """Tell whether RDKit reads a text as a SMILES, or it begins as an InChI does."""
    if text.startswith(INCHI):
        return True
    if not text.strip("*") or not text.isascii():  # RDKit reads `*` as a molecule, but it may be a bullet
        return False
    if molecule_excess(text):  # a molecule, whose reader will refuse it
        return True
    with rdBase.BlockLogs():
        return Chem.MolFromSmiles(undoubled(text)) is not None
