"""The nearest sets of bits, against a comparison with every set."""

import numpy as np
import pytest

from biomedgpt_hf.similarity import nearest_bits
from biomedgpt_hf.similarity.nearest_bits import NearestBits

BITS = 128


def drawn(chance, number, most):
    """Sets whose bits are mostly among a few common ones, as in fingerprints; many sets are equal or nearly so."""
    common = np.minimum(chance.geometric(0.08, (number, most)), BITS) - 1
    sets = [np.unique(row[: chance.integers(1, most)]).astype(np.uint16) for row in common]
    return sets + [sets[place] for place in chance.integers(0, number, number // 3)]


def by_hand(known, asked, k, left_out):
    wanted = set(asked.tolist())
    scored = []
    for place, one in enumerate(known):
        shared = len(wanted & set(one.tolist()))
        if shared and place not in left_out:
            scored.append((-shared / (len(wanted) + len(one) - shared), place))
    return [(place, -score) for score, place in sorted(scored)[:k]]


@pytest.mark.parametrize("first_share", [2, 16, 1000])
@pytest.mark.parametrize("more_bits", [0, 5])
@pytest.mark.parametrize("k", [1, 3, 40, 1000])
def test_the_nearest_are_those_of_a_comparison_one_by_one(k, first_share, more_bits, monkeypatch):
    monkeypatch.setattr(nearest_bits, "FIRST_SHARE", first_share)
    monkeypatch.setattr(nearest_bits, "MORE_BITS", more_bits)
    chance = np.random.default_rng(k)
    known = drawn(chance, 150, 40)
    search = NearestBits.of(known, BITS)
    for asked in [*drawn(chance, 20, 40), *known[:10]]:
        left_out = chance.integers(0, len(known), chance.integers(0, 5))
        places, scores = search.nearest(asked, k, left_out)
        expected = by_hand(known, asked, k, left_out)
        assert list(zip(places.tolist(), scores.tolist(), strict=True)) == expected


def test_few_seeds_give_the_same(monkeypatch):
    chance = np.random.default_rng(0)
    known = drawn(chance, 200, 12)
    expected = [NearestBits.of(known, BITS).nearest(one, 5, np.empty(0, int))[0].tolist() for one in known[:20]]
    monkeypatch.setattr(nearest_bits, "SEEDS", 1)
    assert [NearestBits.of(known, BITS).nearest(one, 5, np.empty(0, int))[0].tolist() for one in known[:20]] == expected


def test_sets_of_more_bits_than_a_byte_counts_are_compared_right():
    every, most = np.arange(1024, dtype=np.uint16), np.arange(1, 1024, dtype=np.uint16)
    search = NearestBits.of([most[:3], most, every], 1024)
    places, scores = search.nearest(every, 2, np.empty(0, int))
    assert places.tolist() == [2, 1] and scores.tolist() == [1.0, 1023 / 1024]


def test_hidden_sets_are_not_found():
    sets = [np.array([1, 2], np.uint16), np.array([1, 3], np.uint16)]
    search = NearestBits.of(sets, 64)
    search.hidden[0] = True
    assert search.nearest(sets[0], 2, np.empty(0, int))[0].tolist() == [1]


def test_tensors_make_the_same_search_and_more_sets_take_wider_numbers():
    sets = [np.array([place % 64], np.uint16) for place in range(2**16 + 1)]
    search = NearestBits.of(sets, 64)
    assert search.tensors["owners"].dtype == np.int32
    small = NearestBits.of(sets[:100], 64)
    assert small.tensors["owners"].dtype == np.uint16
    again = NearestBits(small.tensors).nearest(sets[3], 9, np.empty(0, int))[0]
    assert again.tolist() == [3, 67]


def test_nothing_known_and_nothing_shared_are_nothing_found():
    none = NearestBits.of([], 64)
    assert none.nearest(np.array([1], np.uint16), 3, np.empty(0, int))[0].tolist() == []
    search = NearestBits.of([np.array([1], np.uint16)], 64)
    assert search.nearest(np.array([2], np.uint16), 3, np.empty(0, int))[0].tolist() == []


@pytest.mark.parametrize("change", [{"sizes": np.array([1, 2], np.int32)}, {"owners": np.array([0, 7], np.uint16)}])
def test_tensors_that_do_not_fit_together_are_an_error(change):
    tensors = NearestBits.of([np.array([1, 2], np.uint16)], 64).tensors
    with pytest.raises(ValueError, match="do not fit"):
        NearestBits({**tensors, **change})
