"""Clusters of the proteins of a build by their own likeness, where no table of clusters is at hand."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from tqdm.auto import tqdm

from biomedgpt_hf.building.examples import StagedExample
from biomedgpt_hf.similarity.protein_clusters import RULE, protein_clusters


class Clusters(Protocol):
    """Knows which examples must be in one split."""

    def cluster_of(self, example: StagedExample) -> str | None:
        """Return the name of an example's cluster, or None if it is in none."""


class SimilarityClusters:
    """Clusters by the sequences of their members (see `similarity.protein_clusters`). They are held in memory.

    A cluster is named by the first of its sequences in the order of the alphabet, so that its split does not hang on
    the order of the sources.

    Args:
        sequences: the proteins. Each counts once.
        progress: show a progress bar.
    """

    def __init__(self, sequences: Iterable[str], *, progress: bool = False) -> None:
        distinct = sorted(set(sequences))
        with tqdm(total=len(distinct), desc="clusters", unit="", disable=None if progress else True) as bar:
            numbers = protein_clusters(distinct, tell=bar.update).tolist()
        names: dict[int, str] = {}
        for number, sequence in zip(numbers, distinct, strict=True):
            names.setdefault(number, sequence)
        self._names = {sequence: names[number] for number, sequence in zip(numbers, distinct, strict=True)}

    def cluster_of(self, example: StagedExample) -> str | None:
        """Return the name of the cluster of an example's first protein."""
        return self._names.get(example.keys[0])


def cluster_options(table: Path | None, level: str, by_similarity: bool, max_per_cluster: int | None) -> dict[str, Any]:
    """Return how items are kept together, as a manifest names it; nothing where they are not.

    Raises:
        ValueError: the settings contradict each other.
    """
    if table and by_similarity:
        raise ValueError("Clusters come from a table or from the proteins' likeness, not from both.")
    if max_per_cluster is not None and max_per_cluster < 1:
        raise ValueError(f"max_per_cluster is {max_per_cluster}. It must be at least 1.")
    if not (table or by_similarity):
        if max_per_cluster is not None:
            raise ValueError(f"max_per_cluster is {max_per_cluster}, but there are no clusters: split by cluster.")
        return {}
    made_by = {"cluster_level": level} if table else {"clusters": RULE}
    return {"split_by": "cluster", **made_by} | ({"max_per_cluster": max_per_cluster} if max_per_cluster else {})
