"""Molecules of absurd size are refused in no time, and real ones never are."""

import pytest
from rdkit import Chem

from biomedgpt_hf import InvalidMoleculeError, smiles_to_graph
from biomedgpt_hf.processors import molecule_input
from biomedgpt_hf.processors.molecule_limits import DEEPEST_BRANCH, LONGEST_TEXT, molecule_excess
from biomedgpt_hf.similarity.structure_key import read_molecule, structure_key

MANY = 200_000
ABSURD = {
    "[" * MANY: "square bracket",
    "[" * MANY + "]" * MANY: "square bracket",
    "C[" * MANY: "square bracket",
    "[C" * MANY: "square bracket",
    "(" * MANY: "nested 200,000 deep",
    "C(" * MANY: "nested 200,000 deep",
    "C(" * MANY + "C" + ")" * MANY: "nested 200,000 deep",
    "C" + ")" * 2000: "parenthesis has no partner",
    "C(" * 2000: "parenthesis has no partner",
    "C" * MANY: "200,000 characters",
    "C1" * MANY: "400,000 characters",
    "InChI=1S/C2H6O/" + "c1-2(" * MANY: "1,000,015 characters",
}


@pytest.mark.parametrize("text", ABSURD, ids=lambda text: text[:8])
def test_absurd_molecules_are_refused_before_rdkit_sees_them(text, monkeypatch):
    monkeypatch.setattr(molecule_input, "_parsed", None)  # calling it would be a TypeError
    with pytest.raises(InvalidMoleculeError, match=ABSURD[text]) as caught:
        smiles_to_graph(text)
    assert len(str(caught.value)) < 500 and "\n" not in str(caught.value)
    assert read_molecule(text) is None
    with pytest.raises(ValueError, match="RDKit cannot read") as caught:
        structure_key(text)
    assert len(str(caught.value)) < 500


def peptide(residues):
    return "N[C@@H](CCC(N)=O)C(=O)" * residues + "O"


@pytest.mark.parametrize(
    "smiles",
    [
        peptide(556),
        "C(" * (DEEPEST_BRANCH - 1) + "C" + ")" * (DEEPEST_BRANCH - 1),
        "C" * 5000,
        ".".join(["[Na+]", "[Cl-]"] * 2000),
        "[13CH2]" * 3000,
    ],
    ids=["peptide", "nested chain", "chain", "salts", "isotopes"],
)
def test_large_but_legal_molecules_are_read(smiles):
    assert len(smiles_to_graph(smiles).atom_features) >= 3000


def test_no_way_of_writing_a_large_molecule_reaches_a_limit():
    molecule = Chem.MolFromSmiles("N[C@@H](CCCNC(N)=N)C(=O)" * 450 + "O")
    assert molecule.GetNumAtoms() > 4900
    for seed in range(3):
        Chem.rdBase.SeedRandomNumberGenerator(seed)
        for options in ({}, {"allHsExplicit": True, "allBondsExplicit": True}):
            written = Chem.MolToSmiles(molecule, doRandom=True, **options)
            assert not molecule_excess(written) and len(written) < LONGEST_TEXT


@pytest.mark.parametrize("text", ["InChI=1S/\ud800", "InChI=1S/CH4/h1H4\u2212", "InChI=1S/CH4\0", "C\udcff", "\ud83dC"])
def test_half_characters_and_foreign_ones_are_told_in_both_notations(text):
    with pytest.raises(InvalidMoleculeError, match=r"character \d+, .* cannot stand in a SMILES or an InChI"):
        smiles_to_graph(text)


@pytest.mark.parametrize("text", ["C\ud800", "InChI=1S/\ud800"])
def test_half_characters_have_no_structure_key(text):
    with pytest.raises(ValueError, match="RDKit cannot read the molecule"):
        structure_key(text)


def test_whatever_rdkit_raises_is_the_error_of_that_molecule(monkeypatch):
    def fail(*_):
        raise IndexError("vector::_M_range_check\nRDKIT: 2026")

    monkeypatch.setattr(molecule_input.Chem, "MolFromSmiles", fail)
    with pytest.raises(InvalidMoleculeError, match=r"RDKit gives up \(IndexError: vector"):
        smiles_to_graph("CCO")
