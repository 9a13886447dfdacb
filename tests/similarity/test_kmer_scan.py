"""Sequences that are read anew count what postings of their 5-mers count."""

import random

import numpy as np
import pytest

from biomedgpt_hf.similarity import kmer_scan
from biomedgpt_hf.similarity.kmer_scan import KmerScan
from biomedgpt_hf.similarity.kmers import kmers
from biomedgpt_hf.similarity.shared_features import Postings

ODD = ["M", "MK", "mkvaa", "MKVAA", "ßßß", "MKVMKVMKVMKV", "AAAAAAAAAA", "\ud800MKVAAC"]


def sequences(number):
    chance = random.Random(number)
    return [*ODD, *("".join(chance.choices("ACDMK", k=chance.randrange(1, 60))) for _ in range(number))]


def counts(known, asked):
    return np.concatenate([shared.toarray() for _, shared in known.count(asked)]).tolist()


@pytest.mark.parametrize("few", [0, 1000])
@pytest.mark.parametrize("positions", [7, 2**20])
def test_counts_are_those_of_postings(few, positions, monkeypatch):
    monkeypatch.setattr(kmer_scan, "FEW", few)
    monkeypatch.setattr(kmer_scan, "POSITIONS", positions)
    known = sequences(60)
    asked = [kmers(one) for one in [*ODD, *sequences(61)]]
    scan, postings = KmerScan.of(known), Postings.of(map(kmers, known))
    assert scan.sizes.tolist() == postings.sizes.tolist()
    assert counts(scan, asked) == counts(postings, asked) == counts(KmerScan(scan.tensors), asked)


def test_after_many_questions_the_postings_are_made_once(monkeypatch):
    monkeypatch.setattr(kmer_scan, "FEW", 2)
    scan = KmerScan.of(ODD)
    expected = counts(scan, [kmers("MKVAA")])
    assert "_postings" not in vars(scan)
    assert counts(scan, [kmers("MKVAA")] * 2) == expected * 2 and "_postings" in vars(scan)


def test_words_with_the_same_hash_are_told_apart(monkeypatch):
    monkeypatch.setattr(kmer_scan, "HASH_BITS", 2)
    asked = [kmers(one) for one in sequences(20)]
    assert counts(KmerScan.of(sequences(20)), asked) == counts(Postings.of(map(kmers, sequences(20))), asked)


def test_damaged_tensors_are_an_error():
    tensors = KmerScan.of(ODD).tensors
    with pytest.raises(ValueError, match="damaged"):
        KmerScan({**tensors, "letters": tensors["letters"][:-5]})
    with pytest.raises(ValueError, match="do not fit"):
        KmerScan({**tensors, "sizes": tensors["sizes"][:-1]})
