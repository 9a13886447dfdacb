import pytest
from rdkit import Chem

from biomedgpt_hf.chemistry.claims import RULES, claims_of

ASPIRIN, ETHANOL, ACETATE = "CC(=O)Oc1ccccc1C(=O)O", "CCO", "CC(=O)[O-]"


@pytest.mark.parametrize(
    ("smiles", "text", "refuted"),
    [
        (ASPIRIN, "It is a monocarboxylic acid and an aryl acetate ester.", False),
        (ASPIRIN, "The molecule is a nitrophenol.", True),
        (ASPIRIN, "It is an organochlorine compound.", True),
        (ASPIRIN, "It is a pyridine.", True),
        (ASPIRIN, "It is a dicarboxylic acid.", True),
        (ETHANOL, "The molecule is a primary alcohol.", False),
        (ETHANOL, "It is a secondary alcohol.", True),
        (ETHANOL, "It is a primary amino compound.", True),
        (ACETATE, "It is a monocarboxylic acid anion.", False),
        (ACETATE, "It is an organic cation.", True),
        ("[NH3+]CC(=O)[O-]", "It is an amino acid zwitterion.", False),
        ("NCC(=O)O", "It is an amino acid zwitterion.", True),
        ("c1ccc2ccccc2c1", "It is a carbobicyclic compound.", False),
        ("c1ccccc1", "It is a carbobicyclic compound.", True),
        (ASPIRIN, "The molecular formula is C9H8O4.", False),
        (ASPIRIN, "It has the formula C9H8O3.", True),
        (ACETATE, "The molecular formula is C2H3O2-.", False),
        (ACETATE, "The net charge is -1.", False),
        (ACETATE, "The net charge is +1.", True),
        (ASPIRIN, "It has 1 ring.", False),
        (ASPIRIN, "It has 4 rings.", True),
    ],
)
def test_the_structure_refutes_what_it_cannot_be(smiles, text, refuted):
    claims = claims_of(text, Chem.MolFromSmiles(smiles))
    checked = [claim for claim in claims if claim.rule]
    assert checked
    assert any(claim.refuted for claim in checked) == refuted


@pytest.mark.parametrize("text", ["It derives from a pyridine.", "It has a role as a drug.", "It is a lignan.", ""])
def test_what_no_rule_speaks_to_is_neither_refuted_nor_supported(text):
    assert not any(claim.rule or claim.refuted for claim in claims_of(text, Chem.MolFromSmiles(ASPIRIN)))


def test_rules_have_names_of_their_own():
    assert len({rule.name for rule in RULES}) == len(RULES)


def test_references_are_hardly_ever_refuted(shared):
    from collections import Counter

    from biomedgpt_hf.chemistry.caption_statements import statements
    from biomedgpt_hf.similarity.structure_key import read_molecule

    checked, refuted = Counter(), Counter()
    text = (shared / "data" / "captions" / "chebi20" / "validation.txt").read_text("utf-8")
    for line in text.splitlines()[1:1001]:
        _, smiles, caption = line.split("\t")
        molecule = read_molecule(smiles.replace("\\\\", "\\"))
        for statement in statements(caption):
            for rule in RULES if statement.relation == "class" else ():
                if rule.classes.search(statement.name):
                    checked[rule.name] += 1
                    refuted[rule.name] += not rule.holds(molecule)
    assert checked.total() > 1_000
    assert refuted.total() / checked.total() < 0.01
