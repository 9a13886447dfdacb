"""Features of atoms and bonds: a sanitised RDKit molecule → a graph of categories.

Shape letters:  A atoms   E directed bonds (two for each chemical bond)   F, G features of each

graphmvp  atomic number and chirality; bond type and direction. What GraphMVP and BioMedGPT-10B were trained on (Hu et
          al., 2020, arXiv:1905.12265; Liu et al., 2022, arXiv:2110.07728). It is blind to charge and to hydrogens:
          acetic acid and acetate, NH3 and NH4+ and the NH2 radical are the same graph.
ogb       nine atom and three bond features, charge and hydrogens among them (Hu et al., 2020, arXiv:2005.00687), with
          the categories and the bond order of PyG's `torch_geometric.utils.from_smiles`. Stereo is read of double
          bonds; that of atropisomers, which only a Mol can have, has no category and is left out.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdqueries

from .molecule_binary import TableReader
from .molecule_tables import AtomRecord, BondRecord, Columns, NoCategoryError


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


def out_of_range(features: np.ndarray, sizes: tuple[int, ...]) -> tuple[int, int] | None:
    """Row and column of the first category that is not in [0, size of its column), if there is any."""
    wrong = features.view(np.uint64) >= np.array(sizes, np.uint64)  # where what is negative is huge
    return tuple(np.argwhere(wrong)[0].tolist()) if wrong.any() else None


def _atom_query(smarts: str, atom: Chem.Atom | None = None) -> Chem.Mol:
    query = Chem.RWMol(Chem.MolFromSmarts(smarts))
    if atom is not None:
        query.ReplaceAtom(0, atom)
    return query.GetMol()


_CHIRAL = _atom_query("*", rdqueries.HasChiralTagQueryAtom())
_OTHER_BOND = Chem.MolFromSmarts("*!-;!=;!#;!:*")
_EVERY_MATCH = Chem.SubstructMatchParameters()
_EVERY_MATCH.maxMatches = 2**31 - 1  # by default a search ends at 1,000
_EVERY_MATCH.uniquify = False  # patterns of one atom match each atom once

_GRAPHMVP_CHIRALITIES = {
    int(tag): category
    for category, tag in enumerate(
        (Chem.ChiralType.CHI_UNSPECIFIED, Chem.ChiralType.CHI_TETRAHEDRAL_CW, Chem.ChiralType.CHI_TETRAHEDRAL_CCW)
    )
}
_SINGLE, _DOUBLE, _TRIPLE, _AROMATIC = map(
    int, (Chem.BondType.SINGLE, Chem.BondType.DOUBLE, Chem.BondType.TRIPLE, Chem.BondType.AROMATIC)
)
_GRAPHMVP_TYPES = {_SINGLE: 0, _DOUBLE: 1, _TRIPLE: 2, _AROMATIC: 3}
_GRAPHMVP_DIRECTIONS = {int(Chem.BondDir.ENDUPRIGHT): 1, int(Chem.BondDir.ENDDOWNRIGHT): 2}  # wedges have none

# Chirality, bond types and stereo have RDKit's own numbers in `ogb`.
_OGB_HYBRIDIZATIONS = {
    int(Chem.HybridizationType.names[name]): category
    for category, name in enumerate("UNSPECIFIED S SP SP2 SP3 SP3D SP3D2 OTHER".split())
}
_OGB_ATOM_FEATURES = (
    "atomic number, chirality, degree, formal charge, number of hydrogens, number of radical electrons, "
    "hybridization, aromaticity, ring membership"
).split(", ")
_DEGREE, _IN_RING = _OGB_ATOM_FEATURES.index("degree"), _OGB_ATOM_FEATURES.index("ring membership")
_OGB_ATOM_SIZES = (120, 9, 11, 12, 9, 5, 8, 2, 2)
_OGB_BOND_SIZES = (24, 6, 2)
_OGB_UNUSUAL = (
    _atom_query("[X{9-},+{7-},-{6-}]"),  # an atom of nine hydrogens has nine neighbours
    _atom_query("[!^0;!^1;!^2;!^3;!^4;!^5]"),
    _atom_query("*", rdqueries.NumRadicalElectronsGreaterQueryAtom(4)),
)


def _graphmvp_atom(atom: AtomRecord) -> tuple[int, int]:
    """Return [atomic number − 1, chirality]; the unknown atom `*`, number 0, comes last."""
    if atom.chirality not in _GRAPHMVP_CHIRALITIES:
        raise NoCategoryError(f"has the chirality {Chem.ChiralType.values.get(atom.chirality)}")
    return (atom.number - 1) % 119, _GRAPHMVP_CHIRALITIES[atom.chirality]


def _graphmvp_bond(bond: BondRecord) -> tuple[int, int]:
    """Return [type, direction]; a direction have single bonds, and aromatic ones in large rings."""
    if bond.kind not in _GRAPHMVP_TYPES:
        raise NoCategoryError(f"is of type {Chem.BondType.values.get(bond.kind)}")
    has_direction = bond.kind in (_SINGLE, _AROMATIC)
    return _GRAPHMVP_TYPES[bond.kind], _GRAPHMVP_DIRECTIONS.get(bond.direction, 0) if has_direction else 0


def _ogb_atom(atom: AtomRecord) -> tuple[int, ...]:
    """Return PyG's nine features, of which bonds will be added to the degree, and rings told, afterwards."""
    return (
        *(atom.number, atom.chirality, atom.hydrogens, atom.charge + 5, atom.hydrogens, atom.radicals),
        *(_OGB_HYBRIDIZATIONS.get(atom.hybridization, -1), atom.is_aromatic, 0),
    )


def _ogb_bond(bond: BondRecord) -> tuple[int, int, int]:
    return bond.kind, bond.stereo if bond.kind == _DOUBLE else 0, bond.is_conjugated


GRAPHMVP = Columns(_graphmvp_atom, _graphmvp_bond, tell_rings=False)
OGB = Columns(_ogb_atom, _ogb_bond, tell_rings=True)
_GRAPHMVP_READER, _OGB_READER = TableReader(GRAPHMVP), TableReader(OGB)


def _read_graphmvp(molecule: Chem.Mol) -> MolecularGraph:
    """Bonds are in RDKit's order, as (i, j), (j, i)."""
    atoms, bonds, ends, _ = _GRAPHMVP_READER.read(molecule)
    index = np.empty((2, len(ends)), np.int64)
    index[0] = ends
    index[1, 0::2], index[1, 1::2] = ends[1::2], ends[0::2]
    return MolecularGraph(atoms.reshape(-1, 2), index, bonds.reshape(-1, 2).repeat(2, axis=0))


def _is_unusual_graphmvp(molecule: Chem.Mol) -> bool:
    if molecule.HasSubstructMatch(_OTHER_BOND):
        return True
    chiral = molecule.GetSubstructMatches(_CHIRAL, _EVERY_MATCH)
    return any(molecule.GetAtomWithIdx(i).GetChiralTag() not in _GRAPHMVP_CHIRALITIES for (i,) in chiral)


def _read_ogb(molecule: Chem.Mol) -> MolecularGraph:
    """Directed bonds are sorted by source, then target."""
    atom_values, bond_values, ends, in_rings = _OGB_READER.read(molecule)
    atoms = atom_values.reshape(-1, len(_OGB_ATOM_SIZES))
    atoms[:, _DEGREE] += np.bincount(ends, minlength=len(atoms))
    atoms[in_rings, _IN_RING] = 1
    if wrong := out_of_range(atoms, _OGB_ATOM_SIZES):
        i, feature = wrong
        symbol = molecule.GetAtomWithIdx(i).GetSymbol()
        raise NoCategoryError(f"atom {i} ({symbol}) has an unusual {_OGB_ATOM_FEATURES[feature]}")
    first, last = ends.reshape(-1, 2).T
    index = np.array((np.concatenate((first, last)), np.concatenate((last, first))))
    order = (index[0] * len(atoms) + index[1]).argsort()
    return MolecularGraph(atoms, index[:, order], bond_values.reshape(-1, len(_OGB_BOND_SIZES))[order % len(first)])


def _is_unusual_ogb(molecule: Chem.Mol) -> bool:
    return any(map(molecule.HasSubstructMatch, _OGB_UNUSUAL))


FEATURE_SETS = {
    "graphmvp": FeatureSet((120, 3), (6, 3), _read_graphmvp),
    "ogb": FeatureSet(_OGB_ATOM_SIZES, _OGB_BOND_SIZES, _read_ogb),
}
# Of each set, whether a molecule may have what has no category. All others have a graph, which is known by some
# searches in C++, without reading them.
IS_UNUSUAL: dict[str, Callable[[Chem.Mol], bool]] = {"graphmvp": _is_unusual_graphmvp, "ogb": _is_unusual_ogb}
