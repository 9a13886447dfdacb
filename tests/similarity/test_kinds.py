"""When molecules, proteins and questions are the same or alike."""

import random
import re

import pytest
from rdkit import Chem

from biomedgpt_hf.similarity.kinds import (
    KINDS,
    KMER,
    MORGAN,
    Molecules,
    Proteins,
    Questions,
    kmers,
    plain_words,
    read_fragment,
    skeleton,
    word_sequences,
)
from biomedgpt_hf.similarity.structure_key import structure_key

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


@pytest.mark.parametrize(("first", "second"), SAME)
def test_what_has_one_structure_key_has_one_skeleton(first, second):
    assert skeleton(read_fragment(first)) == skeleton(read_fragment(second))


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
    assert skeleton(read_fragment(first)) != skeleton(read_fragment(second))


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
        key, outline = structure_key(molecule), skeleton(read_fragment(molecule))
        assert outlines.setdefault(key, outline) == outline, molecule
        keys.setdefault(outline, set()).add(key)
    assert len(keys) > 0.9 * len(outlines)


@pytest.mark.parametrize("smiles", ["CC(=O)[O-].[Na+]", "c1ccccc1CN.Cl.Cl", "O.O.OC1CCCCC1N", "CC.CCC", "[Na+].[Cl-]"])
def test_a_fragment_s_fingerprint_is_that_of_the_fragment_alone(smiles):
    fragment = read_fragment(smiles)
    alone = Chem.MolFromSmiles(Chem.MolToSmiles(fragment))
    assert set(Molecules().features(fragment).tolist()) == set(MORGAN.GetFingerprint(alone).GetOnBits())


@pytest.mark.parametrize("molecule", ["", "aspirin", "C(C", "InChI=1S/nonsense"])
def test_an_unreadable_molecule_is_none_and_raises_nothing(molecule, capfd):
    assert Molecules().read(molecule) is None
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "sequence", ["MKVLAAGIVGA", "MKVLA", "MKVL", "M", "AAAAAAAAAA", "MKXBZ*MKXBZ", "μ-opioid", "MKVLA" * 30]
)
def test_kmers_are_the_distinct_pieces_of_five_letters(sequence):
    raw = sequence.encode()
    pieces = {raw[i : i + KMER] for i in range(len(raw) - KMER + 1)} or {raw}
    found = [number.to_bytes(8, "big").lstrip(b"\0") for number in kmers(sequence).tolist()]
    assert sorted(found) == sorted(pieces)
    assert found == sorted(found) or len({len(piece) for piece in pieces}) > 1


def test_a_short_sequence_is_no_kmer_of_a_longer_one():
    assert not set(kmers("MKV").tolist()) & set(kmers("MKVMKVMKV").tolist())


def test_words_ignore_case_punctuation_width_and_white_space():
    assert plain_words("What is\tPain?  (A) β-Blockers") == "what is pain a β blockers"
    assert plain_words("ＦＵＬＬ ﬁve") == "full five"
    assert plain_words("…?!") == "…?!"
    assert plain_words("") == ""


@pytest.mark.parametrize("text", ["a b c d e", "a b c", "a b", "a", "", "a a a a a a", "x y x y x y x", "…?!"])
def test_word_sequences_are_the_distinct_threes_in_order(text):
    words = plain_words(text).split() or [text]
    threes = {tuple(words[i : i + 3]) for i in range(len(words) - 2)} or {tuple(words)}
    assert len(word_sequences(plain_words(text))) == len(threes)


def test_word_sequences_depend_on_the_order_of_words():
    assert not set(word_sequences("a b c").tolist()) & set(word_sequences("b a c").tolist())
    assert set(word_sequences("x a b c y").tolist()) >= set(word_sequences("a b c").tolist())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_same_value_has_one_outline_one_key_and_some_features(kind):
    value = "CCO"
    assert kind.outline(kind.read(value)) == kind.outline(kind.read(value))
    assert kind.key(value) == kind.key(value)
    assert len(kind.features(kind.read(value))) >= 1
    assert list(kind.thresholds) == sorted(kind.thresholds, reverse=True)
    assert re.search(r"\w", kind.measure)


def test_proteins_are_the_same_whatever_their_case():
    assert Proteins().key("mkv") == Proteins().key("MKV")
    assert Questions().key("A, b!") == Questions().key("a B")
