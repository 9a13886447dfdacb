"""Claims about a molecule that its structure can refute: "It is a ketone" of a molecule without a ketone group.

A claim is a class that a text states (`caption_statements`), and a rule says which structure that class needs. A rule
looks only for what is necessary, so that it refutes and never proves: a ketone group makes no steroid.

The rules are those that references themselves hardly break. Candidates were measured on ChEBI-20's validation captions
and dropped where more than 3 % of them were refuted; `python examples/measure_claims.py CAPTIONS` measures them again.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from rdkit import Chem
from rdkit.Chem import rdMolDescriptors

from biomedgpt_hf.chemistry.caption_statements import statements

Check = Callable[[Chem.Mol], bool]


class Rule(NamedTuple):
    """What a class needs.

    Attributes:
        name: of the rule, as reports show it.
        classes: matches the names of the classes that need it (in lower case, without article and plural).
        holds: tells whether a molecule has what they need.
    """

    name: str
    classes: re.Pattern[str]
    holds: Check


class StatedFact(NamedTuple):
    """A number or formula that a text may give.

    Attributes:
        name: of the fact.
        pattern: finds it in a text; its group is the value.
        read: returns the value in the form in which `tell` returns that of a molecule.
        tell: computes it.
    """

    name: str
    pattern: re.Pattern[str]
    read: Callable[[str], object]
    tell: Callable[[Chem.Mol], object]


class Claim(NamedTuple):
    """What a text states of a molecule, and what the structure says to it.

    Attributes:
        text: the class in lower case, or the words that give a number.
        rule: the rule that speaks to it, None where none does.
        refuted: whether the structure lacks what the class needs; False for what cannot be checked.
    """

    text: str
    rule: str | None
    refuted: bool


@cache
def _pattern(smarts: str) -> Chem.Mol:
    pattern = Chem.MolFromSmarts(smarts)
    if pattern is None:
        raise ValueError(f"{smarts} is no SMARTS pattern.")
    return pattern


def _has(smarts: str, least: int = 1) -> Check:
    if least == 1:
        return lambda molecule: molecule.HasSubstructMatch(_pattern(smarts))
    return lambda molecule: len(molecule.GetSubstructMatches(_pattern(smarts), maxMatches=least + 1)) >= least


def _rings(least: int) -> Check:
    return lambda molecule: rdMolDescriptors.CalcNumRings(molecule) >= least


def _charges(molecule: Chem.Mol) -> set[int]:
    return {(atom.GetFormalCharge() > 0) - (atom.GetFormalCharge() < 0) for atom in molecule.GetAtoms()}


# A carboxylic acid or its anion, of organic compounds: the carbon may also belong to formic or carbonic acid.
CARBOXYL = "[CX3](=[OX1])[$([OX2H]),$([OX1-])]"
HYDROXY = "[OX2H]"
ESTER = "[CX3](=[OX1])[OX2][#6]"
AMIDE = "[CX3](=[OX1])[#7]"
ANY_NITROGEN, ANY_SULFUR, ANY_PHOSPHORUS = "[#7]", "[#16]", "[#15]"

STEROID = "[#6]12~[#6]~[#6]~[#6]~[#6]~1~[#6]~[#6]~[#6]1~[#6]~2~[#6]~[#6]~[#6]2~[#6]~[#6]~[#6]~[#6]~[#6]~1~2"

# Classes with long lists of names.
NITROGENOUS = r"\bamin[eo]|\bamide|alkaloid|peptide|pyridin|indol|quinol|imidazol|pyrimid|purine|nitrile|nitro"
ACID = r"(?<!amino )\b(?:mono|di|tri)?carboxylic acid$|fatty acid(?: anion)?$|carboxylic acid (?:di|tri)?anion$"
ESTERS = r"\b(?:methyl|acetate|benzoate|carboxylic|enoate|ethyl|tetradecanoate|hexadecanoate) ester$"
RING = r"cyclic|\bbenzene|cycl[eo]|steroid|flav|pyridine$|indole$|furan$|thiazole$|imidazole$|lactone$|lactam$"

# name, classes, what they need
RULES = tuple(
    Rule(name, re.compile(classes), holds)
    for name, classes, holds in (
        # Charge.
        ("cation", r"\bcation$|ammonium ion$|anthocyanin cation$", lambda molecule: Chem.GetFormalCharge(molecule) > 0),
        ("anion", r"(?:^|[ -]|mono|di|tri)anion$|oxoanion$", lambda molecule: Chem.GetFormalCharge(molecule) < 0),
        ("charge of an acyl-CoA", r"acyl-coa\(4-\)$", lambda molecule: Chem.GetFormalCharge(molecule) == -4),
        ("zwitterion", r"zwitterion$|betaine$", lambda molecule: {1, -1} <= _charges(molecule)),
        ("quaternary ammonium", r"quaternary ammonium (?:ion|salt)$", _has("[NX4+;H0]")),
        # Elements.
        ("chlorine", r"chloro(?!phyl)|chlorine|hydrochloride|\bchloride", _has("[Cl]")),
        ("bromine", r"brom(?:o|ine|ide)", _has("[Br]")),
        ("fluorine", r"fluoro|fluorine", _has("[F]")),
        ("iodine", r"(?<!per)iod(?:o|ine)|\biodide", _has("[I]")),
        ("phosphorus", r"phosph(?:ate|o)|nucleotide|acyl-coa", _has(ANY_PHOSPHORUS)),
        ("sulfur", r"sulf(?:ate|on|ide|ox|anyl)|thio(?!l$)|acyl-coa", _has(ANY_SULFUR)),
        ("nitrogen", NITROGENOUS, _has(ANY_NITROGEN)),
        ("silicon", r"\bsil(?:ane|oxane|icate)", _has("[Si]")),
        ("boron", r"\bboron|\bborate", _has("[B]")),
        ("sodium", r"sodium salt", _has("[Na]")),
        ("potassium", r"potassium salt", _has("[K]")),
        # Functional groups.
        ("carboxylic acid", ACID, _has(CARBOXYL)),
        ("two carboxylic acids", r"\bdicarboxylic acid(?: dianion| monoanion)?$", _has(CARBOXYL, 2)),
        ("amino acid", r"amino acid(?: zwitterion)?$", _has("[#7].[CX3](=[OX1])[OX2H,OX1-]")),
        ("alcohol", r"\b(?:primary|secondary|tertiary|fatty|benzyl) alcohol$|\b(?:di|tri|tetr|pent)ol$", _has(HYDROXY)),
        ("primary alcohol", r"\bprimary (?:allylic |fatty )?alcohol$", _has("[$([CH2][#6]),$([CH3])][OX2H]")),
        ("secondary alcohol", r"\bsecondary (?:allylic |fatty )?alcohol$", _has("[$([CH]([#6])[#6])][OX2H]")),
        ("phenol", r"^(?:poly)?phenol$|^(?:catechol|resorcinol|guaiacol|naphthol)$|phenols$", _has("c[OX2H,OX1-]")),
        ("two hydroxy groups", r"^(?:diol|catechol|resorcinol)$", _has("[OX2H,OX1-]", 2)),
        ("three hydroxy groups", r"^triol$", _has("[OX2H,OX1-]", 3)),
        ("aromatic ether", r"\baromatic ether$|methoxybenzene$|methoxyflavone$", _has("c[OX2]")),
        ("ether", r"(?:^|[a-z] )ether$", _has("[#6][OX2][#6]")),
        ("ester", ESTERS, _has(ESTER)),
        ("lactone", r"lactone$", _has("[#6;R](=[OX1])[#8;R]")),
        ("lactam", r"\blactam$", _has("[#6;R](=[OX1])[#7;R]")),
        ("amide", r"(?:carbox|acet|benz|\b)amide$|dipeptide$|tripeptide$|oligopeptide$", _has(AMIDE)),
        ("two amides", r"^tripeptide$", _has(AMIDE, 2)),
        ("ketone", r"ketone$|\benone$", _has("[#6]~[#6](=[OX1])~[#6]")),
        ("primary amine", r"^primary (?:arylamine|amino compound|amine)$", _has("[NX3H2,NX4H3+]")),
        ("secondary amine", r"^secondary (?:amino compound|amine)$", _has("[NX3H1,NX4H2+]")),
        ("tertiary amine", r"^tertiary (?:amino compound|amine)$", _has("[NX3H0,NX4H1+]")),
        ("nitrile", r"nitrile$", _has("[CX2]#[NX1]")),
        ("nitro", r"nitro compound$|nitro(?:benzene|phenol|toluene)", _has("[NX3+](=[OX1])[OX1-]")),
        ("epoxide", r"epoxide$", _has("[OX2r3]")),
        ("sulfonamide", r"sulfonamide$", _has("[SX4](=[OX1])(=[OX1])[#7]")),
        ("sulfone", r"^sulfone$", _has("[#6][SX4](=[OX1])(=[OX1])[#6]")),
        ("sulfide", r"\b(?:organic|aryl|methyl) sulfide$", _has("[#6]~[SX2]~[#6]")),
        ("thioester", r"acyl-coa|thioester", _has("[CX3](=[OX1])[SX2]")),
        ("urea", r"^urea$|^ureas$", _has("[#7][CX3](=[OX1])[#7]")),
        ("carbamate", r"carbamate ester$", _has("[#7][CX3](=[OX1])[OX2]")),
        ("acetal", r"\bacetal$|glycoside$|glucoside$|saccharide$", _has("[OX2][CX4][OX2,OX1,#7,#16]")),
        ("olefin", r"^olefinic compound$|unsaturated fatty a", _has("[CX3]=[CX3]")),
        ("acetylene", r"^acetylenic compound$|\balkyne$", _has("[CX2]#[CX2]")),
        ("azo", r"\bazo(?:benzene)?s?(?: compound| dye)?$", _has("[#7]=[#7]")),
        ("quinone", r"(?<!hydro)quinone$", _has("[#6]=[OX1]", 2)),
        # Rings.
        ("ring", RING, _rings(1)),
        ("two rings", r"bicyclic", _rings(2)),
        ("three rings", r"tricyclic", _rings(3)),
        ("four rings", r"tetracyclic|sterol$|\d-oxo steroid$|\w-hydroxy steroid$", _rings(4)),
        ("five rings", r"pentacyclic", _rings(5)),
        ("six rings", r"hexacyclic", _rings(6)),
        ("heterocycle", r"hetero(?:mono|bi|tri|tetra|penta|hexa)?cyclic", _has("[!#6;R]")),
        ("benzene ring", r"benzene$|^(?:poly)?phenol$|benzamide$|aniline$|catechol$|resorcinol$", _has("c1ccccc1")),
        ("pyridine", r"pyridine$", _has("[#6]1~[#6]~[#6]~[#7]~[#6]~[#6]~1")),
        ("indole", r"(?<!do)\bindole$", _has("[#6]1~[#6]~[#7]~[#6]2~[#6]~1~[#6]~[#6]~[#6]~[#6]~2")),
        ("imidazole", r"^(?:benz)?imidazole$", _has("[#6]1~[#7]~[#6]~[#7]~[#6]~1")),
        ("pyrimidine", r"pyrimidine$|pyrimidone$", _has("[#6]1~[#7]~[#6]~[#7]~[#6]~[#6]~1")),
        (
            "quinoline",
            r"^quinolin(?:e|one)$|^quinolone$",
            _has("[#6]1~[#6]~[#7]~[#6]2~[#6]~[#6]~[#6]~[#6]~[#6]~2~[#6]~1"),
        ),
        ("thiazole", r"^1,3-thiazole$", _has("[#16]1~[#6]~[#7]~[#6]~[#6]~1")),
        ("furan", r"^furan$", _has("[#8]1~[#6]~[#6]~[#6]~[#6]~1")),
        ("thiophene", r"thiophene$", _has("[#16]1~[#6]~[#6]~[#6]~[#6]~1")),
        ("piperidine", r"^piperidine$", _has("[#7]1~[#6]~[#6]~[#6]~[#6]~[#6]~1")),
        ("piperazine", r"piperazine$", _has("[#7]1~[#6]~[#6]~[#7]~[#6]~[#6]~1")),
        ("steroid skeleton", r"(?<!seco)\b\S*(?:hydroxy|oxo) steroid$|3beta-sterol$", _has(STEROID)),
        ("chromane skeleton", r"flav(?:one|anone|onol|onoid)$|coumarin$|chromone$", _has("[#8]~[#6]")),
        ("macrocycle", r"macrocycle$|macrolide$", _has("[r{9-}]")),
    )
)


STATED_FACTS = (
    StatedFact(
        "formula",
        re.compile(r"\bformula (?:is |of |[a-z]+ has is )?((?:[A-Z][a-z]?\d*)+)(?![a-z])"),
        str,
        lambda molecule: re.split(r"[+-]", rdMolDescriptors.CalcMolFormula(molecule))[0],
    ),
    StatedFact("charge", re.compile(r"\b(?:net|formal|total) charge (?:is|of) ([+-]?\d+)"), int, Chem.GetFormalCharge),
    StatedFact(
        "ring count",
        re.compile(r"\b(?:has|have|contains|with) (\d+) rings?\b", re.IGNORECASE),
        int,
        rdMolDescriptors.CalcNumRings,
    ),
)


def claims_of(text: str, molecule: Chem.Mol) -> list[Claim]:
    """Check what a text says a molecule is, and the numbers that it gives of it.

    Args:
        text: a caption in ChEBI-20's style, whose classes stand in "The molecule is a …" and "It is a …", or an answer
            to a question of MoleculeFacts.
        molecule: the molecule that it speaks of.

    Returns:
        the classes in the order of their names, then formula, charge and ring count where the text gives them. A class
        that several rules speak to is refuted by the first that the structure breaks.
    """
    names = sorted({statement.name for statement in statements(text) if statement.relation == "class"})
    classes = [_check(name, molecule) for name in names]
    numbers = [
        Claim(match[0], fact.name, refuted=fact.tell(molecule) != fact.read(match[1]))
        for fact in STATED_FACTS
        if (match := fact.pattern.search(text))
    ]
    return classes + numbers


def _check(name: str, molecule: Chem.Mol) -> Claim:
    rules = [rule for rule in RULES if rule.classes.search(name)]
    broken = next((rule for rule in rules if not rule.holds(molecule)), None)
    if broken is not None:
        return Claim(name, broken.name, refuted=True)
    return Claim(name, rules[0].name if rules else None, refuted=False)
