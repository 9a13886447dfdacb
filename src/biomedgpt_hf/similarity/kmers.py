"""Keys and 5-mers of protein sequences: when two are the same, and what two have in common."""

from __future__ import annotations

import numpy as np

from biomedgpt_hf.similarity.hashing import distinct

KMER = 5
SIMILAR_PROTEINS = (
    0.3  # share of the shorter one's 5-mers from which two are in one cluster, if a set is split by similarity
)


def sequence_key(sequence: str) -> str:
    """Return the key of a protein: its sequence in upper case. Letters that would become others (ß is SS) stay."""
    if sequence.isascii():
        return sequence.upper()
    upper = ((letter, letter.upper()) for letter in sequence)
    return "".join(one if len(one) == 1 and one.isascii() == letter.isascii() else letter for letter, one in upper)


def kmers(sequence: str) -> np.ndarray:
    """Return the distinct 5-mers of a sequence as numbers, uint64 [F], in order; a shorter sequence is one itself."""
    letters = np.frombuffer(sequence_key(sequence).encode("utf-8", "surrogatepass"), dtype=np.uint8)
    words = np.zeros(max(1, len(letters) - KMER + 1), dtype=np.uint64)
    for offset in range(min(KMER, len(letters))):
        words = words << np.uint64(8) | letters[offset : offset + len(words)]
    return distinct(words)
