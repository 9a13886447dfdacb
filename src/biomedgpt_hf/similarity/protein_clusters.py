"""Clusters of proteins that share 5-mers, so that no two similar ones are in different clusters.

Two proteins are similar from `SIMILAR_PROTEINS` on, as `similarity.proteins` measures it; what is similar to a member
belongs to its cluster (single linkage). All are compared with all, so that this is for some ten thousands of proteins:
for millions, MMseqs2 is the tool.

Shape letters:  N proteins
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from biomedgpt_hf.similarity.kinds import Proteins
from biomedgpt_hf.similarity.kmers import KMER, SIMILAR_PROTEINS, kmers
from biomedgpt_hf.similarity.proteins import FEWEST
from biomedgpt_hf.similarity.shared_features import Postings

RULE = f"{SIMILAR_PROTEINS:.0%} of the shorter one's {KMER}-mers shared, single linkage"


def protein_clusters(sequences: Sequence[str], tell: Callable[[int], object] = lambda _: None) -> np.ndarray:
    """Return the number of each protein's cluster, int64 [N]; equal for those in one cluster.

    Args:
        sequences: N sequences, none of them blank.
        tell: called with the number of further proteins that were compared.
    """
    features = [kmers(sequence) for sequence in sequences]
    known = Postings.of(features)
    sizes = np.maximum(known.sizes, FEWEST)
    pairs = [np.empty((2, 0), np.int64)]
    for first, shared in known.count(features):
        counts = shared.tocoo()
        later, earlier = counts.row + first, counts.col
        alike = (earlier < later) & (Proteins.score(counts.data, sizes[later], sizes[earlier]) >= SIMILAR_PROTEINS)
        pairs.append(np.stack([later[alike], earlier[alike]]).astype(np.int64))
        tell(shared.shape[0])
    links = np.concatenate(pairs, axis=1)
    graph = coo_array((np.ones(links.shape[1], bool), (links[0], links[1])), shape=(len(features),) * 2)
    return connected_components(graph, directed=False)[1].astype(np.int64)
