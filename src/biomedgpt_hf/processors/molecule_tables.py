"""What RDKit knows of the atoms and bonds of a molecule, as tables of integers.

Shape letters:  A atoms   M chemical bonds   F, G columns of each

A feature set is two functions that make a row of an atom and of a bond. The atoms and bonds come one property after the
other from RDKit's accessors (`ask_for_tables`, here), or all at once from its binary form (`molecule_binary`).
"""

from collections.abc import Callable, Iterable
from itertools import chain
from typing import NamedTuple

import numpy as np
from rdkit import Chem


class AtomRecord(NamedTuple):
    """An atom without its neighbours.

    Attributes:
        number: atomic number, 0 for the unknown atom `*`.
        chirality: RDKit's number of its `ChiralType`.
        charge: formal charge.
        hydrogens: those that are no atoms of the molecule.
        radicals: radical electrons.
        hybridization: RDKit's number of its `HybridizationType`.
        is_aromatic: 0 or 1.
    """

    number: int
    chirality: int
    charge: int
    hydrogens: int
    radicals: int
    hybridization: int
    is_aromatic: int


class BondRecord(NamedTuple):
    """A bond without its atoms.

    Attributes:
        kind: RDKit's number of its `BondType`.
        direction: RDKit's number of its `BondDir`.
        stereo: RDKit's number of its `BondStereo`.
        is_conjugated: 0 or 1.
    """

    kind: int
    direction: int
    stereo: int
    is_conjugated: int


class Columns(NamedTuple):
    """Which columns the tables have.

    Attributes:
        of_atom: makes the row of an atom, or raises `NoCategoryError`.
        of_bond: makes the row of a bond, or raises `NoCategoryError`.
        tell_rings: whether the tables tell which atoms are in rings.
    """

    of_atom: Callable[[AtomRecord], tuple[int, ...]]
    of_bond: Callable[[BondRecord], tuple[int, ...]]
    tell_rings: bool


class MoleculeTables(NamedTuple):
    """The atoms and bonds of a molecule in RDKit's order.

    Attributes:
        atoms: row after row, int64 [A × F].
        bonds: row after row, int64 [M × G].
        ends: the first and the second atom of each bond, int64 [M × 2].
        in_rings: the atoms of one ring after the other, int64; empty where the columns do not tell.
    """

    atoms: np.ndarray
    bonds: np.ndarray
    ends: np.ndarray
    in_rings: np.ndarray


class NoCategoryError(Exception):
    """An atom or a bond has a property for which a feature set has no category; the text says which."""


def ask_for_tables(molecule: Chem.Mol, columns: Columns) -> MoleculeTables:
    """Ask RDKit for one property of a sanitised molecule after the other.

    Raises:
        NoCategoryError: if a row cannot be made; the text begins with the atom or the bond.
    """
    atoms, bonds = list(molecule.GetAtoms()), list(molecule.GetBonds())
    return MoleculeTables(
        _integers(_atom_row(atom, columns) for atom in atoms),
        _integers(_bond_row(bond, columns) for bond in bonds),
        _integers((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in bonds),
        _integers(molecule.GetRingInfo().AtomRings() if columns.tell_rings else ()),
    )


def _integers(rows: Iterable[tuple[int, ...]]) -> np.ndarray:
    return np.array(list(chain.from_iterable(rows)), np.int64)


def _atom_row(atom: Chem.Atom, columns: Columns) -> tuple[int, ...]:
    record = AtomRecord(
        number=atom.GetAtomicNum(),
        chirality=int(atom.GetChiralTag()),
        charge=atom.GetFormalCharge(),
        hydrogens=atom.GetTotalNumHs(),
        radicals=atom.GetNumRadicalElectrons(),
        hybridization=int(atom.GetHybridization()),
        is_aromatic=int(atom.GetIsAromatic()),
    )
    try:
        return columns.of_atom(record)
    except NoCategoryError as error:
        raise NoCategoryError(f"atom {atom.GetIdx()} ({atom.GetSymbol()}) {error}") from None


def _bond_row(bond: Chem.Bond, columns: Columns) -> tuple[int, ...]:
    record = BondRecord(
        kind=int(bond.GetBondType()),
        direction=int(bond.GetBondDir()),
        stereo=int(bond.GetStereo()),
        is_conjugated=int(bond.GetIsConjugated()),
    )
    try:
        return columns.of_bond(record)
    except NoCategoryError as error:
        ends = bond.GetBeginAtom(), bond.GetEndAtom()
        name = "–".join(f"{atom.GetSymbol()}{atom.GetIdx()}" for atom in ends)
        raise NoCategoryError(f"bond {bond.GetIdx()} ({name}) {error}") from None
