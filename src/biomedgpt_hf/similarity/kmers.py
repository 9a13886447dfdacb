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


def encoded(sequence: str) -> bytes:
    """Return the bytes of a sequence that its 5-mers are made of: those of its key."""
    return sequence_key(sequence).encode("utf-8", "surrogatepass")


def kmers(sequence: str) -> np.ndarray:
    """Return the distinct 5-mers of a sequence as numbers, uint64 [F], in order; a shorter sequence is one itself."""
    letters = np.frombuffer(encoded(sequence), dtype=np.uint8)
    length = min(KMER, len(letters))
    return distinct(words_at(letters, slice(0, len(letters) - length + 1), length))


def words_at(letters: np.ndarray, places: slice | np.ndarray, length: int = KMER) -> np.ndarray:
    """Return the numbers of the words that begin at some places, uint64 [number of places].

    Args:
        letters: uint8.
        places: the places as numbers, or from a first one to a last one.
        length: letters of a word; each place has as many before the end.
    """
    first, last = (places.start, places.stop) if isinstance(places, slice) else (0, 0)
    words = np.zeros(last - first if isinstance(places, slice) else len(places), np.uint64)
    for offset in range(length):
        at = slice(first + offset, last + offset) if isinstance(places, slice) else places + offset
        words = words << np.uint64(8) | letters[at]
    return words
