"""The nearest of many feature sets, against Python's sets and RDKit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator

from biomedgpt_hf.similarity import shared_features
from biomedgpt_hf.similarity.nearest import nearest_of
from biomedgpt_hf.similarity.scores import containment, coverage, tanimoto
from biomedgpt_hf.similarity.shared_features import BitTable, Postings

IN_WORDS = {
    tanimoto: lambda a, b: len(a & b) / len(a | b),
    containment: lambda a, b: len(a & b) / min(len(a), len(b)),
    coverage: lambda a, b: len(a & b) / len(b),
}
SETS = st.lists(st.sets(st.integers(0, 40), min_size=1), max_size=12)


def arrays(sets):
    return [np.array(sorted(one), dtype=np.uint64) for one in sets]


def by_hand(score, passing, indexed):
    """Scores and positions of the first best, with Python's sets."""
    found = []
    for one in indexed:
        scores = [IN_WORDS[score](other, one) for other in passing]
        best = max(scores, default=0.0)
        found.append((best, scores.index(best) if best else 0))
    return found


def best(known, score, passing):
    scores, which = nearest_of(arrays(passing), known, score)
    return list(zip(scores.tolist(), which.tolist(), strict=True))


@pytest.mark.parametrize("score", IN_WORDS)
@settings(deadline=None)
@given(indexed=SETS, passing=SETS)
def test_the_best_score_and_its_first_holder_are_those_of_python_s_sets(score, indexed, passing):
    expected = by_hand(score, passing, indexed)
    assert best(Postings.of(arrays(indexed)), score, passing) == expected
    assert best(BitTable.of(arrays(indexed), 64), score, passing) == expected


@pytest.mark.parametrize(
    ("cells", "bytes", "features", "postings"),
    [(1, 8, 1, 1), (7, 8, 30, 3), (2**18, 16, 9, 5), (40, 2**12, 2**20, 2**22), (40, 2**12, 2**20, 100)],
)
def test_blocks_of_any_size_give_the_same(monkeypatch, cells, bytes, features, postings):
    for name, size in {"CELLS": cells, "BYTES": bytes, "FEATURES": features, "POSTINGS": postings}.items():
        monkeypatch.setattr(shared_features, name, size)
    chance = np.random.default_rng(0)
    indexed, passing = ([set(chance.integers(0, 30, 8).tolist()) for _ in range(25)] for _ in range(2))
    expected = by_hand(containment, passing, indexed)
    assert best(Postings.of(arrays(indexed)), containment, passing) == expected
    assert best(BitTable.of(arrays(indexed), 30), containment, passing) == expected


def test_features_may_be_any_number_of_64_bits():
    indexed = [{0, 2**64 - 1}, {2**40}]
    assert best(Postings.of(arrays(indexed)), tanimoto, [{2**64 - 1}, {1, 2**40}]) == [(0.5, 0), (0.5, 1)]


def test_more_than_255_shared_bits_are_counted():
    every, most = set(range(1000)), set(range(300))
    assert best(BitTable.of(arrays([most, every]), 1000), tanimoto, [every]) == [(0.3, 0), (1.0, 0)]


def test_nothing_indexed_and_nothing_passing_are_no_error():
    for make in (Postings.of, lambda sets: BitTable.of(sets, 8)):
        assert best(make([]), tanimoto, [{1}]) == []
        assert best(make(arrays([{1}])), tanimoto, []) == [(0.0, 0)]
        assert best(make(arrays([{1}, {2}])), tanimoto, [{3}]) == [(0.0, 0), (0.0, 0)]


def test_similarities_of_fingerprints_equal_rdkit_s():
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
    tails = ("C", "CC", "O", "N", "c1ccccc1", "C(=O)O", "C(F)(F)F", "S(=O)(=O)N", "C1CCNCC1", "[N+](=O)[O-]", "C#N")
    smiles = [f"{a}{b}" for a in ("c1ccccc1", "CCCCCC", "C1CCCCC1", "OCC(O)C", "c1cncnc1") for b in tails]
    fingerprints = [generator.GetFingerprint(Chem.MolFromSmiles(one)) for one in smiles]
    held_out, other = fingerprints[::3], [one for n, one in enumerate(fingerprints) if n % 3]
    known = BitTable.of([np.array(one.GetOnBits(), dtype=np.uint16) for one in held_out], 2048)
    scores, which = nearest_of([np.array(one.GetOnBits(), dtype=np.uint16) for one in other], known, tanimoto)
    for number, one in enumerate(held_out):
        expected = DataStructs.BulkTanimotoSimilarity(one, other)
        assert scores[number] == max(expected)
        assert expected[which[number]] == max(expected)
