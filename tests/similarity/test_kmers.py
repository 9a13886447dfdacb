"""When two proteins are the same, and their 5-mers."""

import pytest

from biomedgpt_hf.similarity.kmers import KMER, kmers, sequence_key


@pytest.mark.parametrize(
    "sequence", ["MKVLAAGIVGA", "MKVLA", "MKVL", "M", "AAAAAAAAAA", "MKXBZ*MKXBZ", "μ-opioid", "MKVLA" * 30]
)
def test_kmers_are_the_distinct_pieces_of_five_letters(sequence):
    raw = sequence.upper().encode()
    pieces = {raw[i : i + KMER] for i in range(len(raw) - KMER + 1)} or {raw}
    found = [number.to_bytes(8, "big").lstrip(b"\0") for number in kmers(sequence).tolist()]
    assert sorted(found) == sorted(pieces)
    assert found == sorted(found) or len({len(piece) for piece in pieces}) > 1


def test_a_short_sequence_is_no_kmer_of_a_longer_one():
    assert not set(kmers("MKV").tolist()) & set(kmers("MKVMKVMKV").tolist())


def test_case_changes_neither_the_key_nor_the_kmers():
    assert sequence_key("mkVLAAg") == sequence_key("MKVLAAG")
    assert kmers("mkVLAAg").tolist() == kmers("MKVLAAG").tolist()


@pytest.mark.parametrize("letter", ["\u00df", "\u0131", "\ufb01", "\ud800"])
def test_letters_that_would_become_others_are_those_of_another_protein(letter):
    assert sequence_key(f"mk{letter}") == f"MK{letter}" and len(kmers(f"MK{letter}")) >= 1
