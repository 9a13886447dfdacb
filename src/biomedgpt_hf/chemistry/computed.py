"""What RDKit computes about a molecule, offered beside an answer: exact, and no word of a model."""

from __future__ import annotations

from typing import NamedTuple

from rdkit import Chem, rdBase
from rdkit.Chem import rdMolDescriptors

from biomedgpt_hf.chemistry.functional_groups import groups_in
from biomedgpt_hf.processors.molecule_input import RefusedError, parse_text, sanitised


class ComputedFacts(NamedTuple):
    """What was computed about a molecule.

    Attributes:
        molecule: what it was computed of, as it was given: SMILES or InChI.
        formula: molecular formula in Hill order, with the net charge behind it.
        weight: average molecular weight in g/mol, to two decimals.
        charge: net formal charge.
        functional_groups: those of `chemistry.functional_groups` that are there.
        computed_by: the program.
    """

    molecule: str
    formula: str
    weight: float
    charge: int
    functional_groups: tuple[str, ...]
    computed_by: str = "RDKit"


def formula(molecule: Chem.Mol) -> str:
    """Return the molecular formula, in Hill order, with the net charge behind it."""
    return str(rdMolDescriptors.CalcMolFormula(molecule))


def weight(molecule: Chem.Mol) -> float:
    """Return the average molecular weight in g/mol, with the natural mixture of isotopes."""
    return float(rdMolDescriptors._CalcMolWt(molecule))  # what `Descriptors.MolWt` is, without its slow import


def charge(molecule: Chem.Mol) -> int:
    """Return the net formal charge."""
    return int(Chem.GetFormalCharge(molecule))


def compute_facts(molecule: str | Chem.Mol) -> ComputedFacts:
    """Return the facts about a molecule. Salts are counted with all their parts.

    Args:
        molecule: SMILES, InChI, or RDKit molecule.

    Raises:
        ValueError: RDKit cannot read it.
    """
    try:
        with rdBase.BlockLogs():
            parsed = parse_text(molecule) if isinstance(molecule, str) else sanitised(molecule)
    except RefusedError as error:
        raise ValueError(f"Nothing can be computed of {molecule!r}: {'. '.join(map(str, error.args))}.") from error
    text = molecule if isinstance(molecule, str) else Chem.MolToSmiles(parsed)
    groups = tuple(group.name for group in groups_in(parsed))
    return ComputedFacts(text, formula(parsed), round(weight(parsed), 2), charge(parsed), groups)
