"""Clusters of proteins by the 5-mers that they share."""

import random

import pytest

from biomedgpt_hf.similarity.kinds import Proteins
from biomedgpt_hf.similarity.kmers import SIMILAR_PROTEINS, kmers
from biomedgpt_hf.similarity.protein_clusters import protein_clusters


def protein(seed, length=120):
    return "".join(random.Random(seed).choices("ACDEFGHIKLMNPQRSTVWY", k=length))


def mutated(sequence, share, seed):
    chance = random.Random(seed)
    return "".join(chance.choice("ACDEFGHIKLMNPQRSTVWY") if chance.random() < share else one for one in sequence)


def groups(sequences):
    numbers = protein_clusters(sequences).tolist()
    return {frozenset(i for i, one in enumerate(numbers) if one == number) for number in set(numbers)}


def test_what_is_alike_through_a_third_one_is_in_one_cluster():
    first, second = protein(1), protein(2)
    assert groups([first, second, protein(3)]) == {frozenset([0]), frozenset([1]), frozenset([2])}
    assert groups([first, protein(3), first[:60] + second[:60], second]) == {frozenset([0, 2, 3]), frozenset([1])}


def test_a_fragment_is_with_its_protein_but_a_peptide_of_few_letters_joins_nobody():
    whole = protein(1)
    assert groups([whole, whole[:30], whole.lower()]) == {frozenset([0, 1, 2])}
    assert len(groups([whole, whole[:6], whole[-6:]])) == 3


def test_no_two_proteins_of_different_clusters_are_similar():
    sequences = [
        mutated(protein(family), share, seed) for family in range(8) for seed, share in enumerate([0, 0.1, 0.2])
    ]
    sequences += [protein(seed, length) for seed, length in enumerate(range(15, 200, 7), 100)]
    numbers = protein_clusters(sequences)
    sets = [set(kmers(sequence).tolist()) for sequence in sequences]
    for i, one in enumerate(sets):
        for j, other in enumerate(sets[:i]):
            share = Proteins.score(len(one & other), len(one), len(other))
            assert numbers[i] == numbers[j] or share < SIMILAR_PROTEINS
    assert 8 < len(set(numbers.tolist())) < len(sequences)


@pytest.mark.parametrize("sequences", [[], ["MKV"]])
def test_few_proteins_are_no_trouble(sequences):
    assert len(protein_clusters(sequences)) == len(sequences)
