"""When two molecules count as the same for splits and leakage: stereo and salts ignored."""

from __future__ import annotations

from typing import cast

from rdkit import Chem, rdBase
from rdkit.Chem import inchi, rdMolDescriptors


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
        raise ValueError(f"RDKit cannot read the molecule {molecule!r}.")
    with rdBase.BlockLogs():
        fragment = largest_organic_fragment(parsed)
        key = inchi.MolToInchiKey(fragment)
        if key:
            return cast(str, key.split("-")[0])
        return "SMILES:" + Chem.MolToSmiles(fragment, isomericSmiles=False)


def read_molecule(molecule: str) -> Chem.Mol | None:
    """Return the molecule of a SMILES or InChI, or None if RDKit cannot read it or it has no atom."""
    with rdBase.BlockLogs():
        read = Chem.MolFromInchi if molecule.startswith("InChI=") else Chem.MolFromSmiles
        parsed = read(molecule)
    return parsed if parsed is not None and parsed.GetNumAtoms() else None


def largest_organic_fragment(molecule: Chem.Mol) -> Chem.Mol:
    """Return the fragment with most heavy atoms among those with carbon (or among all)."""
    fragments = Chem.GetMolFrags(molecule, asMols=True, sanitizeFrags=False)
    if len(fragments) == 1:
        return fragments[0]

    def rank(fragment: Chem.Mol) -> tuple[bool, int, float, str]:
        organic = any(atom.GetAtomicNum() == 6 for atom in fragment.GetAtoms())
        weight = rdMolDescriptors.CalcExactMolWt(fragment)
        return organic, fragment.GetNumHeavyAtoms(), weight, Chem.MolToSmiles(fragment)

    return max(fragments, key=rank)
