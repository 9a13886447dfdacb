"""What a person may hand over as a molecule: text, an RDKit Mol or arrays; and the reason where it is none.

Shape letters:  A atoms   E directed bonds   F, G features of each
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import rdinchi

from .molecular_features import FeatureSet, MolecularGraph, out_of_range
from .molecule_limits import molecule_excess

ACCEPTED = "a SMILES or InChI string, an RDKit Mol, a PyG Data or a MolecularGraph"
# How the files end that people name in place of what is in them.
FILE_PATH = (
    r"\S.*\.(sdf|sd|mol2?|smi|smiles|inchi|[ct]sv|txt|jsonl?|parquet|xlsx?|fasta|fa|faa|fas|pdb|ent|m?cif)(\.gz)?"
)
# What text that is no SMILES may be instead, and the remedy.
KINDS = {
    FILE_PATH: (
        "the path of a file",
        "Pass what is in it: read_molecules(path), or --molecule-file on the command line",
    ),
    r">.*": ("a protein sequence in FASTA form", "Pass its residues as a protein"),
    r"[A-Z]{14}-[A-Z]{10}-[A-Z]": ("an InChIKey", "Pass the SMILES: a key cannot be read back"),
    r"(?=.*H)(?=.*\d)([A-Z][a-z]?\d*)+": ("a molecular formula", "Pass the SMILES"),
    r".*\bM  END\b.*": ("a MOL block", "Pass Chem.MolFromMolBlock of it"),
}
# Names and CXSMILES behind a SMILES are refused before RDKit sees them: it need not look for any.
SMILES_ALONE = Chem.SmilesParserParams()
SMILES_ALONE.allowCXSMILES = SMILES_ALONE.parseName = False
AS_WRITTEN = Chem.SmilesParserParams()
AS_WRITTEN.allowCXSMILES = AS_WRITTEN.parseName = AS_WRITTEN.sanitize = AS_WRITTEN.removeHs = False
HYDROGEN_ATOM = re.compile(r"\[\d*H")


class RefusedError(Exception):
    """Why something is no molecule, and the remedy; the caller knows the value and its position."""

    def __init__(self, reason: str, remedy: str = "Correct the SMILES") -> None:
        super().__init__(reason, remedy)


def parse_text(text: str) -> Chem.Mol:
    """Parse a SMILES or an InChI, without regard to white space around it.

    Raises:
        RefusedError: if it is unreadable, or there is text behind it.
    """
    text = text.strip()
    if not text:
        raise RefusedError("it is empty", f"Pass {ACCEPTED}")
    first, *behind = text.split(None, 1)
    is_inchi = first.startswith("InChI=")
    if excess := molecule_excess(first):
        raise RefusedError(excess, f"Pass a smaller molecule, or correct the {'InChI' if is_inchi else 'SMILES'}")
    molecule, reason = None, _strange_character(first)
    if not reason:
        molecule, reason = _parsed(_parse_inchi if is_inchi else _parse_smiles, first)
    if molecule is None:
        kind, remedy = ("", "Correct the InChI") if is_inchi else _guess(text)
        raise RefusedError(f"this looks like {kind}, not a SMILES ({reason})" if kind else reason, remedy)
    if behind:
        raise RefusedError(f"{shown(behind[0])} stands behind {shown(first)}", "Pass the SMILES or InChI alone")
    return molecule


def _strange_character(text: str) -> str:
    """Return what no notation has, or "": RDKit would read some letters as others, and cannot take half a character."""
    if text.isascii() and text.isprintable():
        return ""
    place, character = next((i, c) for i, c in enumerate(text, 1) if not (c.isascii() and c.isprintable()))
    return f"character {place}, {character!r}, cannot stand in a SMILES or an InChI"


def _parsed(parse: Callable[[str], tuple[Chem.Mol | None, str]], text: str) -> tuple[Chem.Mol | None, str]:
    try:
        return parse(text)
    except Exception as error:  # whatever a parser raises concerns this molecule alone
        return None, f"RDKit gives up ({type(error).__name__}: {_words(error)})"


def _parse_smiles(text: str) -> tuple[Chem.Mol | None, str]:
    takes_hydrogens_away = HYDROGEN_ATOM.search(text)
    molecule = Chem.MolFromSmiles(text, SMILES_ALONE) if takes_hydrogens_away else _parse_in_steps(text)
    return molecule, "" if molecule else _why_unreadable(text)


def _parse_in_steps(smiles: str) -> Chem.Mol | None:
    """Do what `Chem.MolFromSmiles` does, without its search for stereo that could be marked and is not."""
    molecule = Chem.MolFromSmiles(smiles, AS_WRITTEN)
    if molecule is None:
        return None
    try:
        Chem.SanitizeMol(molecule)
    except ValueError:
        return None
    if any(mark in smiles for mark in "@/\\"):
        Chem.AssignStereochemistry(molecule, cleanIt=True, force=True)
    return molecule


def _parse_inchi(text: str) -> tuple[Chem.Mol | None, str]:
    molecule, _, message, log = rdinchi.InchiToMol(text)
    words = (message or log).strip().rpartition("Structure: 1 ")[2]
    return molecule, f"not a valid InChI: {shortened(words, 300)}" if words else "not a valid InChI"


def _why_unreadable(smiles: str) -> str:
    """Return what RDKit finds wrong with a SMILES: in its chemistry if it can be parsed, else in its writing."""
    with getattr(rdBase, "CaptureErrorLog", rdBase.BlockLogs)() as log:  # CaptureErrorLog came with RDKit 2026.03
        molecule = Chem.MolFromSmiles(smiles, sanitize=False)
        try:
            problems = Chem.DetectChemistryProblems(molecule) if molecule else ()
        except RuntimeError as error:  # an element that does not exist: [#200]
            return _words(error)
    if problems:
        return shortened("; ".join(problem.Message() for problem in problems), 300)
    words = getattr(log, "messages", "")
    what = re.search(r"SMILES Parse Error: (.+?)(?: while parsing| for input|$)", words, re.MULTILINE)
    where = re.search(r"around position (\d+)", words)
    reason = what[1] if what else "RDKit cannot parse it"
    return f"{reason} at character {where[1]}" if where else reason


def _guess(text: str) -> tuple[str, str]:
    """Return what an unreadable SMILES seems to be instead, if anything, and the remedy."""
    for pattern, guess in KINDS.items():
        if re.fullmatch(pattern, text, re.DOTALL):
            return guess
    letters = re.sub(r"\[[^]]*\]|Br|Cl|[^A-Za-z]", "", text)
    foreign = set(letters) - set("BCNOPSFIbcnops")  # a SMILES has these letters in brackets only
    if text.isalpha() and text.isupper() and len(foreign) >= 3:  # PARACETAMOL is a peptide as well
        kind = "a protein sequence" if len(text) >= 20 else "a name or a protein sequence"
        return kind, "Pass the molecule as SMILES, a protein as a protein"
    if len(foreign) >= 2 and not re.search(r"[][=#@/\\]", text):
        return "a name", "Pass the SMILES, which PubChem and ChEBI list"
    return "", "Correct the SMILES"


def sanitised(molecule: Chem.Mol) -> Chem.Mol:
    """Return a Mol as it is, or a sanitised copy if it was never sanitised, or was changed since.

    Raises:
        RefusedError: if it is a SMARTS pattern (a query atom without an element counts as `*`) or chemically wrong.
    """
    if any(atom.HasQuery() and atom.GetAtomicNum() for atom in molecule.GetAtoms()):
        raise RefusedError("it is a SMARTS pattern", f"Pass {ACCEPTED}")
    try:
        molecule.GetRingInfo().NumRings()
        if not molecule.NeedsUpdatePropertyCache():
            return molecule
    except RuntimeError:  # its rings were never searched for
        pass
    molecule = Chem.Mol(molecule)
    try:
        Chem.SanitizeMol(molecule)
        Chem.AssignStereochemistry(molecule, cleanIt=True, force=True)
    except (RuntimeError, ValueError) as error:
        raise RefusedError(_words(error), "Correct the molecule") from error
    return molecule


def _words(error: Exception) -> str:
    """Return what RDKit's error says, without the place in its source and its versions."""
    return shortened(re.sub(r"(Violation occurred|RDKIT:|BOOST:).*", "", str(error)), 300)


def arrays_of(molecule: Any) -> tuple[Any, Any, Any] | None:
    """Atom features, bond index and bond features of a graph or a PyG Data; None for anything else.

    Both are known by their attributes: torch-geometric is not imported, and remote code has its own copy of each class.
    """
    for names in (("atom_features", "bond_index", "bond_features"), ("x", "edge_index", "edge_attr")):
        if all(hasattr(molecule, name) for name in names):
            atoms, index, bonds = (getattr(molecule, name) for name in names)
            return atoms, index, bonds
    return None


def checked_graph(arrays: tuple[Any, Any, Any], features: str, feature_set: FeatureSet) -> MolecularGraph:
    """Make a graph of arrays or tensors.

    Raises:
        RefusedError: if they are not integers, or have a wrong shape, a category out of range, a bond to an atom that
            does not exist, or a bond in one direction only.
    """
    atoms, index, bonds = map(_integers, arrays)
    index = index if index.size else index.reshape(2, 0)
    bonds = bonds if bonds.size else bonds.reshape(0, len(feature_set.bond_vocab_sizes))
    for fault in _faults(atoms, index, bonds, features, feature_set):
        raise RefusedError(fault, f"Make the graph with the features {features!r}, or pass a SMILES")
    return MolecularGraph(atoms, index, bonds)


def _integers(values: Any) -> np.ndarray:
    values = values.detach().cpu() if hasattr(values, "detach") else values
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise RefusedError(f"its graph holds a ragged {type(values).__name__}", f"Pass {ACCEPTED}") from error
    if array.dtype.kind not in "iu" and (array.size or values is None):
        kind = "None" if values is None else array.dtype
        raise RefusedError(f"its graph holds {kind} instead of integers", f"Pass {ACCEPTED}")
    return array.astype(np.int64)


def _faults(
    atoms: np.ndarray, index: np.ndarray, bonds: np.ndarray, features: str, feature_set: FeatureSet
) -> Iterator[str]:
    """Return what is wrong with a graph; a check may rely on those before it."""
    atom_sizes, bond_sizes = feature_set.atom_vocab_sizes, feature_set.bond_vocab_sizes
    num_atoms, num_bonds = len(atoms) if atoms.ndim else 0, index.shape[-1] if index.ndim else 0
    for name, array, shape in (
        ("atom features (x)", atoms, (num_atoms, len(atom_sizes))),
        ("bond index (edge_index)", index, (2, num_bonds)),
        ("bond features (edge_attr)", bonds, (num_bonds, len(bond_sizes))),
    ):
        if array.shape != shape:
            yield f"its {name} have the shape {list(array.shape)}, where {features!r} needs {list(shape)}"
    if not num_atoms:
        yield "it has no atoms"
    if num_bonds and not 0 <= index.min() <= index.max() < num_atoms:
        yield f"its bonds join atoms {index.min()} to {index.max()}, but it has {num_atoms} atoms"
    forth, back = index[0] * num_atoms + index[1], index[1] * num_atoms + index[0]
    if not np.array_equal(np.sort(forth), np.sort(back)):
        yield "it has a bond in one direction only"
    for name, array, sizes in (("atom", atoms, atom_sizes), ("bond", bonds, bond_sizes)):
        if wrong := out_of_range(array, sizes):
            i, column = wrong
            yield f"{name} {i} has {array[wrong]} in column {column}, where {features!r} has 0 to {sizes[column] - 1}"


def shown(value: object) -> str:
    """Return a value as an error shows it: one line of moderate length."""
    if isinstance(value, Chem.Mol):
        return f"RDKit Mol of {value.GetNumAtoms()} atoms"
    return shortened(repr(value), 100)


def shortened(text: str, length: int) -> str:
    """Return a text in one line, with its middle left out if it is longer than `length`."""
    text = " ".join(text.split())
    return text if len(text) <= length else f"{text[: length - 20]} … {text[-10:]} ({len(text)} characters)"
