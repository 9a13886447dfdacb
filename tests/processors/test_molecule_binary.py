"""What is decoded out of RDKit's binary form is what RDKit answers when asked; what is not understood is asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem
from rdkit.Chem import rdDepictor, rdDistGeom

from biomedgpt_hf.processors import molecule_binary
from biomedgpt_hf.processors.molecular_features import GRAPHMVP, OGB
from biomedgpt_hf.processors.molecule_binary import TableReader
from biomedgpt_hf.processors.molecule_input import SMILES_ALONE, parse_text
from biomedgpt_hf.processors.molecule_tables import Columns, ask_for_tables

# Every property of atoms and bonds as it is, so that nothing is lost in categories.
EVERYTHING = Columns(tuple, tuple, tell_rings=True)
CHAIN = "C" * 300 + "/C=C/[C@H](F)C1CC1"
KINDS = [
    *("C", "CCO", "[H][H]", "[2H]OC", "[13CH3-].[Na+]", "[Fe+3].[O-]C=O", "[U][235U]", "[CH2]", "[CH3]", "[N]=O"),
    *("N[C@@H](C)C(=O)O", "C/C=C/C", "C/C=C\\C#N", "F/C(Cl)=C(/Br)I", "C[S@](=O)CC", "C1=C/CCCCCC/1", "OC1CC1.Cl"),
    *("c1ccc2[nH]ccc2c1", "Cn1c(=O)c2c(ncn2C)n(C)c1=O", "C1CC2CCC1C2", "C12C3C4C1C5C2C3C45", "FS(F)(F)(F)(F)F"),
    *("C->[Pt]", "[NH3][Pt]([NH3])(Cl)Cl", "[Re]$[Re]", "Cl[Pt@SP1](Cl)(N)N", "[Co@OH1](N)(N)(N)(N)(N)N"),
    *("[SiH4]", "[C-6]", "[Na+4]", "[PtH9]", "O=[Xe](=O)=O", "[Og]", "C[Hg]C", "[O-]S(=O)(=O)[O-].[K+].[K+]"),
    *("C1=C/C=C\\C=C/C=C\\C=C/C=C\\C=C/C=C\\C=C/1", "C" * 255, "C" * 256, "C" * 257, "NO" * 700, CHAIN),
]
RARE = ["*C", "C~C", "[CH3:3]C", "C[C:1000]"]


def decoded_as_asked(molecule: Chem.Mol, reader: TableReader) -> bool:
    decoded = reader.decode(molecule)
    asked = ask_for_tables(molecule, reader.columns)
    return decoded is not None and all(map(np.array_equal, decoded, asked))


@pytest.fixture
def reader() -> TableReader:
    return TableReader(EVERYTHING)


class Forged:
    """A molecule with another binary form."""

    def __init__(self, binary: bytes) -> None:
        self.binary = binary

    def ToBinary(self, flags: int) -> bytes:  # noqa: N802
        return self.binary


def test_this_version_of_rdkit_is_known(reader):
    assert reader.knows_layout


@pytest.mark.parametrize("smiles", KINDS)
def test_every_kind_of_molecule_is_decoded_as_rdkit_answers(smiles, reader):
    assert decoded_as_asked(Chem.MolFromSmiles(smiles), reader)


def test_more_bonds_than_a_byte_counts_are_decoded_whatever_the_number_of_atoms(reader):
    network = Chem.RWMol()
    for _ in range(250):
        network.AddAtom(Chem.Atom("U"))
    for first in range(250):
        network.AddBond(first, (first + 1) % 250, Chem.BondType.SINGLE)
        if first < 125:
            network.AddBond(first, first + 125, Chem.BondType.SINGLE)
    Chem.SanitizeMol(network)
    assert network.GetNumBonds() > 255 >= network.GetNumAtoms()
    assert decoded_as_asked(network, reader)


def test_molecules_that_are_no_smiles_are_decoded_as_rdkit_answers(reader):
    solid = Chem.AddHs(Chem.MolFromSmiles("C[C@H](O)F"))
    rdDistGeom.EmbedMolecule(solid, randomSeed=1)
    flat = Chem.MolFromSmiles("C[C@H](O)F")
    rdDepictor.Compute2DCoords(flat)
    wedged = Chem.MolFromMolBlock(Chem.MolToMolBlock(flat))
    Chem.WedgeMolBonds(wedged, wedged.GetConformer())
    inchi = Chem.MolFromInchi("InChI=1S/C4H6ClF/c1-2-3-4(5)6/h2-4H,1H3/b3-2+/t4-/m0/s1")
    groups = Chem.MolFromSmiles("C[C@H](O)F |o1:1|")
    for molecule in (solid, flat, wedged, inchi, groups):
        assert decoded_as_asked(molecule, reader)


def test_thousands_of_real_molecules_are_decoded_as_rdkit_answers(shared, reader):
    lines = (shared / "data/captions/chebi20/test.txt").read_text("utf-8").splitlines()[1:]
    unlike, asked = [], []
    for line in lines:
        molecule = Chem.MolFromSmiles(line.split("\t")[1])
        if molecule is None:
            continue
        if reader.decode(molecule) is None:
            asked.append(line)
        elif not decoded_as_asked(molecule, reader):
            unlike.append(line)
    assert len(lines) > 3000 and not unlike
    assert all("*" in line.split("\t")[1] for line in asked)


def test_what_is_rare_is_asked_for(reader):
    for molecule in (Chem.MolFromSequence("GA"), *map(Chem.MolFromSmiles, RARE)):
        assert reader.decode(molecule) is None
        assert all(map(np.array_equal, reader.read(molecule), ask_for_tables(molecule, EVERYTHING)))


# ---- forms that are not understood ---------------------------------------------------------------------------------


@pytest.mark.parametrize("smiles", ["C/C=C/[C@H](F)c1cc[nH]c1", CHAIN])
def test_a_form_that_is_cut_anywhere_before_its_end_is_not_decoded(smiles, reader):
    binary = Chem.MolFromSmiles(smiles).ToBinary(0)
    rings = binary.rindex(b"\x17")  # behind them stands what is not read
    assert reader.decode(Forged(binary)) is not None
    assert all(reader.decode(Forged(binary[:length])) is None for length in range(rings))


@pytest.mark.parametrize("place", [*range(4), *range(8, 12)])  # what is between is not in use
def test_a_form_with_another_beginning_or_version_is_not_decoded(place, reader):
    binary = bytearray(Chem.MolFromSmiles("CCO").ToBinary(0))
    binary[place] ^= 1
    assert reader.decode(Forged(bytes(binary))) is None


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_no_byte_of_a_form_makes_the_decoder_raise(data):
    binary = bytearray(Chem.MolFromSmiles("C/C=C/[C@H](F)c1cc[nH]c1.[13CH3-]").ToBinary(0))
    binary[data.draw(st.integers(0, len(binary) - 1))] = data.draw(st.integers(0, 255))
    for columns in (EVERYTHING, GRAPHMVP, OGB):
        TableReader(columns).decode(Forged(bytes(binary)))


@pytest.mark.parametrize(
    ("name", "value"),
    [("_MAJOR_VERSION", 17), ("_RINGS", 0x43), ("_SP3", 3), ("_SINGLE", 2), ("_CHIRALITY", 3), ("_RADICALS", 5)]
    + [("_IMPLICIT_HYDROGENS", 5), ("_AROMATIC", 0x20), ("_CONJUGATED", 0x40), ("_LARGEST_BYTE", 1000)],
)
def test_another_layout_is_noticed_before_the_first_molecule_and_rdkit_is_asked(name, value, monkeypatch):
    monkeypatch.setattr(molecule_binary, name, value)
    reader = TableReader(EVERYTHING)
    assert not reader.knows_layout
    for molecule in map(Chem.MolFromSmiles, ["CCO", "c1ccccc1", CHAIN]):
        assert all(map(np.array_equal, reader.read(molecule), ask_for_tables(molecule, EVERYTHING)))


# ---- parsing in steps ----------------------------------------------------------------------------------------------


def parsed_alike(smiles: str) -> bool:
    return parse_text(smiles).ToBinary(0) == Chem.MolFromSmiles(smiles, SMILES_ALONE).ToBinary(0)


@pytest.mark.parametrize("smiles", [*KINDS, *RARE, "[H]O[H]", "[1H]C", "[H+]", "CC(F)=C(F)C", "OC(F)Cl", "C[C@H](C)O"])
def test_a_smiles_is_parsed_as_rdkit_parses_it(smiles):
    assert parsed_alike(smiles)


def test_thousands_of_real_smiles_are_parsed_as_rdkit_parses_them(shared):
    lines = (shared / "data/captions/chebi20/test.txt").read_text("utf-8").splitlines()[1:]
    smiles = [line.split("\t")[1] for line in lines]
    readable = [one for one in smiles if Chem.MolFromSmiles(one) is not None]
    assert len(readable) > 3000 and all(map(parsed_alike, readable))
