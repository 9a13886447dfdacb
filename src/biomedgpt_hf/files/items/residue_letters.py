"""The letters of residues that structures name by three.

A residue's letter is that of an amino acid:

    modified residues     the letter of their parent: MSE is M, and the chromophore of GFP, which the file derives from
                          three residues, is three letters. The first of several residues at one place is taken
    names of force fields the letter of the residue: HID, HIE and HSD are H
    unknown residues      X
    caps at the ends      left out: ACE, NH2 and NME are not residues
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import gemmi
from Bio.Data.PDBData import protein_letters_3to1_extended

UNKNOWN = "X"
# Names that AMBER, CHARMM and docking programs give to residues by their protons and bridges. HSE is another residue
# to the PDB, homoserine, whose files say so.
FORCE_FIELDS = {
    **dict.fromkeys(("HID", "HIE", "HIP", "HSD", "HSE", "HSP"), "H"),
    **dict.fromkeys(("CYX", "CYM"), "C"),
    **{"ASH": "D", "GLH": "E", "LYN": "K", "ARN": "R", "TYM": "Y"},
}
FORCE_FIELD_CAPS = ("NHE", "NMA", "NME")


def is_protein(residues: Iterable[str]) -> bool:
    """Tell whether there are more amino acids than nucleotides."""
    known = [gemmi.find_tabulated_residue(residue) for residue in residues]
    amino = sum(residue.is_amino_acid() for residue in known)
    return amino > sum(residue.is_nucleic_acid() for residue in known)


def is_nucleic(residues: Iterable[str]) -> bool:
    """Tell whether any residue is a nucleotide."""
    return any(gemmi.find_tabulated_residue(residue).is_nucleic_acid() for residue in residues)


def parents_of(structure: gemmi.Structure) -> dict[str, str]:
    """Return the letters of residues that the file calls modified, which have one or several parents."""
    places: dict[str, dict[str, str]] = defaultdict(dict)
    for modified in structure.mod_residues:
        letter = gemmi.find_tabulated_residue(modified.parent_comp_id).one_letter_code.strip().upper()
        place, name = f"{modified.chain_name} {modified.res_id.seqid}", modified.res_id.name
        places[name][place] = places[name].get(place, "") + letter
    return {name: next(iter(found.values())) for name, found in places.items()}


def sequence_letters(residues: Sequence[str], parents: Mapping[str, str]) -> str:
    """Return a sequence.

    Args:
        residues: names of residues.
        parents: letters of modified residues, from `parents_of`.
    """
    letters = []
    for place, name in enumerate(residues):
        known = gemmi.find_tabulated_residue(name)
        is_no_residue = name in FORCE_FIELD_CAPS or (known.found() and not known.is_amino_acid())
        if not (is_no_residue and place in (0, len(residues) - 1)):
            letters.append(_letter(name, known.one_letter_code.strip(), parents))
    return "".join(letters)


def _letter(name: str, tabulated: str, parents: Mapping[str, str]) -> str:
    """Return a residue's letter. gemmi's table writes a parent's letter in lower case; Biopython's table knows more."""
    if tabulated.isupper():
        return tabulated
    parent = parents.get(name) or FORCE_FIELDS.get(name) or protein_letters_3to1_extended.get(name)
    return parent or tabulated.upper() or UNKNOWN
