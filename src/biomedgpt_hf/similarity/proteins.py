"""Known proteins by their 5-mers, counted by scipy's sparse matrices.

The share of the shorter sequence's 5-mers finds homologues and fragments alike. A handful of them is
found by chance, though: a peptide of five residues is a part of many proteins. So a sequence of fewer
than `FEWEST` 5-mers counts as one of so many, and only its very sequence is as similar as 1. Of
equally similar ones, that comes first which has most 5-mers in common out of those of either
(Jaccard): a sequence of like length before a fragment.

Shape letters:  N known proteins   V distinct 5-mers   P postings (5-mers of each protein)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from scipy.sparse import csr_array

from biomedgpt_hf.similarity.kinds import KMER, Proteins, digest, kmers
from biomedgpt_hf.similarity.nearest import containment, tanimoto
from biomedgpt_hf.similarity.ranking import SAME, Hit, best, to_hits

FEWEST = 10
SETTINGS = {"kmer": KMER, "fewest": FEWEST}
MEASURE = f"{Proteins.measure}, where fewer than {FEWEST} count as {FEWEST}"
BUILD_KMERS, QUERY_KMERS = 2**22, 2**15  # that are gathered and looked up at once; bounds the memory


def sequence_digests(proteins: Sequence[str]) -> np.ndarray:
    """Return what tells whether two sequences are the same, whatever their case, uint64 [N]."""
    return np.array([digest(protein.upper()) for protein in proteins], np.uint64)


def require_sequences(proteins: Sequence[str]) -> None:
    """Raise ValueError if a protein that is looked for is blank."""
    for place, protein in enumerate(proteins):
        if not isinstance(protein, str) or not protein.strip():
            raise ValueError(f"Protein {place} is {protein!r}: name its amino acids, one letter each.")


def protein_tensors(proteins: Sequence[str]) -> dict[str, np.ndarray]:
    """Return what an index keeps: for each 5-mer, in order, which proteins have it.

    Returns:
        "kmers" uint64 [V]; "starts" [V + 1], where the proteins of each begin in "owners" [P], int32 up
        to 2³¹ postings, then int64; "sizes", the number of 5-mers of each protein, int32 [N];
        "identities" uint64 [N].
    """
    sizes: list[int] = []
    blocks: list[tuple[np.ndarray, np.ndarray]] = []
    for block in _blocks(proteins, BUILD_KMERS):
        features = [kmers(protein.upper()) for protein in block]
        sizes += map(len, features)
        words, places = np.unique(np.concatenate(features), return_inverse=True)
        blocks.append((words, places.astype(np.int32)))
    known = np.unique(np.concatenate([words for words, _ in blocks]))
    # Looking up distinct words in order is many times as fast as looking up each protein's.
    columns = np.concatenate([np.searchsorted(known, words).astype(np.int32)[places] for words, places in blocks])
    ones = np.ones(len(columns), np.int8)
    by_kmer = csr_array((ones, columns, _starts(sizes)), shape=(len(proteins), len(known))).tocsc()
    return {
        "kmers": known,
        "starts": by_kmer.indptr,
        "owners": by_kmer.indices,
        "sizes": np.array(sizes, np.int32),
        "identities": sequence_digests(proteins),
    }


class ProteinSearch:
    """Finds the nearest of the known proteins.

    Args:
        tensors: see `protein_tensors`.
    """

    def __init__(self, tensors: Mapping[str, np.ndarray]) -> None:
        self._kmers, self._sizes, self._identities = (tensors[name] for name in ("kmers", "sizes", "identities"))
        ones = np.ones(len(tensors["owners"]), np.int8)
        shape = (len(self._kmers), len(self._sizes))
        self._proteins = csr_array((ones, tensors["owners"], tensors["starts"]), shape=shape)

    def search(self, proteins: Sequence[str], k: int, exclude_same: bool) -> list[list[Hit]]:
        """Return up to k hits for each sequence, the same one first.

        Raises:
            ValueError: a sequence is blank.
        """
        require_sequences(proteins)
        identities = sequence_digests(proteins)
        hits: list[list[Hit]] = []
        for block in _blocks(proteins, QUERY_KMERS):
            wanted = [kmers(protein.upper()) for protein in block]
            shared = self._shared(wanted)
            for row, features in enumerate(wanted):
                found = slice(*shared.indptr[row : row + 2])
                positions, counts = shared.indices[found], shared.data[found]
                sizes = self._sizes[positions]
                scores = containment(counts, np.maximum(len(features), FEWEST), np.maximum(sizes, FEWEST))
                same = self._identities[positions] == identities[len(hits)]
                scores[same] = 0 if exclude_same else SAME
                chosen = best(scores, k, tanimoto(counts, np.array(len(features)), sizes))
                hits.append(to_hits(chosen, scores, positions))
        return hits

    def _shared(self, block: Sequence[np.ndarray]) -> csr_array:
        """Return how many 5-mers each of a block shares with the known proteins that have some of them."""
        words, columns = np.unique(np.concatenate(block), return_inverse=True)
        places = np.searchsorted(self._kmers, words)
        places[places == len(self._kmers)] = 0
        known = self._kmers[places] == words
        kept = known[columns]
        rows = np.repeat(np.arange(len(block)), [len(features) for features in block])[kept]
        starts = _starts(np.bincount(rows, minlength=len(block)))
        columns = (np.cumsum(known) - 1)[columns[kept]]
        queries = csr_array((np.ones(len(columns), np.int32), columns, starts), shape=(len(block), known.sum()))
        shared = queries @ self._proteins[places[known]].astype(np.int32)
        shared.sort_indices()
        return shared


def _starts(sizes: Sequence[int] | np.ndarray) -> np.ndarray:
    """Return where the parts of these sizes begin, and where the last one ends; small numbers, as scipy keeps them."""
    starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    return starts.astype(np.int32) if starts[-1] < 2**31 else starts


def _blocks(proteins: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Cut a list of sequences where so many residues are full; one that is longer is a block of its own."""
    start, filled = 0, 0
    for place, protein in enumerate(proteins):
        if place > start and filled + len(protein) > size:
            yield proteins[start:place]
            start, filled = place, 0
        filled += len(protein)
    if proteins:
        yield proteins[start:]
