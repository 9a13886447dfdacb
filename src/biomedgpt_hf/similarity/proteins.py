"""Known proteins and their 5-mers: the nearest ones to others.

The share of the shorter sequence's 5-mers finds homologues and fragments alike. A handful of them is
found by chance, though: a peptide of five residues is a part of many proteins. So a sequence of fewer
than `FEWEST` 5-mers counts as one of so many, and only its very sequence is as similar as 1. Of
equally similar ones, that comes first which has most 5-mers in common out of those of either
(Jaccard): a sequence of like length before a fragment.

Shape letters:  N known proteins
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from biomedgpt_hf.similarity.hashing import digest
from biomedgpt_hf.similarity.kinds import Proteins
from biomedgpt_hf.similarity.kmers import KMER, kmers, sequence_key
from biomedgpt_hf.similarity.ranking import SAME, Hit, best, to_hits
from biomedgpt_hf.similarity.scores import tanimoto
from biomedgpt_hf.similarity.shared_features import Postings

FEWEST = 10
SETTINGS = {"kmer": KMER, "fewest": FEWEST}
MEASURE = f"{Proteins.measure}, where fewer than {FEWEST} count as {FEWEST}"


def sequence_digests(proteins: Sequence[str]) -> np.ndarray:
    """Return what tells whether two sequences are the same, whatever their case, uint64 [N]."""
    return np.array([digest(sequence_key(protein)) for protein in proteins], np.uint64)


def require_sequences(proteins: Sequence[str]) -> None:
    """Raise ValueError if a protein that is looked for is blank."""
    for place, protein in enumerate(proteins):
        if not isinstance(protein, str) or not protein.strip():
            raise ValueError(f"Protein {place} is {protein!r}: name its amino acids, one letter each.")


def protein_tensors(proteins: Sequence[str]) -> dict[str, np.ndarray]:
    """Return what an index keeps: those of `Postings`, and "identities" uint64 [N]."""
    return {**Postings.of(map(kmers, proteins)).tensors, "identities": sequence_digests(proteins)}


class ProteinSearch:
    """Finds the nearest of the known proteins.

    Args:
        tensors: see `protein_tensors`.
    """

    def __init__(self, tensors: Mapping[str, np.ndarray]) -> None:
        self._identities, self._known = tensors["identities"], Postings(tensors)

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
                chosen = best(scores, k, tanimoto(counts, size, sizes))
                hits.append(to_hits(chosen, scores, positions))
        return hits
