"""The SMILES of a molecule that a file holds as text, MOL block (V2000, V3000) or MOL2 block."""

from __future__ import annotations

import re
from typing import NamedTuple

from rdkit import Chem, rdBase

from biomedgpt_hf.files.records import RejectedRecord
from biomedgpt_hf.files.sources import require_utf8

MOL2_START = "@<TRIPOS>"
MOST_LINES = 20_000  # of a block: 10,000 atoms, for which RDKit takes some seconds, and their bonds
BLOCK_END = re.compile(r"^M  END", re.MULTILINE)
LOG_TIME = re.compile(r"^\[[\d:]+\]\s*")


class Structure(NamedTuple):
    """A molecule as its source writes it: a SMILES or InChI, or a MOL or MOL2 block."""

    text: str
    is_mol_block: bool = False


def is_mol_block(text: str) -> bool:
    """Tell whether a text, such as a cell of a table, is a MOL block and no line of SMILES or InChI."""
    return BLOCK_END.search(text) is not None


def molecule_text(structure: Structure) -> str:
    """Return the SMILES or InChI of a structure: a given one unchanged, of a block its canonical isomeric SMILES.

    Stereo comes from the block's flags or, in three dimensions, from the coordinates.

    Raises:
        RejectedRecord: the text is not UTF-8, RDKit cannot read the block, or the block holds a pattern that stands
            for several molecules.
    """
    text = require_utf8(structure.text)
    if not structure.is_mol_block:
        return text
    if (lines := text.count("\n")) > MOST_LINES:
        raise RejectedRecord("too large", f"the block has {lines:,} lines, more than the limit of {MOST_LINES:,}")
    try:
        return _smiles_of_block(text)
    except RejectedRecord:
        raise
    except Exception as error:  # whatever RDKit raises concerns this block alone
        words = f"RDKit gives up ({type(error).__name__}: {' '.join(str(error).split())[:200]})"
        raise RejectedRecord("unreadable molecule", words) from error


def _smiles_of_block(text: str) -> str:
    capture = getattr(rdBase, "CaptureErrorLog", rdBase.BlockLogs)  # CaptureErrorLog is new in RDKit 2026.03
    with rdBase.BlockLogs(), capture() as log:
        molecule = parse_block(text)
        if molecule is None:
            raise RejectedRecord("unreadable molecule", _problems(text) or _words(getattr(log, "messages", ""), text))
        if not molecule.GetNumAtoms():
            raise RejectedRecord("no atoms", "the block describes an empty molecule")
        if _is_pattern(molecule):
            raise RejectedRecord("pattern", "an atom or a bond stands for one of several")
        if text.startswith(MOL2_START) and any(atom.GetNumRadicalElectrons() for atom in molecule.GetAtoms()):
            raise RejectedRecord("hydrogens missing", "a MOL2 block must name all of them: add them, or write an SDF")
        return str(Chem.MolToSmiles(molecule))


def parse_block(text: str, *, sanitize: bool = True) -> Chem.Mol | None:
    """Return the molecule of a MOL or MOL2 block, or None if RDKit cannot read it; its log says why."""
    try:
        if text.startswith(MOL2_START):
            return Chem.MolFromMol2Block(text, sanitize=sanitize)
        return Chem.MolFromMolBlock(text, sanitize=sanitize, strictParsing=sanitize)
    except (RuntimeError, ValueError):  # the counts line is broken
        return None


def _is_pattern(molecule: Chem.Mol) -> bool:
    """Tell whether a block describes several molecules. An atom of any element counts as `*`."""
    queries = [atom for atom in molecule.GetAtoms() if atom.HasQuery()]
    has_lists = any(atom.GetAtomicNum() or "AtomOr" in atom.DescribeQuery() for atom in queries)
    return has_lists or any(bond.HasQuery() for bond in molecule.GetBonds())


def _problems(text: str) -> str:
    """Return what is wrong with the chemistry of a block that can be parsed, or ""."""
    raw = parse_block(text, sanitize=False)
    return "; ".join(problem.Message() for problem in Chem.DetectChemistryProblems(raw)) if raw else ""


def _words(log: str, text: str) -> str:
    """Return what RDKit's log says of a block that cannot be parsed, or else a possible reason."""
    lines = (LOG_TIME.sub("", line).strip() for line in log.splitlines())
    said = next((line for line in lines if line), "")
    said = said or f"is its line of counts right, {(text.splitlines() + [''] * 4)[3].strip()[:80]!r}?"
    return f"RDKit cannot read the {'MOL2' if text.startswith(MOL2_START) else 'MOL'} block: {said}"
