"""The nearest known molecules, against RDKit's own pairwise similarity."""

import random

import numpy as np
import pytest
from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator

from biomedgpt_hf.neighbours import NeighbourIndex, build_index
from biomedgpt_hf.similarity.structure_key import structure_key

from ..built_set import row, write_set

TAILS = ("C", "CC", "O", "N", "c1ccccc1", "C(=O)O", "C(F)(F)F", "S(=O)(=O)N", "C1CCNCC1", "C#N", "OC", "Cl", "Br", "I")
CORES = ("c1ccccc1", "CCCCCC", "C1CCCCC1", "OCC(O)C", "c1cncnc1", "CC(=O)N", "C1CC1", "NCC(=O)", "c1ccsc1", "CC(C)C")
SMILES = [f"{core}{tail}" for core in CORES for tail in TAILS] + [f"N{core}{tail}" for core in CORES for tail in TAILS]
GENERATOR = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)


def fingerprint(smiles):
    return GENERATOR.GetFingerprint(Chem.MolFromSmiles(smiles))


def by_hand(molecule, known, exclude_same=False):
    """(similarity, SMILES, same) of all that is known, one by one."""
    key, canonical = structure_key(molecule), Chem.CanonSmiles(molecule)
    found = []
    for place, other in enumerate(known):
        same = structure_key(other) == key
        similarity = 1.0 if same else DataStructs.TanimotoSimilarity(fingerprint(molecule), fingerprint(other))
        found.append((-(same and Chem.CanonSmiles(other) == canonical), -same, -similarity, place))
    return [
        (-similarity, known[place], bool(same))
        for _, same, similarity, place in sorted(found)
        if similarity and not (same and exclude_same)
    ]


@pytest.fixture(scope="module")
def known():
    chance = random.Random(0)
    distinct = list({Chem.CanonSmiles(one): one for one in SMILES}.values())
    return chance.sample(distinct, 200)


@pytest.fixture(scope="module")
def index(tmp_path_factory, known):
    folder = tmp_path_factory.mktemp("molecules")
    rows = [row(f"m{number}", molecules=[one]) for number, one in enumerate(known)]
    build_index([write_set(folder / "set", {"train": rows})], folder / "index")
    return NeighbourIndex.open(folder / "index")


@pytest.mark.parametrize("exclude_same", [False, True])
@pytest.mark.parametrize("k", [1, 3, 50, 1000])
def test_neighbours_are_those_of_a_comparison_one_by_one(index, known, k, exclude_same):
    wanted = random.Random(1).sample(SMILES, 40)
    for molecule, found in zip(wanted, index.molecules(wanted, k, exclude_same=exclude_same), strict=True):
        expected = by_hand(molecule, known, exclude_same)[:k]
        assert [(one.similarity, one.item, one.same) for one in found] == expected


def make_index(tmp_path, *molecules):
    rows = [row(f"m{number}", molecules=[one]) for number, one in enumerate(molecules)]
    build_index([write_set(tmp_path / "set", {"train": rows})], tmp_path / "index")
    return NeighbourIndex.open(tmp_path / "index")


def test_the_identical_molecule_comes_first_then_its_stereoisomers_and_salts(tmp_path):
    known = ("C[C@@H](N)C(O)=O", "CC(N)C(=O)[O-].[Na+]", "CCC(N)C(O)=O", "C[C@H](N)C(O)=O", "CC(N)C(O)=O")
    index = make_index(tmp_path, *known)
    (found,) = index.molecules(["OC(=O)[C@@H](C)N"], 9)
    assert [one.item for one in found] == [known[0], known[1], known[3], known[4], known[2]]
    assert [one.same for one in found] == [True, True, True, True, False]
    assert [one.similarity for one in found[:4]] == [1.0] * 4 and 0 < found[4].similarity < 1
    (others,) = index.molecules(["OC(=O)[C@@H](C)N"], 9, exclude_same=True)
    assert [one.item for one in others] == [known[2]]


def test_alike_by_all_features_is_not_the_same(tmp_path):
    (found,) = make_index(tmp_path, "C" * 20, "C" * 21).molecules(["C" * 21], 2)
    assert [(len(one.item), one.similarity, one.same) for one in found] == [(21, 1.0, True), (20, 1.0, False)]


def test_what_shares_nothing_is_no_neighbour(tmp_path):
    assert make_index(tmp_path, "[Xe]", "CCO").molecules(["[Xe]", "[He]"], 2)[1] == []


def test_inchi_and_smiles_are_one_molecule(tmp_path):
    index = make_index(tmp_path, "CCO", "InChI=1S/C2H6O/c1-2-3/h3H,2H2,1H3", "OCC", "[Na+].[Cl-]")
    assert index.facts["counts"]["molecules"] == 2
    (found,) = index.molecules(["InChI=1S/C2H6O/c1-2-3/h3H,2H2,1H3"], 1)
    assert (found[0].item, found[0].same, len(found[0].texts)) == ("CCO", True, 3)


@pytest.mark.parametrize("molecule", ["C(C", "", "InChI=1S/nonsense", "C[N](C)(C)(C)C"])
def test_a_molecule_that_rdkit_cannot_read_is_named(index, molecule):
    with pytest.raises(ValueError, match="RDKit cannot read molecule 1, ") as error:
        index.molecules(["CCO", molecule], 1)
    assert repr(molecule) in str(error.value)


def test_real_captions_find_the_neighbours_that_rdkit_finds(shared, tmp_path):
    from biomedgpt_hf.sets.chebi20 import builder as chebi20

    folder = shared / "data/captions/chebi20"
    lines = [line.split("\t") for line in (folder / "test.txt").read_text("utf-8").splitlines()[1:]]
    chebi20.build_chebi20([folder / "validation.txt"], tmp_path / "set")
    build_index([tmp_path / "set"], tmp_path / "index", splits=["validation"])
    index = NeighbourIndex.open(tmp_path / "index")
    known = [line.split("\t") for line in (folder / "validation.txt").read_text("utf-8").splitlines()[1:]]
    captions = {one[1].replace("\\\\", "\\"): one[2] for one in known}
    wanted = [line[1].replace("\\\\", "\\") for line in lines[:150]]
    readable = [one for one in captions if Chem.MolFromSmiles(one)]
    fingerprints = [_fragment_fingerprint(one) for one in readable]
    for molecule, found in zip(wanted, index.molecules(wanted, 3), strict=True):
        scores = DataStructs.BulkTanimotoSimilarity(_fragment_fingerprint(molecule), fingerprints)
        if not found[0].same:
            best = np.sort(scores)[::-1][:3]
            assert [one.similarity for one in found] == best[best > 0].tolist()
        for one in found:
            key = structure_key(molecule)
            assert one.same == (structure_key(one.item) == key)
            assert one.same or one.similarity == scores[readable.index(one.item)]
            assert captions[one.item].split()[-1].rstrip(".") in one.texts[0].answer


def _fragment_fingerprint(smiles):
    """Of the largest fragment with carbon, found in another way than ours."""
    fragments = Chem.GetMolFrags(Chem.MolFromSmiles(smiles), asMols=True)
    size = lambda one: (any(a.GetSymbol() == "C" for a in one.GetAtoms()), one.GetNumHeavyAtoms())  # noqa: E731
    return GENERATOR.GetFingerprint(max(fragments, key=size))
