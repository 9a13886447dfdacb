"""What RDKit computes beside an answer."""

import pytest
from rdkit import Chem
from rdkit.Chem import Descriptors

from biomedgpt_hf.chemistry.computed import compute_facts

ASPIRIN = "CC(=O)OC1=CC=CC=C1C(=O)O"


def test_facts_are_those_of_the_whole_molecule():
    facts = compute_facts(ASPIRIN)
    assert facts[:4] == (ASPIRIN, "C9H8O4", 180.16, 0) and facts.computed_by == "RDKit"
    assert {"ester", "benzene ring"} <= set(facts.functional_groups)
    salt = compute_facts("CC(=O)[O-].[Na+].[NH4+]")
    assert (salt.formula, salt.charge) == ("C2H7NNaO2+", 1)
    assert salt.weight == round(Descriptors.MolWt(Chem.MolFromSmiles("CC(=O)[O-].[Na+].[NH4+]")), 2)


def test_molecules_of_every_notation_are_read():
    inchi = "InChI=1S/C2H6O/c1-2-3/h3H,2H2,1H3"
    assert compute_facts(inchi).molecule == inchi and compute_facts(inchi).formula == "C2H6O"
    raw = Chem.MolFromSmiles("OCC", sanitize=False)  # its rings were never searched for
    assert compute_facts(raw).formula == "C2H6O" and compute_facts(Chem.MolFromSmiles("OCC")).molecule == "CCO"


def test_what_cannot_be_read_is_an_error():
    with pytest.raises(ValueError, match="Nothing can be computed of 'C\\(C': extra open"):
        compute_facts("C(C")
