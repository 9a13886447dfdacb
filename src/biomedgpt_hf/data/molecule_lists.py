"""Molecules from any list of them: SMILES lines, tables with a SMILES column, SDF, a set built here.

    SMILES lines   `SMILES name`, `CID<TAB>SMILES` (PubChem's CID-SMILES), InChI too; no header needed
    tables         CSV, TSV, JSON Lines, Parquet (see `table.files`) with a column named SMILES or the like
    SDF and MOL    V2000 and V3000

The format is recognised by the content; text may be plain or .gz. Memory is that of one record.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from rdkit import Chem, rdBase

from biomedgpt_hf.data.building.records import Record, RejectedRecord
from biomedgpt_hf.data.building.sources import SourceError, existing_file, read_lines, require_utf8
from biomedgpt_hf.data.table.files import PARQUET, TableRow, open_table

# Names of columns, without case, blanks and underscores; the first that a table has is taken. Between
# the two stands any other name with SMILES in it, such as "Ligand SMILES" and "compound_iso_smiles".
SMILES_COLUMNS = ("smiles", "canonicalsmiles", "isomericsmiles")
STRUCTURE_COLUMNS = ("molecules", "molecule", "structure", "mol", "inchi")
ID_COLUMNS = ("cid", "pubchemcid", "chemblid", "chebiid", "moleculechemblid", "drugbankid", "zincid", "id", "name")
CID_COLUMNS = ("cid", "pubchemcid")
DELIMITER = r"[\t,;]"  # in a header
DELIMITERS = r"[\s,;]+"  # between a structure and its name
FIRST_LINES = 20  # looked at to tell what the lines are
SDF_CID = re.compile(r">.*<PUBCHEM_COMPOUND_CID>")
SDF_END = "$$$$"
EXPECTED = (
    "Expected lines of SMILES (alone, before a name, or behind a CID), a table with a column named SMILES, or an SDF."
)


class Structure(NamedTuple):
    """A molecule as its source writes it: a SMILES or InChI, or a MOL block."""

    text: str
    is_mol_block: bool = False


def read_molecules(path: Path) -> Iterator[Record]:
    """Yield the molecules of a file as records whose content is a `Structure`.

    A record's id is its name in the file, with CID: before PubChem's numbers; or "".

    Raises:
        OSError: see `sources.open_source`.
        SourceError: the file is empty, broken, or holds no molecules where they are looked for.
    """
    path = Path(path)
    with existing_file(path).open("rb") as file:
        is_parquet = file.read(len(PARQUET)) == PARQUET
    if is_parquet:
        yield from _read_table(path)
        return
    lines = read_lines(path)
    head = list(_until_broken(islice(lines, FIRST_LINES)))
    if len(head) > 3 and re.search(r"V[23]000\s*$", head[3][1]):
        yield from _read_sdf(path)
        return
    first = head[0][1]
    has_header = _structure_column(_cells(first)) is not None
    if first.lstrip().startswith("{") or (has_header and re.search(DELIMITER, first)):
        yield from _read_table(path)
    else:
        yield from _read_list(path, head[has_header:], skipped=int(has_header))


def _until_broken(lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Yield lines up to where a file breaks off, but raise if that is at its very beginning."""
    yield next(lines)
    try:
        yield from lines
    except SourceError:  # told when the file is read
        return


def _cells(header: str) -> list[str]:
    cells = re.split(DELIMITER, header) if re.search(DELIMITER, header) else header.split()
    return [cell.strip(" \"'") for cell in cells]


def _structure_column(columns: Sequence[str]) -> str | None:
    others = [column for column in columns if "smiles" in column.lower()]
    best, last = _first_named(columns, SMILES_COLUMNS), _first_named(columns, STRUCTURE_COLUMNS)
    return best or (others[0] if others else last)


def _first_named(columns: Sequence[str], names: Iterable[str]) -> str | None:
    known = {re.sub(r"[\s_]", "", column).lower(): column for column in reversed(columns)}
    return next((known[name] for name in names if name in known), None)


def _read_table(path: Path) -> Iterator[Record]:
    columns = open_table(path, []).columns
    structure, id_column = _structure_column(columns), _first_named(columns, ID_COLUMNS)
    if structure is None:
        raise SourceError(path, 1, "unknown format", f"has the columns {', '.join(columns)[:200]}. {EXPECTED}")
    prefix = "CID:" if id_column and _first_named([id_column], CID_COLUMNS) else ""
    for row in open_table(path, [structure, *filter(None, [id_column])]).rows:
        name = row.cells.get(id_column) if id_column else None
        id = "" if name is None else _name(str(name))
        id = f"{prefix}{id}" if id.isdecimal() else id  # others name a column of their own so
        if row.problem:
            yield Record(path.name, row.line, id, problem=row.problem)
            continue
        yield from _of_cell(path, row, id, row.cells[structure])


def _of_cell(path: Path, row: TableRow, id: str, cell: Any) -> Iterator[Record]:
    """Yield the molecule of a cell, or all those of a list of them."""
    for value in cell if isinstance(cell, list) else [cell]:
        if isinstance(value, str) and value.strip():
            yield Record(path.name, row.line, id, Structure(_undoubled(value)))
        else:
            yield Record(path.name, row.line, id, problem=RejectedRecord("no structure", f"the cell is {value!r}"))


def _read_list(path: Path, head: Sequence[tuple[int, str]], skipped: int) -> Iterator[Record]:
    place = _structure_place([line for _, line in head])
    if place is None:
        first = head[0][1][:60] if head else ""
        raise SourceError(path, 1, "unknown format", f"{first!r} does not begin a list of molecules. {EXPECTED}")
    for number, line in islice(read_lines(path), skipped, None):
        if not line.strip() or line.startswith("#"):  # a comment
            continue
        text, name = _cut(line, place)
        id = ("CID:" if place and name.isdecimal() else "") + _name(name)
        if text:
            yield Record(path.name, number, id, Structure(_undoubled(text)))
        else:
            yield Record(path.name, number, id, problem=RejectedRecord("no structure", f"{line[:60]!r} is all"))


def _cut(line: str, place: int) -> tuple[str, str]:
    """Return a line's structure, its first (0) or second (1) word, and the name beside it."""
    first, rest = (*re.split(DELIMITERS, line.strip(), maxsplit=1), "")[:2]
    if place:
        return re.split(DELIMITERS, rest, maxsplit=1)[0], first
    if extension := re.match(r"\|[^|]*\|", rest):  # of CXSMILES, which `smiles_to_graph` refuses with a reason
        return f"{first} {extension[0]}", rest[extension.end() :]
    return first, rest


def _structure_place(lines: Sequence[str]) -> int | None:
    """Return where most lines have a molecule: 0, in front; 1, behind a name; or None, nowhere."""
    lines = [line for line in lines if line.strip() and not line.startswith("#")]
    for place in (0, 1):
        if lines and 2 * sum(_is_readable(_cut(line, place)[0]) for line in lines) >= len(lines):
            return place
    return None


def _is_readable(text: str) -> bool:
    if text.startswith("InChI="):
        return True
    with rdBase.BlockLogs():
        return bool(text) and text.isascii() and Chem.MolFromSmiles(_undoubled(text)) is not None


def _read_sdf(path: Path) -> Iterator[Record]:
    begin, block = 1, list[str]()
    for number, line in chain(read_lines(path), [(0, SDF_END)]):  # the last record may lack its end
        if not line.startswith(SDF_END):
            block.append(line)
            continue
        if any(map(str.strip, block)):
            yield _sdf_record(path, begin, block)
        begin, block = number + 1, []


def _sdf_record(path: Path, begin: int, block: Sequence[str]) -> Record:
    end = next((place for place, line in enumerate(block) if line.startswith("M  END")), None)
    cid = next((block[place + 1] for place, line in enumerate(block[:-1]) if SDF_CID.match(line)), "")
    id = f"CID:{cid.strip()}" if cid.strip() else _name(block[0])
    if end is None:
        problem = RejectedRecord("record cut in the middle", "there is no M  END")
        return Record(path.name, begin, id, problem=problem)
    lines = ["", *block[1:2], "", *block[3 : end + 1], ""]  # title and comment are free text, of any encoding
    return Record(path.name, begin, id, Structure("\n".join(lines), is_mol_block=True))


def _name(text: str) -> str:
    """Return a name in one line, with bytes that are no UTF-8 written out: it only labels a molecule."""
    return " ".join(text.split()).encode("utf-8", "backslashreplace").decode("utf-8")


def _undoubled(text: str) -> str:
    """Return a structure with single backslashes; ChEBI-20's files double them."""
    return text.strip().replace("\\\\", "\\")


def molecule_text(structure: Structure) -> str:
    """Return a structure as a SMILES or InChI: the given one, or the canonical SMILES of a MOL block.

    Raises:
        RejectedRecord: the text is not UTF-8, or RDKit cannot read the MOL block.
    """
    text = require_utf8(structure.text)
    if not structure.is_mol_block:
        return text
    with rdBase.BlockLogs():
        molecule = Chem.MolFromMolBlock(text)
        if molecule is None:
            raw = Chem.MolFromMolBlock(text, sanitize=False, strictParsing=False)
            problems = Chem.DetectChemistryProblems(raw) if raw else ()
            words = "; ".join(problem.Message() for problem in problems)
            raise RejectedRecord("unreadable molecule", words or "RDKit cannot read the MOL block")
        return str(Chem.MolToSmiles(molecule))
