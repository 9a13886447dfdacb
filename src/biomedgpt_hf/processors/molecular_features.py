"""Features of atoms and bonds: a sanitised RDKit molecule → a graph of categories.

Shape letters:  A atoms   E directed bonds (two for each chemical bond)   F, G features of each

graphmvp  atomic number and chirality; bond type and direction. What GraphMVP and BioMedGPT-10B were trained on (Hu et
          al., 2020, arXiv:1905.12265; Liu et al., 2022, arXiv:2110.07728). It is blind to charge and to hydrogens:
          acetic acid and acetate, NH3 and NH4+ and the NH2 radical are the same graph.
ogb       nine atom and three bond features, charge and hydrogens among them (Hu et al., 2020, arXiv:2005.00687), with
          the categories and the bond order of PyG's `torch_geometric.utils.from_smiles`. Stereo is read of double
          bonds; that of atropisomers, which only a Mol can have, has no category and is left out.

RDKit has no vector accessors, and making the Python object of an atom, a bond or an enum is what costs time. So one
search in C++ finds the atoms that differ from a default, and a bond's SMARTS symbol tells its type and whether it has a
direction in one call; only what is unusual is asked for its enums.
"""

from collections.abc import Callable, Iterable
from itertools import chain
from typing import NamedTuple

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdqueries


class MolecularGraph(NamedTuple):
    """One molecule; its fragments (of a salt, say) make one disconnected graph.

    Attributes:
        atom_features: category of each atom in each feature, int64 [A, F].
        bond_index: source and target atom of each directed bond, int64 [2, E].
        bond_features: category of each directed bond in each feature, int64 [E, G].
    """

    atom_features: np.ndarray
    bond_index: np.ndarray
    bond_features: np.ndarray


class FeatureSet(NamedTuple):
    """Which features the atoms and bonds of a graph have.

    Attributes:
        atom_vocab_sizes: rows of each atom feature's embedding table; masked atoms have rows of their own.
        bond_vocab_sizes: likewise of each bond feature; self-loops and masked bonds have rows of their own.
        read: makes the graph of a sanitised molecule, or raises `NoCategoryError`.
    """

    atom_vocab_sizes: tuple[int, ...]
    bond_vocab_sizes: tuple[int, ...]
    read: Callable[[Chem.Mol], MolecularGraph]


class NoCategoryError(Exception):
    """An atom or a bond has a property for which a feature set has no category; the text says which."""


def out_of_range(features: np.ndarray, sizes: tuple[int, ...]) -> tuple[int, int] | None:
    """Row and column of the first category that is not in [0, size of its column), if there is any."""
    wrong = features.view(np.uint64) >= np.array(sizes, np.uint64)  # where what is negative is huge
    return tuple(np.argwhere(wrong)[0].tolist()) if wrong.any() else None


def _atom_query(smarts: str, atom: Chem.Atom | None = None) -> Chem.Mol:
    query = Chem.RWMol(Chem.MolFromSmarts(smarts))
    if atom is not None:
        query.ReplaceAtom(0, atom)
    return query.GetMol()


_OTHER_ELEMENT = _atom_query("[!#6;!#7;!#8]")
_ELEMENTS = {6: _atom_query("[#7]"), 7: _atom_query("[#8]")}  # atomic number − 1; carbon is the default
_SP2, _UNUSUAL_HYBRIDIZATION = _atom_query("[^2]"), _atom_query("[!^2!^3]")
_CHIRAL = _atom_query("*", rdqueries.HasChiralTagQueryAtom())
_OTHER_BOND = Chem.MolFromSmarts("*!-;!=;!#;!:*")
_EVERY_MATCH = Chem.SubstructMatchParameters()
_EVERY_MATCH.maxMatches = 2**31 - 1  # by default a search ends at 1,000
_EVERY_MATCH.uniquify = False  # patterns of one atom match each atom once

_GRAPHMVP_CHIRALITIES = {Chem.ChiralType.CHI_TETRAHEDRAL_CW: 1, Chem.ChiralType.CHI_TETRAHEDRAL_CCW: 2}
_GRAPHMVP_TYPES = {"-": 0, "=": 1, "#": 2, ":": 3, "/": 0, "\\": 0}
_GRAPHMVP_DIRECTIONS = {"/": 1, "\\": 2}

# Chirality, bond types and stereo have RDKit's own numbers in `ogb`.
_OGB_TYPES = {"-": 1, "=": 2, "#": 3, ":": 12}
_OGB_HYBRIDIZATIONS = {
    Chem.HybridizationType.names[name]: category
    for category, name in enumerate("UNSPECIFIED S SP SP2 SP3 SP3D SP3D2 OTHER".split())
}
_OGB_ATOM_FEATURES = (
    "atomic number, chirality, degree, formal charge, number of hydrogens, number of radical electrons, "
    "hybridization, aromaticity, ring membership"
).split(", ")
_OGB_ATOM_SIZES = (120, 9, 11, 12, 9, 5, 8, 2, 2)
_OGB_BOND_SIZES = (24, 6, 2)
_OGB_UNUSUAL = (
    _atom_query("[X{9-},+{7-},-{6-}]"),  # an atom of nine hydrogens has nine neighbours
    _atom_query("[!^0;!^1;!^2;!^3;!^4;!^5]"),
    _atom_query("*", rdqueries.NumRadicalElectronsGreaterQueryAtom(4)),
)


def _read_graphmvp(molecule: Chem.Mol) -> MolecularGraph:
    """Atoms hold [atomic number − 1, chirality]; bonds are in RDKit's order, as (i, j), (j, i)."""
    num_atoms, atom_at = molecule.GetNumAtoms(), molecule.GetAtomWithIdx
    numbers, chirality = [5] * num_atoms, [0] * num_atoms
    for number, query in _ELEMENTS.items():
        for (i,) in molecule.GetSubstructMatches(query, _EVERY_MATCH):
            numbers[i] = number
    for (i,) in molecule.GetSubstructMatches(_OTHER_ELEMENT, _EVERY_MATCH):
        numbers[i] = (atom_at(i).GetAtomicNum() - 1) % 119  # the unknown atom `*`, number 0, comes last
    for (i,) in molecule.GetSubstructMatches(_CHIRAL, _EVERY_MATCH):
        tag = atom_at(i).GetChiralTag()
        if tag not in _GRAPHMVP_CHIRALITIES:
            raise NoCategoryError(f"atom {i} ({atom_at(i).GetSymbol()}) has the chirality {tag}")
        chirality[i] = _GRAPHMVP_CHIRALITIES[tag]
    bonds, starts, ends = _bonds(molecule)
    symbols = [bond.GetSmarts(True) for bond in bonds]
    types = list(map(_GRAPHMVP_TYPES.get, symbols))
    directions = [0] * len(bonds)
    if None in types:
        bond = bonds[types.index(None)]
        raise NoCategoryError(f"{_name(bond)} is of type {bond.GetBondType()}")
    if "/" in symbols or "\\" in symbols:
        for i, symbol in enumerate(symbols):
            if symbol in _GRAPHMVP_DIRECTIONS:  # a single bond, or an aromatic one in a large ring
                directions[i] = _GRAPHMVP_DIRECTIONS[symbol]
                types[i] = 3 if bonds[i].GetBondTypeAsDouble() == 1.5 else 0
    forth = _table(starts, ends, types, directions)
    directed = forth.repeat(2, axis=1)
    directed[:2, 1::2] = forth[1::-1]
    return MolecularGraph(_table(numbers, chirality).T, directed[:2], directed[2:].T)


def _is_unusual_graphmvp(molecule: Chem.Mol) -> bool:
    if molecule.HasSubstructMatch(_OTHER_BOND):
        return True
    chiral = molecule.GetSubstructMatches(_CHIRAL, _EVERY_MATCH)
    return any(molecule.GetAtomWithIdx(i).GetChiralTag() not in _GRAPHMVP_CHIRALITIES for (i,) in chiral)


def _read_ogb(molecule: Chem.Mol) -> MolecularGraph:
    """Features as PyG has them; directed bonds sorted by source, then target."""
    num_atoms, atom = molecule.GetNumAtoms(), Chem.Atom
    atoms = list(map(molecule.GetAtomWithIdx, range(num_atoms)))
    chirality, hybridization = [0] * num_atoms, [4] * num_atoms
    for (i,) in molecule.GetSubstructMatches(_CHIRAL, _EVERY_MATCH):
        chirality[i] = atoms[i].GetChiralTag()
    for (i,) in molecule.GetSubstructMatches(_SP2, _EVERY_MATCH):
        hybridization[i] = 3
    for (i,) in molecule.GetSubstructMatches(_UNUSUAL_HYBRIDIZATION, _EVERY_MATCH):
        hybridization[i] = _OGB_HYBRIDIZATIONS.get(atoms[i].GetHybridization(), -1)
    atom_features = _table(
        list(map(atom.GetAtomicNum, atoms)),
        chirality,
        map(atom.GetTotalDegree, atoms),
        [charge + 5 for charge in map(atom.GetFormalCharge, atoms)],
        map(atom.GetTotalNumHs, atoms),
        map(atom.GetNumRadicalElectrons, atoms),
        hybridization,
        map(atom.GetIsAromatic, atoms),
        map(atom.IsInRing, atoms),
    ).T
    if wrong := out_of_range(atom_features, _OGB_ATOM_SIZES):
        i, feature = wrong
        raise NoCategoryError(f"atom {i} ({atoms[i].GetSymbol()}) has an unusual {_OGB_ATOM_FEATURES[feature]}")
    bonds, starts, ends = _bonds(molecule)
    types = list(map(_OGB_TYPES.get, [bond.GetSmarts(True) for bond in bonds]))
    if None in types:
        types = [bond.GetBondType() if known is None else known for known, bond in zip(types, bonds, strict=True)]
    stereo = [bond.GetStereo() if known == 2 else 0 for known, bond in zip(types, bonds, strict=True)]
    forth = _table(starts, ends, types, stereo, map(Chem.Bond.GetIsConjugated, bonds))
    directed = np.concatenate((forth, forth), axis=1)
    directed[:2, len(bonds) :] = forth[1::-1]
    directed = directed.take((directed[0] * num_atoms + directed[1]).argsort(), axis=1)
    return MolecularGraph(atom_features, directed[:2], directed[2:].T)


def _is_unusual_ogb(molecule: Chem.Mol) -> bool:
    return any(map(molecule.HasSubstructMatch, _OGB_UNUSUAL))


def _bonds(molecule: Chem.Mol) -> tuple[list[Chem.Bond], list[int], list[int]]:
    """Return the bonds with the atoms at their ends, in RDKit's order."""
    bonds = list(map(molecule.GetBondWithIdx, range(molecule.GetNumBonds())))
    return bonds, list(map(Chem.Bond.GetBeginAtomIdx, bonds)), list(map(Chem.Bond.GetEndAtomIdx, bonds))


def _table(first: list[int], *others: Iterable[int]) -> np.ndarray:
    """Rows of n integers → int64 [number of rows, n]."""
    shape = 1 + len(others), len(first)
    return np.fromiter(chain(first, *others), np.int64, shape[0] * shape[1]).reshape(shape)


def _name(bond: Chem.Bond) -> str:
    ends = bond.GetBeginAtom(), bond.GetEndAtom()
    return f"bond {bond.GetIdx()} ({'–'.join(f'{atom.GetSymbol()}{atom.GetIdx()}' for atom in ends)})"


FEATURE_SETS = {
    "graphmvp": FeatureSet((120, 3), (6, 3), _read_graphmvp),
    "ogb": FeatureSet(_OGB_ATOM_SIZES, _OGB_BOND_SIZES, _read_ogb),
}
# Of each set, whether a molecule may have what has no category. All others have a graph, which is known by some
# searches in C++, without reading them.
IS_UNUSUAL: dict[str, Callable[[Chem.Mol], bool]] = {"graphmvp": _is_unusual_graphmvp, "ogb": _is_unusual_ogb}
