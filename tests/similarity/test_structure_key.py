"""Which molecules count as the same structure."""

import pytest

from biomedgpt_hf.similarity.structure_key import structure_key


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("C[C@H](N)C(O)=O", "C[C@@H](N)C(O)=O"),  # enantiomers
        ("C/C=C/C", "C/C=C\\C"),
        ("CC(=O)[O-].[Na+]", "CC(=O)O"),  # salt and acid
        ("CCN.Cl", "CC[NH3+].[Br-]"),
        ("OCC", "InChI=1S/C2H6O/c1-2-3/h3H,2H2,1H3"),
        ("[13CH4]", "C"),
        ("*[C@H](F)Cl.O", "*[C@@H](F)Cl"),  # a wildcard: InChI has no answer
        ("[K+].[K+].[K+].[K+].[K+].CC", "CC"),  # organic beats many inorganic parts
    ],
)
def test_stereo_isotopes_charge_and_salts_are_ignored(first, second):
    assert structure_key(first) == structure_key(second)


@pytest.mark.parametrize(
    ("first", "second"), [("CCO", "COC"), ("CCC", "CCCC"), ("*CC", "*CCC"), ("[Na+].[Cl-]", "[K+].[Cl-]")]
)
def test_other_constitutions_differ(first, second):
    assert structure_key(first) != structure_key(second)


@pytest.mark.parametrize("molecule", ["", "aspirin", "C(C", "InChI=1S/nonsense"])
def test_an_unreadable_molecule_has_no_key(molecule):
    with pytest.raises(ValueError, match="cannot read"):
        structure_key(molecule)
