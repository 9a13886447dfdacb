"""Which molecules count as the same structure."""

import random

import pytest
from rdkit import Chem

from biomedgpt_hf.similarity.structure_key import (
    fragment_key,
    largest_organic_fragment,
    main_fragment,
    read_molecule,
    skeleton,
    structure_key,
)

SAME = [
    ("C[C@H](N)C(O)=O", "C[C@@H](N)C(O)=O"),
    ("CC(=O)[O-].[Na+]", "CC(=O)O"),
    ("CCN.Cl", "CC[NH3+].[Br-]"),
    ("OCC", "InChI=1S/C2H6O/c1-2-3/h3H,2H2,1H3"),
    ("[13CH3][2H]", "C"),
    ("CC(O)=CC(C)=O", "CC(=O)CC(C)=O"),  # tautomers have two keys, but one skeleton
    ("O=c1cc[nH]cc1", "Oc1ccncc1"),
    ("C/C=C/C", "C/C=C\\C"),
    ("*[C@H](F)Cl.O", "*[C@@H](F)Cl"),
    ("CC[Hg]Cl", "CC[Hg]Cl"),
    ("[Cu]OC(C)=O", "O=C(C)O[Cu]"),
]


def fragment_of(molecule):
    return main_fragment(read_molecule(molecule))


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


@pytest.mark.parametrize(("first", "second"), SAME)
def test_what_has_one_structure_key_has_one_skeleton(first, second):
    assert skeleton(fragment_of(first)) == skeleton(fragment_of(second))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("CCO", "COC"),
        ("CCC", "CCCC"),
        ("*CC", "*CCC"),
        ("C[Hg]C", "C[Zn]C"),
        ("CC(C)CC", "CCCCC"),
        ("c1ccccc1Cl", "c1ccccc1Br"),
        ("OCCCN", "NCCOC"),
    ],
)
def test_other_atoms_or_neighbours_make_another_skeleton(first, second):
    assert skeleton(fragment_of(first)) != skeleton(fragment_of(second))


def test_a_skeleton_does_not_hang_on_the_order_of_atoms():
    molecule = Chem.MolFromSmiles("CC(=O)Oc1ccccc1C(=O)NC1CCN(C)CC1[Si](C)(C)C")
    chance = random.Random(0)
    orders = [chance.sample(range(molecule.GetNumAtoms()), molecule.GetNumAtoms()) for _ in range(20)]
    assert len({skeleton(Chem.RenumberAtoms(molecule, order)) for order in orders}) == 1


def test_real_molecules_with_one_key_have_one_skeleton_and_few_others_do(shared):
    lines = (shared / "data/captions/chebi20/validation.txt").read_text("utf-8").splitlines()[1:1001]
    molecules = [line.split("\t")[1] for line in lines]
    outlines, keys = {}, {}
    for molecule in molecules:
        key, outline = structure_key(molecule), skeleton(fragment_of(molecule))
        assert outlines.setdefault(key, outline) == outline, molecule
        keys.setdefault(outline, set()).add(key)
    assert len(keys) > 0.9 * len(outlines)


@pytest.mark.parametrize("molecule", [one for pair in SAME for one in pair] + ["O.O.OC1CCCCC1N", "[Na+].[Cl-]"])
def test_the_fragment_that_is_compared_has_the_key_of_the_molecule(molecule):
    assert fragment_key(fragment_of(molecule)) == structure_key(molecule)
    alone = largest_organic_fragment(read_molecule(molecule))
    assert Chem.MolToSmiles(fragment_of(molecule)) == Chem.MolToSmiles(alone)
