"""The structure key, which is equal for the same molecules and ignores stereo, salts and charges."""

from __future__ import annotations

from typing import cast

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import inchi, rdMolDescriptors

from biomedgpt_hf.processors.molecule_limits import molecule_excess
from biomedgpt_hf.similarity.hashing import FACTOR, scatter

SHOWN = 300  # characters of a molecule in an error
# Elements whose bonds to one another InChI always keeps. It removes bonds to metals, and its key does not depend on the
# places of hydrogens.
BONDED = np.isin(np.arange(128), [0, 6, 7, 8, 9, 14, 15, 16, 17, 34, 35, 53])


def structure_key(molecule: str) -> str:
    """Return the key of a molecule's constitution.

    The key is the first block of the InChIKey (14 letters: skeleton, without stereo, isotopes and
    charge, so a salt, an acid and its anion, and all stereoisomers share it) of the largest organic
    fragment. Where InChI has no answer (wildcard atoms) it is "SMILES:" and the fragment's
    canonical SMILES without stereo.

    Args:
        molecule: SMILES or InChI.

    Raises:
        ValueError: RDKit cannot read it.
    """
    parsed = read_molecule(molecule)
    if parsed is None:
        shown = molecule if len(molecule) <= SHOWN else f"{molecule[:SHOWN]}…"
        raise ValueError(f"RDKit cannot read the molecule {shown!r}.")
    return fragment_key(largest_organic_fragment(parsed))


def canonical_smiles(molecule: str) -> str:
    """Return RDKit's canonical SMILES of a whole molecule: equal for one structure, however it is written.

    Stereo, isotopes, charges and all parts of a salt count. Tautomers are different structures.

    Args:
        molecule: SMILES or InChI.

    Raises:
        ValueError: RDKit cannot read it.
    """
    parsed = read_molecule(molecule)
    if parsed is None:
        raise ValueError(f"RDKit cannot read the molecule {molecule!r}.")
    return str(Chem.MolToSmiles(parsed))


def fragment_key(fragment: Chem.Mol) -> str:
    """Return the key of a molecule whose largest organic fragment this is; see `structure_key`."""
    with rdBase.BlockLogs():
        key = inchi.MolToInchiKey(fragment)
        if key:
            return cast(str, key.split("-")[0])
        return "SMILES:" + Chem.MolToSmiles(fragment, isomericSmiles=False)


def read_molecule(molecule: str) -> Chem.Mol | None:
    """Return the molecule of a SMILES or InChI, or None if RDKit cannot read it or it has no atom."""
    if molecule_excess(molecule):
        return None
    with rdBase.BlockLogs():
        read = Chem.MolFromInchi if molecule.startswith("InChI=") else Chem.MolFromSmiles
        try:
            parsed = read(molecule)
        except Exception:  # whatever a parser raises concerns this molecule alone
            return None
    return parsed if parsed is not None and parsed.GetNumAtoms() else None


def largest_organic_fragment(molecule: Chem.Mol) -> Chem.Mol:
    """Return the fragment with most heavy atoms among those with carbon (or among all, if none has carbon)."""
    fragments = Chem.GetMolFrags(molecule, asMols=True, sanitizeFrags=False)
    if len(fragments) == 1:
        return fragments[0]

    def rank(fragment: Chem.Mol) -> tuple[bool, int, float, str]:
        organic = any(atom.GetAtomicNum() == 6 for atom in fragment.GetAtoms())
        weight = rdMolDescriptors.CalcExactMolWt(fragment)
        return organic, fragment.GetNumHeavyAtoms(), weight, Chem.MolToSmiles(fragment)

    return max(fragments, key=rank)


def main_fragment(molecule: Chem.Mol) -> Chem.Mol:
    """Return the largest organic fragment, with its rings computed, since copying does not keep them."""
    if len(Chem.GetMolFrags(molecule)) == 1:
        return molecule
    fragment = largest_organic_fragment(molecule)
    Chem.FastFindRings(fragment)
    return fragment


def skeleton(fragment: Chem.Mol) -> int:
    """Return a number for the skeleton of a molecule: its atoms, and which of them are bonded.

    Molecules with the same structure key have the same skeleton. A key takes ten times as long, so it is computed only
    if two skeletons agree. Bond orders, charges, isotopes, stereo, hydrogens and bonds to metals are ignored. Each
    atom's number is refined with those of its neighbours (Weisfeiler and Leman).

    Args:
        fragment: see `main_fragment`.
    """
    elements = np.array([atom.GetAtomicNum() for atom in fragment.GetAtoms()])
    bonded = BONDED[elements]
    bonds = (Chem.GetAdjacencyMatrix(fragment) * bonded).astype(np.uint64)
    labels = scatter(elements.astype(np.uint64) + FACTOR)
    metals = labels[~bonded & (elements != 1)].sum(keepdims=True)
    for _ in range(4):
        labels = scatter(labels * FACTOR + bonds @ labels)
    return int(scatter(labels[bonded].sum(keepdims=True) + scatter(metals))[0])
