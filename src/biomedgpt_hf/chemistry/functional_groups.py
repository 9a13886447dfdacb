"""The functional groups that molecules are asked for, each with the SMARTS pattern that defines it.

A group is there if its pattern matches. The patterns keep apart what chemists keep apart (an ester
is no ether, an amide no amine), and count what is the same group at another pH as the same: acids
with their anions, amines with their ammonium ions. Carbonyl groups in a ring that RDKit calls
aromatic (caffeine, coumarin, 2-pyridone) count as the carbonyl groups they are. An alcohol group is a
hydroxy group on a saturated carbon, an amino group on an aromatic ring is an amine, and an amide may
be a lactam or an imide.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from rdkit import Chem


class FunctionalGroup(NamedTuple):
    """A functional group.

    Attributes:
        name: as a question or an answer names it, without article.
        smarts: the pattern that defines it.
        share: how many molecules have it: share of the 33,010 compounds of ChEBI-20. Questions are
            balanced by it (see `chemistry.facts`).
    """

    name: str
    smarts: str
    share: float


# A carbon bound to O, S or N by a double bond, as in carboxylic acids and their derivatives: what
# hangs on it is no ether, no thioether and no amine.
ACYL = "$([#6]=[#7,#8,#16])"
PLAIN = f"[#6;!{ACYL}]"
# Such a carbon without a second oxygen: acetals, and the rings of sugars, are no ethers.
LONE_OXYGEN = f"[#6;!{ACYL};!$([#6]([#8])[#8])]"
# A carbonyl carbon that is bound to carbon or hydrogen besides.
CARBONYL = "[$([#6X3][#6]),$([#6X3;H1,H2])](=[OX1])"

FUNCTIONAL_GROUPS = (
    FunctionalGroup("alcohol group", "[CX4][OX2H]", 0.4911),
    FunctionalGroup("aromatic hydroxy group (or its anion)", "c[$([OX2H]),$([OX1-])]", 0.1501),
    FunctionalGroup("ether", f"{LONE_OXYGEN}[OX2;!$(*1**1)]{LONE_OXYGEN}", 0.2435),
    FunctionalGroup("acetal or hemiacetal", f"[CX4]([OX2]{PLAIN})[$([OX2H]),$([OX2]{PLAIN})]", 0.1862),
    FunctionalGroup("epoxide", "[OX2]1[#6][#6]1", 0.0172),
    FunctionalGroup("organic peroxide", "[#6][OX2][OX2]", 0.0086),
    FunctionalGroup("aldehyde", "[$([CX3H][#6]),$([CX3H2])]=[OX1]", 0.0214),
    FunctionalGroup("ketone", "[#6][#6X3](=[OX1])[#6]", 0.1701),
    FunctionalGroup("carboxylic acid (or carboxylate)", f"{CARBONYL}[$([OX2H]),$([OX1-])]", 0.3317),
    FunctionalGroup("ester", f"{CARBONYL}[#8X2]{PLAIN}", 0.1711),
    FunctionalGroup("carboxylic anhydride", f"{CARBONYL}[#8X2][#6]=[OX1]", 0.0006),
    FunctionalGroup("thioester", f"{CARBONYL}[#16X2][#6]", 0.043),
    FunctionalGroup("amide", f"{CARBONYL}[#7X3]", 0.2867),
    FunctionalGroup("urea group", "[#7X3][#6X3](=[OX1])[#7X3]", 0.0321),
    FunctionalGroup("carbamate", "[#7X3][#6X3](=[OX1])[$([#8X2][#6]),$([OX2H]),$([OX1-])]", 0.0093),
    FunctionalGroup("primary amine (or its ammonium ion)", f"[$([NX3H2]),$([NX4H3+])]{PLAIN}", 0.2041),
    FunctionalGroup("secondary amine (or its ammonium ion)", f"[$([NX3H]),$([NX4H2+])]({PLAIN}){PLAIN}", 0.055),
    FunctionalGroup(
        "tertiary amine (or its ammonium ion)", f"[$([NX3H0+0]),$([NX4H+])]({PLAIN})({PLAIN}){PLAIN}", 0.0635
    ),
    FunctionalGroup("quaternary ammonium group", "[NX4H0+]([#6])([#6])([#6])[#6]", 0.0244),
    FunctionalGroup(
        "imine", "[$([CX3]([#6])[#6]),$([CX3H][#6]),$([CX3H2])]=[$([NX2][#6]),$([NX2H]),$([NX3+;!$(*[!#6])])]", 0.0131
    ),
    FunctionalGroup("oxime", "[CX3]=[NX2][$([OX2]),$([OX1-])]", 0.0073),
    FunctionalGroup("hydrazone", "[CX3]=[NX2][NX3]", 0.0017),
    FunctionalGroup("guanidine group (or guanidinium)", "[#7][CX3](=[#7;!$([#7]=[#7])])[#7]", 0.0135),
    FunctionalGroup("azo group", "[#6][NX2]=[NX2][#6]", 0.0045),
    FunctionalGroup("azide", "[$([#6][NX2]=[NX2+]=[NX1-]),$([#6][NX2-][NX2+]#[NX1])]", 0.0004),
    FunctionalGroup("nitrile", "[#6][CX2]#[NX1]", 0.0082),
    FunctionalGroup("nitro group", "[!#8][$([NX3+](=[OX1])[OX1-]),$([NX3](=[OX1])=[OX1])]", 0.0131),
    FunctionalGroup("thiol (or thiolate)", f"{PLAIN}[$([SX2H]),$([SX1-])]", 0.0071),
    FunctionalGroup("thioether", f"{PLAIN}[SX2]{PLAIN}", 0.0295),
    FunctionalGroup("disulfide", "[#6][SX2][SX2][#6]", 0.0033),
    FunctionalGroup("sulfoxide", "[#6][$([SX3]=[OX1]),$([SX3+][OX1-])][#6]", 0.0024),
    FunctionalGroup("sulfone", "[#6][SX4](=[OX1])(=[OX1])[#6]", 0.003),
    FunctionalGroup("sulfonamide", "[#6][SX4](=[OX1])(=[OX1])[#7]", 0.0086),
    FunctionalGroup("sulfonic acid (or sulfonate)", "[#6][SX4](=[OX1])(=[OX1])[$([OX2H]),$([OX1-])]", 0.0166),
    FunctionalGroup("sulfate ester", "[#6][OX2][SX4](=[OX1])(=[OX1])[OX2,OX1-]", 0.0176),
    FunctionalGroup("phosphate group", "[PX4](=[OX1])([OX2,OX1-])([OX2,OX1-])[OX2,OX1-]", 0.1596),
    FunctionalGroup("boronic acid", "[#6][BX3]([OX2H])[OX2H]", 0.0003),
    FunctionalGroup("carbon-fluorine bond", "[#6][F]", 0.0268),
    FunctionalGroup("carbon-chlorine bond", "[#6][Cl]", 0.0466),
    FunctionalGroup("carbon-bromine bond", "[#6][Br]", 0.0097),
    FunctionalGroup("carbon-iodine bond", "[#6][I]", 0.0039),
    FunctionalGroup("carbon-carbon double bond outside aromatic rings", "[CX3]=[CX3]", 0.3377),
    FunctionalGroup("carbon-carbon triple bond", "[CX2]#[CX2]", 0.0043),
    FunctionalGroup("benzene ring", "c1ccccc1", 0.3536),
)


@cache
def _patterns() -> tuple[tuple[FunctionalGroup, Chem.Mol], ...]:
    return tuple((group, Chem.MolFromSmarts(group.smarts)) for group in FUNCTIONAL_GROUPS)


def groups_in(molecule: Chem.Mol) -> list[FunctionalGroup]:
    """Return the groups of `FUNCTIONAL_GROUPS` that a molecule has, in their order."""
    return [group for group, pattern in _patterns() if molecule.HasSubstructMatch(pattern)]
