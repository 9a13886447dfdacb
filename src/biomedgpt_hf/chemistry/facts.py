"""The facts about a molecule that RDKit computes, and the words to ask for them and to tell them.

What is computed is named beside each fact. Salts are counted with all their parts. Isotopes count as
their element in a formula, and with their own mass in a weight. Hydrogens are those that the
structure implies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from rdkit import Chem
from rdkit.Chem import rdMolDescriptors

from biomedgpt_hf.chemistry import computed
from biomedgpt_hf.chemistry.functional_groups import FUNCTIONAL_GROUPS, FunctionalGroup
from biomedgpt_hf.chemistry.sampling import Dice

GROUPS_LISTED = 5  # in a question for several functional groups
# Almost all molecules are neutral: only one in so many of these is asked for its charge.
NEUTRAL_ASKED = 5


class QuestionAndAnswer(NamedTuple):
    """A question about a molecule and its exact answer."""

    question: str
    answer: str


class Fact(NamedTuple):
    """A fact that has one exact answer.

    Attributes:
        tell: returns the answer for a molecule.
        questions: ways to ask for it.
    """

    tell: Callable[[Chem.Mol], str]
    questions: tuple[str, ...]


def _count(number: int, singular: str) -> str:
    return f"It has {number} {singular}{'' if number == 1 else 's'}."


def _charge(molecule: Chem.Mol) -> str:
    charge = computed.charge(molecule)
    return f"The net charge is {charge:+d}." if charge else "The net charge is 0."


def _stereocentres(molecule: Chem.Mol) -> str:
    unassigned = rdMolDescriptors.CalcNumUnspecifiedAtomStereoCenters(molecule)
    number = rdMolDescriptors.CalcNumAtomStereoCenters(molecule)
    assigned = f": {number - unassigned} assigned and {unassigned} unassigned." if number else "."
    return _count(number, "stereocentre").removesuffix(".") + assigned


FACTS = {
    # rdMolDescriptors.CalcMolFormula.
    "formula": Fact(
        lambda molecule: f"The molecular formula is {computed.formula(molecule)}.",
        (
            "What is the molecular formula of this molecule?",
            "Give the molecular formula of this molecule.",
            "Which elements is this molecule made of, and how many atoms of each? Answer with its formula.",
            "Write down the molecular formula of this compound in Hill order.",
        ),
    ),
    # Descriptors.MolWt.
    "weight": Fact(
        lambda molecule: f"The molecular weight is {computed.weight(molecule):.2f} g/mol.",
        (
            "What is the molecular weight of this molecule in g/mol?",
            "How much does one mole of this molecule weigh, in grams?",
            "Give the average molecular weight of this compound in g/mol.",
            "State the molar mass of this molecule in g/mol, to two decimals.",
        ),
    ),
    # rdMolDescriptors.CalcExactMolWt: of each element's most common isotope, unless the structure names one.
    "exact_mass": Fact(
        lambda molecule: f"The monoisotopic mass is {rdMolDescriptors.CalcExactMolWt(molecule):.4f} Da.",
        (
            "What is the monoisotopic mass of this molecule in daltons?",
            "Give the monoisotopic mass of this compound, to four decimals.",
            "What is the mass of this molecule in Da, with the most common isotope of each element?",
            "State the exact monoisotopic mass of this molecule in Da.",
        ),
    ),
    # Chem.GetFormalCharge.
    "charge": Fact(
        _charge,
        (
            "What is the net charge of this molecule?",
            "Is this molecule charged? Give its net formal charge.",
            "State the total formal charge of this compound.",
            "Which net charge does this molecule carry?",
        ),
    ),
    # Mol.GetNumHeavyAtoms.
    "heavy_atoms": Fact(
        lambda molecule: _count(molecule.GetNumHeavyAtoms(), "heavy atom"),
        (
            "How many heavy atoms does this molecule have?",
            "How many atoms of this molecule are not hydrogen?",
            "Count the atoms of this compound without its hydrogens.",
            "Give the number of heavy atoms of this molecule.",
        ),
    ),
    # rdMolDescriptors.CalcNumRings: the symmetrised set of smallest rings. In most molecules these are the
    # smallest set of smallest rings; some cages have one ring more (quinuclidine three, cubane six).
    "rings": Fact(
        lambda molecule: _count(rdMolDescriptors.CalcNumRings(molecule), "ring"),
        (
            "How many rings does this molecule have?",
            "Count the rings of this molecule.",
            "What is the ring count of this compound?",
            "Give the number of rings in this molecule.",
        ),
    ),
    # rdMolDescriptors.CalcNumAromaticRings: RDKit's model of aromaticity.
    "aromatic_rings": Fact(
        lambda molecule: _count(rdMolDescriptors.CalcNumAromaticRings(molecule), "aromatic ring"),
        (
            "How many aromatic rings does this molecule have?",
            "Count the aromatic rings of this molecule.",
            "How many of the rings of this compound are aromatic?",
            "Give the number of aromatic rings in this molecule.",
        ),
    ),
    # rdMolDescriptors.CalcNumHBD: nitrogen, oxygen and sulfur atoms with a hydrogen. Not Lipinski's
    # count, which is one for each such hydrogen.
    "hbond_donors": Fact(
        lambda molecule: _count(rdMolDescriptors.CalcNumHBD(molecule), "hydrogen bond donor"),
        (
            "How many hydrogen bond donors does this molecule have?",
            "Count the hydrogen bond donors of this molecule.",
            "How many atoms of this compound can donate a hydrogen bond?",
            "Give the number of hydrogen bond donors in this molecule.",
        ),
    ),
    # rdMolDescriptors.CalcNumHBA: atoms with a lone pair to give, without amide nitrogens and the like.
    # Not Lipinski's count, which is every nitrogen and oxygen.
    "hbond_acceptors": Fact(
        lambda molecule: _count(rdMolDescriptors.CalcNumHBA(molecule), "hydrogen bond acceptor"),
        (
            "How many hydrogen bond acceptors does this molecule have?",
            "Count the hydrogen bond acceptors of this molecule.",
            "How many atoms of this compound can accept a hydrogen bond?",
            "Give the number of hydrogen bond acceptors in this molecule.",
        ),
    ),
    # rdMolDescriptors.CalcNumRotatableBonds, strict: no amide bonds, none at a ring closure or a terminal group.
    "rotatable_bonds": Fact(
        lambda molecule: _count(rdMolDescriptors.CalcNumRotatableBonds(molecule), "rotatable bond"),
        (
            "How many rotatable bonds does this molecule have?",
            "Count the rotatable bonds of this molecule.",
            "How many of the bonds of this compound are rotatable?",
            "Give the number of rotatable bonds in this molecule.",
        ),
    ),
    # rdMolDescriptors.CalcNumAtomStereoCenters and CalcNumUnspecifiedAtomStereoCenters.
    "stereocentres": Fact(
        _stereocentres,
        (
            "How many stereocentres does this molecule have, and how many of them are assigned?",
            "Count the tetrahedral stereocentres of this molecule, assigned and unassigned.",
            "How many chiral centres does this compound have, and for how many is the configuration given?",
            "Give the number of stereocentres in this molecule, and how many are left open.",
        ),
    ),
}
SEVERAL_GROUPS, ONE_GROUP = "functional_groups", "functional_group"
GROUP_QUESTIONS = {
    SEVERAL_GROUPS: (
        "Which of these functional groups does this molecule contain: {groups}?",
        "Here are some functional groups: {groups}. Which of them are in this molecule?",
        "Name those of the following functional groups that this compound has: {groups}.",
        "Look for {groups} in this molecule. Which of them are there?",
    ),
    ONE_GROUP: (
        "Does this molecule contain {group}?",
        "Is there {group} in this molecule?",
        "Has this compound got {group}?",
        "Say whether this molecule contains {group}.",
    ),
}
FACT_NAMES = (*FACTS, SEVERAL_GROUPS, ONE_GROUP)


def ask_fact(fact: str, molecule: Chem.Mol, dice: Dice, groups: Sequence[FunctionalGroup]) -> QuestionAndAnswer | None:
    """Return a question for a fact and its answer, or None where it is not asked of this molecule.

    Args:
        fact: one of `FACT_NAMES`.
        molecule: a molecule without wildcard atoms.
        dice: decides the phrasing, and which functional groups are asked for.
        groups: those that are in the molecule (`groups_in`); only asked for where `fact` is about them.
    """
    if fact in GROUP_QUESTIONS:
        return _ask_for_groups(fact, groups, dice)
    if fact == "charge" and not Chem.GetFormalCharge(molecule) and dice.number("neutral") * NEUTRAL_ASKED > 1:
        return None
    tell, questions = FACTS[fact]
    return QuestionAndAnswer(dice.pick(questions, fact), tell(molecule))


def _ask_for_groups(fact: str, present: Sequence[FunctionalGroup], dice: Dice) -> QuestionAndAnswer:
    question = dice.pick(GROUP_QUESTIONS[fact], f"{fact} phrasing")
    weights = {group.name: _weight(group, group in present) for group in FUNCTIONAL_GROUPS}
    there = [group.name for group in present]
    if fact == ONE_GROUP:
        yes = bool(there) and dice.number("yes") < 0.5
        (name,) = dice.draw({name: weights[name] for name in weights if (name in there) == yes}, 1, fact)
        group = _with_article(name)
        answer = f"Yes, it contains {group}." if yes else f"No, it does not contain {group}."
        return QuestionAndAnswer(question.format(group=group), answer)
    listed = dice.draw(weights, GROUPS_LISTED, fact)
    found = [name for name in listed if name in there]
    answer = f"It contains {_enumerated(found, 'and')}." if found else "It contains none of them."
    return QuestionAndAnswer(question.format(groups=_enumerated(listed, "or")), answer)


def _weight(group: FunctionalGroup, present: bool) -> float:
    """Return how likely a group is asked for, relative to the others.

    A group that is there weighs 1, one that is not its odds of being there. Then each group is about
    as often asked for where it is as where it is not, and its name tells little about the answer.
    """
    return 1.0 if present else group.share / (1 - group.share)


def _with_article(name: str) -> str:
    return f"{'an' if name[0] in 'aeio' else 'a'} {name}"


def _enumerated(names: list[str], conjunction: str) -> str:
    *most, last = map(_with_article, names)
    return f"{', '.join(most)} {conjunction} {last}" if most else last
