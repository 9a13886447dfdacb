"""The nearest known proteins, against Python's sets."""

import random
from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biomedgpt_hf.neighbours import NeighbourIndex, build_index
from biomedgpt_hf.similarity import shared_features
from biomedgpt_hf.similarity.proteins import ProteinSearch, protein_tensors

from ..built_set import row, write_set

LETTERS = "ACDEFGHIKLMNPQRSTVWY"


def words(sequence):
    sequence = sequence.upper()
    return {sequence[start : start + 5] for start in range(max(1, len(sequence) - 4))}


def by_hand(protein, known, exclude_same=False):
    """(similarity, position, same) of all that is known, one by one."""
    found = []
    for place, other in enumerate(known):
        own, others = words(protein), words(other)
        shared = len(own & others)
        same = protein.upper() == other.upper()
        similarity = 1.0 if same else shared / max(10, min(len(own), len(others)))
        found.append((-same, -similarity, -shared / len(own | others), place))
    return [
        (-similarity, place, bool(same))
        for same, similarity, _, place in sorted(found)
        if similarity and not (same and exclude_same)
    ]


def search(known, wanted, k, exclude_same=False):
    found = ProteinSearch(protein_tensors(known)).search(wanted, k, exclude_same)
    return [[(hit.similarity, hit.position, hit.same) for hit in hits] for hits in found]


def family(chance, size, members):
    """A sequence, variants of it and fragments."""
    parent = "".join(chance.choices(LETTERS, k=size))
    mutate = lambda rate: "".join(chance.choice(LETTERS) if chance.random() < rate else one for one in parent)  # noqa: E731
    variants = [mutate(chance.choice([0.02, 0.1, 0.3])) for _ in range(members)]
    return [parent, *variants, parent[: size // 2], parent[size // 3 : size // 3 + 7]]


@pytest.fixture(scope="module")
def sequences():
    chance = random.Random(0)
    found = list(chain.from_iterable(family(chance, chance.randint(30, 400), 8) for _ in range(40)))
    return list(dict.fromkeys(chance.sample(found, len(found))))


@pytest.mark.parametrize("exclude_same", [False, True])
@pytest.mark.parametrize("k", [1, 4, 1000])
def test_neighbours_are_those_of_a_comparison_one_by_one(sequences, k, exclude_same):
    known, wanted = sequences[:300], sequences[250:]
    expected = [by_hand(one, known, exclude_same)[:k] for one in wanted]
    assert search(known, wanted, k, exclude_same) == expected


@settings(deadline=None)
@given(
    known=st.lists(st.text("ACX", min_size=1, max_size=30), min_size=1, max_size=12, unique_by=str.upper),
    wanted=st.lists(st.text("ACXacx", min_size=1, max_size=30), max_size=6),
    k=st.integers(1, 5),
    exclude_same=st.booleans(),
)
def test_any_sequences_are_compared_as_sets_are(known, wanted, k, exclude_same):
    assert search(known, wanted, k, exclude_same) == [by_hand(one, known, exclude_same)[:k] for one in wanted]


@pytest.mark.parametrize(("features", "postings"), [(1, 1), (700, 400), (10**9, 10**9)])
def test_blocks_of_any_size_give_the_same(sequences, monkeypatch, features, postings):
    known, wanted = sequences[:100], sequences[50:150]
    expected = search(known, wanted, 5)
    monkeypatch.setattr(shared_features, "FEATURES", features)
    monkeypatch.setattr(shared_features, "POSTINGS", postings)
    assert search(known, wanted, 5) == expected


def test_a_peptide_found_by_chance_does_not_come_before_a_relative():
    chance = random.Random(0)
    protein = "".join(chance.choices(LETTERS, k=300))
    relative = protein[:150] + "".join(chance.choices(LETTERS, k=150))
    peptide = protein[200:205]
    assert search([peptide, relative], [protein], 2) == [
        [(pytest.approx(146 / 296, abs=0.02), 1, False), (0.1, 0, False)]
    ]
    assert search([relative, peptide], [peptide], 2) == [[(1.0, 1, True)]]


def test_of_two_that_hold_it_that_of_like_length_comes_first():
    chance = random.Random(1)
    protein = "".join(chance.choices(LETTERS, k=60))
    long = protein + "".join(chance.choices(LETTERS, k=300))
    assert [position for _, position, _ in search([long, protein + "A"], [protein], 2)[0]] == [1, 0]


def test_case_does_not_matter_and_long_repeats_are_counted_right():
    assert search(["mkvaacdefgh"], ["MKVAACDEFGH"], 1) == [[(1.0, 0, True)]]
    known = "".join(random.Random(0).choices(LETTERS, k=70_000))
    (((similarity, _, same),),) = search([known], [known + "W"], 1)
    assert similarity == 1.0 and not same


@pytest.mark.parametrize("protein", ["", "  ", None])
def test_a_blank_protein_is_named(protein):
    with pytest.raises(ValueError, match="Protein 1 is"):
        search(["MKV"], ["MKV", protein], 1)


def test_real_proteins_find_the_neighbours_that_sets_find(shared, tmp_path):
    from biomedgpt_hf.sets.uniprotqa import builder as uniprotqa

    uniprotqa.build_uniprotqa([shared / "data/proteins/uniprot_flat/swissprot_shared.dat"], tmp_path / "set")
    build_index([tmp_path / "set"], tmp_path / "index")
    index = NeighbourIndex.open(tmp_path / "index")
    known, wanted = (_proteins(tmp_path / "set", split) for split in ("train", "test"))
    assert index.facts["counts"]["proteins"] == len(known)
    for protein, found in zip(wanted, index.proteins(wanted, 3), strict=True):
        expected = [(similarity, known[place], same) for similarity, place, same in by_hand(protein, known)[:3]]
        assert [(one.similarity, one.item, one.same) for one in found] == expected
    assert all(found[0].same and found[0].similarity == 1 for found in index.proteins(known[:50], 1))


def _proteins(folder, split):
    from biomedgpt_hf.rows.row_items import read_item_blocks, split_files

    values = chain.from_iterable(block.values for block in read_item_blocks(split_files(folder)[split], "proteins"))
    return list(dict.fromkeys(values))


def test_through_the_index_texts_come_along(tmp_path):
    rows = [row("a", proteins=["MKVAACDEFGHIK"]), row("b", proteins=["MKVWWCDEFGHIK"])]
    build_index([write_set(tmp_path / "set", {"train": rows})], tmp_path / "index")
    ((first, second),) = NeighbourIndex.open(tmp_path / "index").proteins(["MKVAACDEFGHIK"], 2)
    assert (first.id, first.similarity, first.same, first.modality) == ("a", 1.0, True, "protein")
    assert (second.id, second.same, second.texts[0].answer) == ("b", False, "It is b.")
    assert second.similarity == pytest.approx(4 / 10) and "5-mers" in second.measure
    assert np.isfinite(second.similarity)
