"""Molecules become the graphs that GraphMVP, OGB and PyG make, and what is no molecule is refused with a reason."""

import gzip
import json
import pickle
from itertools import product
from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem, rdBase
from rdkit.Chem import rdDistGeom
from torch_geometric.data import Data
from torch_geometric.utils import from_smiles

from biomedgpt_hf.processors.molecular_graph import (
    FEATURE_SETS,
    InvalidMoleculeError,
    MolecularGraph,
    SkippedMolecule,
    collate_graphs,
    molecules_to_graphs,
    smiles_to_graph,
)
from biomedgpt_hf.processors.molecule_tables import NoCategoryError

PROTEIN = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQ"
MANY = [
    "CCO",
    "C",
    "CC(=O)Oc1ccccc1C(=O)O",
    "[Na+].[Cl-]",
    "C/C=C\\C",
    "N[C@@H](C)C(=O)O",
    "*C",
    "[2H]OC",
    "O=[Xe](=O)=O",
]


def same(graph, other) -> bool:
    return all(np.array_equal(ours, theirs) for ours, theirs in zip(graph, other, strict=True))


def lists(graph: MolecularGraph) -> list:
    return [array.tolist() for array in graph]


def why(molecule, features="graphmvp", **options) -> str:
    with pytest.raises(InvalidMoleculeError) as caught:
        smiles_to_graph(molecule, features, **options)
    return str(caught.value)


@pytest.fixture(scope="module")
def reference(shared):
    with gzip.open(shared / "reference" / "graphs.json.gz") as file:
        return json.load(file)


# ---- the features --------------------------------------------------------------------------------------------------


def test_the_original_features_are_reproduced(reference):
    assert len(reference["graphs"]) == 500
    for row in reference["graphs"]:
        assert lists(smiles_to_graph(row["smiles"])) == [row["x"], row["edge_index"], row["edge_attr"]], row["smiles"]


def test_an_edge_case_gives_the_original_features_or_an_error(reference):
    refused = []
    for row in reference["edge_cases"]:
        try:
            graph = smiles_to_graph(row["smiles"])
        except InvalidMoleculeError:
            refused.append(row["smiles"])
        else:
            assert lists(graph)[::2] == [row["x"], row["edge_attr"]], row["smiles"]
            assert graph.bond_index.tolist() == row["edge_index"], row["smiles"]
    assert set(refused) == {row["smiles"] for row in reference["edge_cases"] if "original_error" in row} | {""}


def test_ogb_features_are_those_of_pyg_for_the_reference_molecules(reference):
    for row in reference["graphs"]:
        theirs = from_smiles(row["smiles"])
        graph = smiles_to_graph(row["smiles"], "ogb")
        assert same(graph, (theirs.x, theirs.edge_index, theirs.edge_attr)), row["smiles"]


@pytest.mark.parametrize(
    "smiles",
    [
        *MANY,
        *(
            "C->[Pt]",
            "Cl[Pt@SP1](Cl)(N)N",
            "[Co@OH1](N)(N)(N)(N)(N)N",
            "[Re]$[Re]",
            "C~C",
            "C[N+](C)(C)C",
            "[CH2]",
            "[U]",
        ),
        *("[NH3][Pt]([NH3])(Cl)Cl", "F[P-](F)(F)(F)(F)F", "c1ccc2[nH]ccc2c1", "[C@H](F)(Cl)Br", "F/C(Cl)=C(/Br)I"),
        *("[Na+4]", "[Fe+9]", "[C-6]", "[PtH9]", "C1=C/C=C\\C=C/C=C\\C=C/C=C\\C=C/C=C\\C=C/1", "[H][H]"),
    ],
)
def test_ogb_features_are_those_of_pyg_or_refused_by_both(smiles):
    try:
        theirs = from_smiles(smiles)
    except ValueError:  # PyG: a value is not in its list
        assert "no category" in why(smiles, "ogb")
    else:
        assert same(smiles_to_graph(smiles, "ogb"), (theirs.x, theirs.edge_index, theirs.edge_attr))


def test_ethanol_is_two_carbons_and_an_oxygen_in_a_row():
    graph = smiles_to_graph("CCO")
    assert lists(graph) == [[[5, 0], [5, 0], [7, 0]], [[0, 1, 1, 2], [1, 0, 2, 1]], [[0, 0]] * 4]
    assert {array.dtype for array in graph} == {np.dtype(np.int64)}


def test_benzene_closes_its_ring_with_the_last_bond():
    graph = smiles_to_graph("c1ccccc1")
    assert graph.bond_index[:, -2:].tolist() == [[5, 0], [0, 5]]
    assert graph.bond_features.tolist() == [[3, 0]] * 12


def test_a_lone_atom_has_no_bonds():
    assert [array.shape for array in smiles_to_graph("C")] == [(1, 2), (2, 0), (0, 2)]
    assert [array.shape for array in smiles_to_graph("C", "ogb")] == [(1, 9), (2, 0), (0, 3)]


def test_the_unknown_atom_comes_after_the_last_element():
    assert smiles_to_graph("*[Og]").atom_features.tolist() == [[118, 0], [117, 0]]


def test_mirror_images_differ_in_chirality():
    left, right = (smiles_to_graph(f"N[{mark}H](C)C(=O)O").atom_features[1] for mark in ("C@", "C@@"))
    assert sorted([left.tolist(), right.tolist()]) == [[5, 1], [5, 2]]


def test_double_bond_isomers_differ_in_direction():
    assert smiles_to_graph("C/C=C/C").bond_features[:, 1].tolist() == [1, 1, 0, 0, 1, 1]
    assert smiles_to_graph("C/C=C\\C").bond_features[:, 1].tolist() == [1, 1, 0, 0, 2, 2]


def test_single_and_doubled_backslashes_are_the_same():
    assert same(smiles_to_graph("C/C=C\\C"), smiles_to_graph("C/C=C\\\\C"))


@pytest.mark.parametrize("pair", [("CC(=O)O", "CC(=O)[O-]"), ("N", "[NH4+]"), ("C", "[CH3]")])
def test_graphmvp_is_blind_to_charge_and_hydrogens_and_ogb_is_not(pair):
    first, second = pair
    assert same(smiles_to_graph(first), smiles_to_graph(second))
    assert not same(smiles_to_graph(first, "ogb"), smiles_to_graph(second, "ogb"))


@pytest.mark.parametrize("features", FEATURE_SETS)
def test_a_molecule_of_more_than_a_thousand_heteroatoms_is_read_to_its_end(features):
    graph = smiles_to_graph("NO" * 1200, features)
    oxygen = 7 if features == "graphmvp" else 8
    assert graph.atom_features[1::2, 0].tolist() == [oxygen] * 1200


def test_every_type_and_direction_of_a_bond_has_its_category_or_is_refused():
    types = {Chem.BondType.SINGLE: 0, Chem.BondType.DOUBLE: 1, Chem.BondType.TRIPLE: 2, Chem.BondType.AROMATIC: 3}
    directions = {Chem.BondDir.NONE: 0, Chem.BondDir.ENDUPRIGHT: 1, Chem.BondDir.ENDDOWNRIGHT: 2}
    for bond_type, direction in product(Chem.BondType.values.values(), directions):
        molecule = Chem.RWMol()
        for _ in range(2):
            molecule.AddAtom(Chem.Atom(6))
        molecule.AddBond(0, 1, bond_type)
        molecule.GetBondWithIdx(0).SetBondDir(direction)
        try:
            molecule.UpdatePropertyCache(strict=False)
            Chem.FastFindRings(molecule)
        except RuntimeError:  # RDKit knows the type by name only
            assert "bond type" in why(molecule) and "bond type" in why(molecule, "ogb")
            continue
        assert FEATURE_SETS["ogb"].read(molecule).bond_features[:, 0].tolist() == [int(bond_type)] * 2
        if bond_type not in types:
            with pytest.raises(NoCategoryError, match=f"of type {bond_type}"):
                FEATURE_SETS["graphmvp"].read(molecule)
        else:
            has_direction = bond_type in (Chem.BondType.SINGLE, Chem.BondType.AROMATIC)
            expected = [[types[bond_type], directions[direction] if has_direction else 0]] * 2
            assert FEATURE_SETS["graphmvp"].read(molecule).bond_features.tolist() == expected


# ---- what is accepted ----------------------------------------------------------------------------------------------


class Copy(NamedTuple):
    """The graph class as a checkpoint's remote code has it: another one, with the same fields."""

    atom_features: np.ndarray
    bond_index: np.ndarray
    bond_features: np.ndarray


@pytest.mark.parametrize("features", FEATURE_SETS)
@pytest.mark.parametrize("smiles", MANY)
def test_every_form_of_a_molecule_gives_the_same_graph(smiles, features):
    graph = smiles_to_graph(smiles, features)
    tensors = [torch.tensor(array) for array in graph]
    for form in (
        f"  {smiles}\n",
        np.str_(smiles),
        Chem.MolFromSmiles(smiles),
        graph,
        Copy(*graph),
        Data(x=tensors[0], edge_index=tensors[1], edge_attr=tensors[2]),
    ):
        assert same(smiles_to_graph(form, features), graph), form


def test_pyg_data_made_by_pyg_is_accepted():
    assert same(smiles_to_graph(from_smiles("CC(=O)[O-]"), "ogb"), smiles_to_graph("CC(=O)[O-]", "ogb"))


def test_data_of_a_lone_atom_may_have_empty_arrays_of_any_shape():
    data = Data(x=torch.tensor([[5, 0]]), edge_index=torch.empty(2, 0), edge_attr=torch.empty(0))
    assert same(smiles_to_graph(data), smiles_to_graph("C"))


@pytest.mark.parametrize("features", FEATURE_SETS)
def test_an_inchi_is_the_molecule_that_rdkit_makes_of_it(features):
    inchi = "InChI=1S/C4H6ClF/c1-2-3-4(5)6/h2-4H,1H3/b3-2+/t4-/m0/s1"
    graph = smiles_to_graph(inchi, features)
    assert same(graph, smiles_to_graph(Chem.MolFromInchi(inchi), features))
    assert (features == "ogb" or graph.bond_features[:, 1].any()) and graph.atom_features[:, 1].any()


@pytest.mark.parametrize("features", FEATURE_SETS)
@pytest.mark.parametrize("smiles", ["C1=CC=CC=C1O", "C/C=C/[C@H](F)Cl", "C[C@H](C)O", "C[N+](=O)[O-]"])
def test_a_mol_that_was_not_sanitised_is_sanitised_in_a_copy(smiles, features):
    raw = Chem.MolFromSmiles(smiles, sanitize=False)
    assert same(smiles_to_graph(raw, features), smiles_to_graph(smiles, features))
    assert raw.NeedsUpdatePropertyCache()
    raw.UpdatePropertyCache(strict=False)  # now only its rings are missing
    assert same(smiles_to_graph(raw, features), smiles_to_graph(smiles, features))


def test_explicit_hydrogens_of_a_mol_are_atoms_and_its_conformers_do_not_matter():
    flat = Chem.AddHs(Chem.MolFromSmiles("CO"))
    solid = Chem.Mol(flat)
    rdDistGeom.EmbedMolecule(solid, randomSeed=1)
    assert smiles_to_graph(flat).atom_features[:, 0].tolist() == [5, 7, 0, 0, 0, 0]
    assert same(smiles_to_graph(flat), smiles_to_graph(solid))


def test_an_r_group_of_a_mol_file_is_an_unknown_atom():
    block = Chem.MolToMolBlock(Chem.MolFromSmiles("*CO")).replace(" * ", " R#").replace(" R ", " R#")
    assert smiles_to_graph(Chem.MolFromMolBlock(block)).atom_features[:, 0].tolist() == [118, 5, 7]


# ---- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("molecule", "words"),
    [
        ("C1CC", "unclosed ring"),
        ("C==C", "syntax error at character 3"),
        ("C[C@", "syntax error at character 4"),
        ("CC(C", "extra open parentheses at character 3"),
        ("CN(C)(C)(C)C", "Explicit valence for atom # 1 N, 5, is greater than permitted. Correct the SMILES"),
        ("c1cccc1", "Can't kekulize mol"),
        ("[#200]", "Atomic number not found"),
        ("C\u2212C", "character 2, '\u2212', cannot stand"),
        ("C\u00e9", "character 2"),
        ("C\0C", "character 2"),
        ("C\ud800", "character 2"),
        ("", "it is empty"),
        (" \t\n", "it is empty"),
        (Chem.Mol(), "no atoms"),
        (None, "NoneType is no molecule. Pass a SMILES"),
        (float("nan"), "float is no molecule"),
        (3, "int is no molecule"),
        (b"CCO", "bytes is no molecule"),
        (["CCO"], "list is no molecule"),
        ("C->[Pt]", "bond 0 (C0–Pt1) is of type DATIVE"),
        ("[NH3][Pt]([NH3])(Cl)Cl", "DATIVE"),
        ("[Re]$[Re]", "QUADRUPLE"),
        ("Cl[Pt@SP1](Cl)(N)N", "atom 1 (Pt) has the chirality CHI_SQUAREPLANAR"),
        ("InChI=1S/xx", "not a valid InChI: Syntax error"),
        ("CCO ethanol", "'ethanol' stands behind 'CCO'. Pass the SMILES or InChI alone"),
        ("CCO |$a;b;c$|", "stands behind 'CCO'"),
        ("C is for carbon", "stands behind 'C'"),
        ("aspirin", "this looks like a name"),
        ("acetylsalicylic acid", "this looks like a name"),
        ("(2S)-2-aminopropanoic acid", "this looks like a name"),
        ("\u03b2-carotene", "this looks like a name"),
        (PROTEIN, "this looks like a protein sequence"),
        (f">sp|P00001|X\n{PROTEIN}", "this looks like a protein sequence in FASTA form"),
        ("MKT", "this looks like a name or a protein sequence"),
        ("C9H8O4", "this looks like a molecular formula"),
        ("BSYNRYMUTXBXSQ-UHFFFAOYSA-N", "this looks like an InChIKey"),
        (Chem.MolToMolBlock(Chem.MolFromSmiles("CCO")), "this looks like a MOL block"),
        (Chem.MolFromSmarts("[#6]O"), "SMARTS pattern"),
        (Chem.MolFromSmiles("CN(C)(C)(C)C", sanitize=False), "Explicit valence for atom # 1 N"),
    ],
)
def test_what_is_no_molecule_is_refused_with_the_reason(molecule, words):
    assert words in why(molecule)


@pytest.mark.parametrize("smiles", ["CCCC", "CNO", "CCX", "CCCCCCCCCCH", "NCCSX", "[Xx]=C", "C1CC", "OC=O)"])
def test_a_mistyped_smiles_is_not_taken_for_a_name_or_a_protein(smiles):
    try:
        smiles_to_graph(smiles)
    except InvalidMoleculeError as error:
        assert "looks like" not in str(error)


@pytest.mark.parametrize(
    ("x", "edge_index", "edge_attr", "words"),
    [
        ([[5, 0, 0]], [[], []], [], "atom features (x) have the shape [1, 3], where 'graphmvp' needs [1, 2]"),
        ([5, 0], [[], []], [], "atom features (x) have the shape [2]"),
        ([], [[], []], [], "atom features (x)"),
        (np.empty((0, 2), int), [[], []], [], "no atoms"),
        ([[5, 0], [5, 0]], [[0, 1]], [[0, 0]], "bond index (edge_index) have the shape [1, 2]"),
        ([[5, 0], [5, 0]], [[0, 1], [1, 0]], [[0, 0]], "bond features (edge_attr) have the shape [1, 2]"),
        ([[5, 0], [5, 0]], [[0, 2], [2, 0]], [[0, 0]] * 2, "join atoms 0 to 2, but it has 2 atoms"),
        ([[5, 0], [5, 0]], [[0], [1]], [[0, 0]], "in one direction only"),
        ([[5, 0], [5, 3]], [[0, 1], [1, 0]], [[0, 0]] * 2, "atom 1 has 3 in column 1, where 'graphmvp' has 0 to 2"),
        ([[5, 0], [-1, 0]], [[0, 1], [1, 0]], [[0, 0]] * 2, "atom 1 has -1 in column 0"),
        ([[5, 0], [5, 0]], [[0, 1], [1, 0]], [[0, 0], [6, 0]], "bond 1 has 6 in column 0"),
        ([[5.5, 0.0]], [[], []], [], "float64 instead of integers"),
        ([[5, 0], [5]], [[], []], [], "ragged"),
        (None, [[], []], [], "None instead of integers"),
    ],
)
def test_a_graph_of_wrong_shape_or_range_is_refused(x, edge_index, edge_attr, words):
    assert words in why(Data(x=x, edge_index=edge_index, edge_attr=edge_attr))


def test_a_graph_of_the_other_feature_set_is_refused():
    assert "needs [3, 2]" in why(from_smiles("CCO"))
    assert "needs [3, 9]" in why(smiles_to_graph("CCO"), "ogb")


def test_an_error_names_value_position_reason_and_remedy():
    with pytest.raises(InvalidMoleculeError) as caught:
        molecules_to_graphs(["CCO", "C", "N", "CN(C)(C)(C)C"])
    error = caught.value
    assert isinstance(error, ValueError)
    assert (error.value, error.position) == ("CN(C)(C)(C)C", 3)
    assert error.reason == "Explicit valence for atom # 1 N, 5, is greater than permitted"
    assert str(error).startswith("Cannot read molecule 3, 'CN(C)(C)(C)C': Explicit valence")
    assert "on_error='skip'" in str(error)


def test_an_error_survives_pickling():
    for value in ("C1CC", None, Chem.MolFromSmarts("[#6]O")):
        with pytest.raises(InvalidMoleculeError) as caught:
            smiles_to_graph(value, position=2)
        copy = pickle.loads(pickle.dumps(caught.value))
        assert (str(copy), copy.position, copy.reason) == (str(caught.value), 2, caught.value.reason)


def test_a_very_long_value_is_shortened_in_the_message():
    message = why("C" * 100_000 + "(")
    assert len(message) < 300 and "characters" in message


def test_skipping_keeps_the_rows_aligned_and_reports_the_others():
    graphs, skipped = molecules_to_graphs(["CCO", "C1CC", None, "C"], on_error="skip")
    assert [graph is None for graph in graphs] == [False, True, True, False]
    assert same(graphs[3], smiles_to_graph("C"))
    assert skipped == [
        SkippedMolecule(1, "C1CC", "unclosed ring"),
        SkippedMolecule(2, None, "NoneType is no molecule"),
    ]


def test_unknown_options_and_a_single_molecule_are_refused():
    with pytest.raises(ValueError, match="on_error='ignore' is unknown: use 'raise' or 'skip'"):
        molecules_to_graphs(["C"], on_error="ignore")
    with pytest.raises(ValueError, match="features='maccs' is unknown: choose one of graphmvp, ogb"):
        smiles_to_graph("C", "maccs")
    for single in ("CCO", Chem.MolFromSmiles("C"), smiles_to_graph("C"), from_smiles("C"), None):
        with pytest.raises(TypeError, match=r"pass \[molecule\]"):
            molecules_to_graphs(single)


def test_rdkit_prints_nothing_and_can_speak_afterwards(capfd):
    rdBase.EnableLog("rdApp.error")  # PyG switches it off
    molecules = ["C1CC", "CN(C)(C)(C)C", "[H][H]", "aspirin", "[#200]", "InChI=1S/xx", Chem.Mol()]
    molecules_to_graphs(molecules, on_error="skip")
    assert capfd.readouterr() == ("", "")
    Chem.MolFromSmiles("C1CC")
    assert "unclosed ring" in capfd.readouterr().err


# ---- batches -------------------------------------------------------------------------------------------------------


def test_the_molecules_of_a_sample_make_one_disconnected_graph():
    ethanol, methane, hydroxide = map(smiles_to_graph, ["CCO", "C", "[H][O-]"])
    batch = collate_graphs([[methane, ethanol], [], [hydroxide]])
    assert {name: array.tolist() for name, array in batch.items()} == {
        "atom_features": [[[5, 0], [5, 0], [5, 0], [7, 0]], [[0, 0]] * 4, [[7, 0], [0, 0], [0, 0], [0, 0]]],
        "atom_mask": [[1, 1, 1, 1], [0, 0, 0, 0], [1, 0, 0, 0]],
        "bond_index": [[[1, 2, 2, 3], [2, 1, 3, 2]], [[0] * 4] * 2, [[0] * 4] * 2],
        "bond_features": [[[0, 0]] * 4] * 3,
        "bond_mask": [[1, 1, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]],
        "atom_molecule": [[0, 1, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]],
    }
    assert {array.dtype for array in batch.values()} == {np.dtype(np.int64)}
    assert all(array.flags.c_contiguous for array in batch.values())


def test_a_batch_without_molecules_has_no_keys():
    assert collate_graphs([[], []]) == collate_graphs([]) == {}


def test_a_batch_of_lone_atoms_has_no_bonds():
    batch = collate_graphs([[smiles_to_graph("C", "ogb")]] * 2)
    assert batch["bond_index"].shape == (2, 2, 0)
    assert batch["bond_features"].shape == (2, 0, 3)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(st.sampled_from(MANY), max_size=4), max_size=6), st.sampled_from(["graphmvp", "ogb"]))
def test_every_molecule_can_be_read_back_from_its_batch(samples, features):
    batch = collate_graphs([molecules_to_graphs(sample, features)[0] for sample in samples])
    for row, sample in enumerate(samples):
        first = 0
        for number, smiles in enumerate(sample):
            graph = smiles_to_graph(smiles, features)
            atoms = np.flatnonzero((batch["atom_molecule"][row] == number) & (batch["atom_mask"][row] == 1))
            assert atoms.tolist() == list(range(first, first + len(graph.atom_features)))
            bonds = np.isin(batch["bond_index"][row, 0], atoms) & (batch["bond_mask"][row] == 1)
            index = batch["bond_index"][row][:, bonds] - first
            assert same(graph, (batch["atom_features"][row, atoms], index, batch["bond_features"][row, bonds]))
            first += len(atoms)
        assert not batch or batch["atom_mask"][row].sum() == first
    for name, mask in (("atom_features", "atom_mask"), ("bond_features", "bond_mask"), ("atom_molecule", "atom_mask")):
        assert not batch or not batch[name][batch[mask] == 0].any()


# ---- any text ------------------------------------------------------------------------------------------------------

PIECES = (
    "C N O S P c n o F Cl Br I B [nH] [O-] [N+] [C@H] [C@@] [Na+] [Pt] [2H] [13C] * "
    "1 2 %10 ( ) = # / \\ \\\\ . - ~ $ -> :"
).split()


@settings(deadline=None, max_examples=400)
@given(
    st.lists(st.sampled_from(PIECES), max_size=15).map("".join)
    | st.text(max_size=20)
    | st.text("CNOcno123()[]=#@+-H", max_size=12),
    st.sampled_from(["graphmvp", "ogb"]),
)
def test_any_text_is_a_sound_graph_or_an_invalid_molecule(text, features):
    try:
        graph = smiles_to_graph(text, features)
    except InvalidMoleculeError as error:
        assert error.value == text and error.reason and "\n" not in str(error)
        return
    feature_set = FEATURE_SETS[features]
    atoms, index, bonds = graph
    assert atoms.shape == (len(atoms), len(feature_set.atom_vocab_sizes)) and len(atoms)
    assert index.shape == (2, len(bonds)) and bonds.shape[1] == len(feature_set.bond_vocab_sizes)
    assert same(smiles_to_graph(graph, features), graph)  # which checks ranges and that each bond goes both ways
    forth = dict(zip(zip(*index.tolist(), strict=True), bonds.tolist(), strict=True))
    assert all(forth[target, source] == feature for (source, target), feature in forth.items())
    assert same(smiles_to_graph(Chem.MolFromSmiles(text.strip()), features), graph) or "~" in text
