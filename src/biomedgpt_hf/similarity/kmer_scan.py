"""Counting the 5-mers that sequences have in common with known ones, by reading all known sequences.

`Postings` answer many questions fast, but take some twenty times the room of the sequences themselves, and seconds to
make. Reading a few million residues takes hundredths of a second. So a small index keeps the sequences, and makes the
postings of them once many have been asked about.

Shape letters:  N known sequences   R residues of all of them, with an end after each
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array

from biomedgpt_hf.similarity.hashing import FACTOR, distinct
from biomedgpt_hf.similarity.kmers import KMER, encoded, kmers, words_at
from biomedgpt_hf.similarity.shared_features import Postings

FEW = 128  # sequences that are scanned for; making postings takes about as long as scanning for so many
END = 0xFF  # stands after each sequence, and in none, since it is no byte of a text
HASH_BITS = 22
POSITIONS = 2**20  # positions that are read at a time, which limits the memory


class KmerScan:
    """Known sequences, read anew for each one that is asked about.

    Make one with `KmerScan.of`, or out of its own tensors.

    Args:
        tensors: "letters" uint8, the sequences in capital letters, compressed by zlib; "sizes" int32 [N], the number of
            distinct 5-mers of each.

    Raises:
        ValueError: the tensors cannot be read, or do not fit together.
    """

    def __init__(self, tensors: Mapping[str, np.ndarray]) -> None:
        self._compressed, self.sizes = tensors["letters"], tensors["sizes"]
        try:
            self._letters = np.frombuffer(zlib.decompress(self._compressed.tobytes()), np.uint8)
        except zlib.error as error:
            raise ValueError(f"the sequences are damaged: {error}") from error
        self._ends = np.flatnonzero(self._letters == END)
        if len(self._ends) != len(self.sizes):
            raise ValueError(f"{len(self._ends):,} sequences do not fit {len(self.sizes):,} sizes")
        self._asked = 0

    @classmethod
    def of(cls, sequences: Sequence[str]) -> KmerScan:
        """Return the scan of some sequences, none of which is empty."""
        # Zeros before a short sequence make it one window, and leave its number as it is.
        letters = b"".join(encoded(one).rjust(KMER, b"\0") + bytes([END]) for one in sequences)
        compressed = np.frombuffer(zlib.compress(letters, 9), np.uint8)
        return cls({"letters": compressed, "sizes": np.array([len(kmers(one)) for one in sequences], np.int32)})

    @property
    def tensors(self) -> dict[str, np.ndarray]:
        """The tensors out of which the scan can be made again."""
        return {"letters": self._compressed, "sizes": self.sizes}

    def count(self, sets: Iterable[np.ndarray]) -> Iterator[tuple[int, csr_array]]:
        """Yield a block for each set of 5-mers, or larger ones after many; see `KnownSets.count`."""
        sets = list(sets)
        self._asked += len(sets)
        if self._asked > FEW:
            yield from self._postings.count(sets)
        else:
            yield from ((place, self._shared(features)) for place, features in enumerate(sets))

    def _shared(self, asked: np.ndarray) -> csr_array:
        """Return how many of some 5-mers each known sequence has, int32 [1, N]."""
        flags = np.zeros(1 << HASH_BITS, bool)
        flags[_hashes(asked)] = True
        places = np.flatnonzero(flags[self._hashed])
        words = words_at(self._letters, places)
        columns = np.minimum(np.searchsorted(asked, words), len(asked) - 1)
        right = asked[columns] == words  # and not only a word with the same hash
        owners = np.searchsorted(self._ends, places[right])
        # A 5-mer counts once, however often a sequence has it.
        pairs = distinct((owners * len(asked) + columns[right]).astype(np.uint64))
        counts = np.bincount((pairs // np.uint64(len(asked))).astype(np.int64), minlength=len(self.sizes))
        found = np.flatnonzero(counts).astype(np.int32)
        starts = np.array([0, len(found)], np.int32)
        return csr_array((counts[found].astype(np.int32), found, starts), shape=(1, len(self.sizes)))

    @cached_property
    def _hashed(self) -> np.ndarray:
        """The hash of the word that begins at each position but the last ones, uint32."""
        size = max(0, len(self._letters) - KMER + 1)
        hashed = np.empty(size, np.uint32)
        for start in range(0, size, POSITIONS):
            places = slice(start, min(start + POSITIONS, size))
            hashed[places] = _hashes(words_at(self._letters, places))
        return hashed

    @cached_property
    def _postings(self) -> Postings:
        sequences = self._letters.tobytes().split(bytes([END]))[:-1]
        return Postings.of(kmers(one.lstrip(b"\0").decode("utf-8", "surrogatepass")) for one in sequences)


def _hashes(words: np.ndarray) -> np.ndarray:
    return (words * FACTOR) >> np.uint64(64 - HASH_BITS)
