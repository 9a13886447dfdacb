"""How many features sets have in common, against Python's sets."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from biomedgpt_hf.similarity import shared_features
from biomedgpt_hf.similarity.shared_features import BitTable, Postings

BITS = 64


def bit_table(sets):
    return BitTable.of(sets, BITS)


def some_sets(chance, number):
    return [np.unique(chance.integers(0, BITS, chance.integers(1, 20)).astype(np.uint64)) for _ in range(number)]


def counts(known, asked):
    """The whole table, from the blocks."""
    rows = []
    for start, shared in known.count(asked):
        assert start == len(rows)
        rows += (shared.toarray() if isinstance(shared, csr_array) else shared).tolist()
    return rows


@pytest.mark.parametrize("block", [8, 16, 2**12])
@pytest.mark.parametrize("make", [bit_table, Postings.of])
@pytest.mark.parametrize("number", [1, 7, 8, 9, 40, 67])
def test_each_count_is_that_of_python_s_sets(make, number, block, monkeypatch):
    monkeypatch.setattr(shared_features, "BYTES", block)
    chance = np.random.default_rng(number)
    known, asked = some_sets(chance, number), some_sets(chance, 30)
    expected = [[len({*one.tolist()} & {*other.tolist()}) for other in known] for one in asked]
    assert counts(make(known), asked) == expected


@pytest.mark.parametrize("make", [bit_table, Postings.of])
def test_the_tensors_are_all_that_it_needs(make):
    chance = np.random.default_rng(0)
    known, asked = some_sets(chance, 50), some_sets(chance, 20)
    made = make(known)
    again = type(made)({name: tensor.copy() for name, tensor in made.tensors.items()})
    assert counts(again, asked) == counts(made, asked)
    assert again.sizes.tolist() == [len(one) for one in known]


def test_a_bit_takes_an_eighth_of_a_byte():
    assert bit_table(some_sets(np.random.default_rng(0), 33)).tensors["table"].shape == (BITS, 5)


def test_blocks_are_no_larger_than_what_bounds_the_memory(monkeypatch):
    monkeypatch.setattr(shared_features, "POSTINGS", 1000)
    alike = [np.arange(10, dtype=np.uint64)] * 50
    sizes = [shared.nnz for _, shared in Postings.of(alike).count(alike)]
    assert sum(sizes) == 50 * 50 and max(sizes) <= 1000
