"""Searching known proteins by their 5-mers for those nearest to others.

The share of the shorter sequence's 5-mers finds both homologues and fragments. But a few 5-mers are found by
chance: a peptide of five residues is a part of many proteins. So a sequence with fewer than `FEWEST` 5-mers is
scored as if it had that many, and only the same sequence has the similarity 1. Of equally similar sequences, the
one with the highest Jaccard similarity comes first, so that a sequence of similar length comes before a fragment.

Shape letters:  N known proteins
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from biomedgpt_hf.similarity.hashing import digest
from biomedgpt_hf.similarity.kinds import Proteins
from biomedgpt_hf.similarity.kmer_scan import KmerScan
from biomedgpt_hf.similarity.kmers import KMER, kmers, sequence_key
from biomedgpt_hf.similarity.ranking import SAME, Hit, best, to_hits
from biomedgpt_hf.similarity.scores import tanimoto
from biomedgpt_hf.similarity.shared_features import Postings

FEWEST = 10
SETTINGS = {"kmer": KMER, "fewest": FEWEST}
MEASURE = f"{Proteins.measure}, where fewer than {FEWEST} count as {FEWEST}"


def sequence_digests(proteins: Sequence[str]) -> np.ndarray:
    """Return numbers that are equal for sequences that are the same without regard to case, uint64 [N]."""
    return np.array([digest(sequence_key(protein)) for protein in proteins], np.uint64)


def require_sequences(proteins: Sequence[str]) -> None:
    """Raise ValueError if a protein that is looked for is blank."""
    for place, protein in enumerate(proteins):
        if not isinstance(protein, str) or not protein.strip():
            raise ValueError(f"Protein {place} is {protein!r}. Write its amino acids, one letter each.")


def protein_tensors(proteins: Sequence[str], compact: bool = False) -> dict[str, np.ndarray]:
    """Return the tensors that an index keeps: those of `Postings` or, if compact, of `KmerScan`, and "identities".

    The identities are uint64 [N].
    """
    tensors = KmerScan.of(proteins).tensors if compact else Postings.of(map(kmers, proteins)).tensors
    return {**tensors, "identities": sequence_digests(proteins)}


class ProteinSearch:
    """Finds the nearest of the known proteins.

    Args:
        tensors: see `protein_tensors`.
    """

    def __init__(self, tensors: Mapping[str, np.ndarray]) -> None:
        self._identities = tensors["identities"]
        self._known = KmerScan(tensors) if "letters" in tensors else Postings(tensors)
        self._hidden = np.zeros(len(self._identities), bool)

    def forget(self, proteins: Sequence[str]) -> int:
        """Find these sequences no more. Return how many known ones that are."""
        before = int(self._hidden.sum())
        self._hidden |= np.isin(self._identities, sequence_digests(proteins))
        return int(self._hidden.sum()) - before

    def search(self, proteins: Sequence[str], k: int, exclude_same: bool) -> list[list[Hit]]:
        """Return up to k hits for each sequence, the same one first.

        Raises:
            ValueError: a sequence is blank.
        """
        require_sequences(proteins)
        identities = sequence_digests(proteins)
        asked = [kmers(protein) for protein in proteins]
        hits: list[list[Hit]] = []
        for _, shared in self._known.count(asked):
            shared.sort_indices()
            for start, stop in pairwise(shared.indptr):
                positions, counts = shared.indices[start:stop], shared.data[start:stop]
                size, sizes = np.array(len(asked[len(hits)])), self._known.sizes[positions]
                scores = Proteins.score(counts, np.maximum(size, FEWEST), np.maximum(sizes, FEWEST))
                same = self._identities[positions] == identities[len(hits)]
                scores[same] = 0 if exclude_same else SAME
                scores[self._hidden[positions]] = 0
                chosen = best(scores, k, tanimoto(counts, size, sizes))
                hits.append(to_hits(chosen, scores, positions))
        return hits
