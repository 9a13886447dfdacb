"""Choosing the split of a record."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from biomedgpt_hf.files.records import RejectedRecord, UnwantedRecord

if TYPE_CHECKING:
    from biomedgpt_hf.building.examples import StagedExample
    from biomedgpt_hf.building.similarity_clusters import Clusters
    from biomedgpt_hf.building.staging import Staging


def split_of_hash(seed: int, key: str, shares: tuple[int, int, int] = (8, 1, 1)) -> str:
    """Return "train", "validation" or "test" for a key: the same for every run, order and machine.

    Args:
        seed: another seed gives another split.
        key: what must be in one split only, such as a structure key or a protein sequence.
        shares: relative sizes of the three splits. The paper uses 8 : 1 : 1 (§3.2).
    """
    digest = hashlib.sha256(f"{seed}\n{key}".encode()).digest()
    position = int.from_bytes(digest[:8], "big") / 2**64 * sum(shares)
    if position < shares[0]:
        return "train"
    return "validation" if position < shares[0] + shares[1] else "test"


class SplitChooser:
    """Chooses the split of an example, or says why it can have none.

    An official split is kept. If the sources have official splits, all other examples are for training, unless one of
    their items, or another one of their cluster, is held out. Otherwise a hash of the example's cluster or first key
    decides. Of a large cluster the first items are kept, and those with official splits.

    Args:
        staging: knows which keys are in an official validation or test split.
        seed: another seed gives another split.
        clusters: the clusters of the examples.
        max_per_cluster: how many items of a cluster are kept; all if None. Examples with one first key are one item.

    Attributes:
        clustered, alone: how many examples are in a cluster, and how many are not.
    """

    def __init__(
        self, staging: Staging, seed: int, clusters: Clusters | None = None, max_per_cluster: int | None = None
    ) -> None:
        self._staging, self._seed, self._clusters, self._most = staging, seed, clusters, max_per_cluster
        self._official = staging.has_official_splits()
        self._kept: dict[str, set[str]] = {}
        self._of_key: dict[str, str] = {}
        self._held_out: set[str | None] = set()
        if clusters is not None:
            self._of_key = self._clusters_of_lone_keys()
            if self._official:
                held_out = (example for example in staging.accepted() if example.split not in (None, "train"))
                self._held_out = set(map(self._cluster_of, held_out)) - {None}
        self.clustered = self.alone = 0

    def __call__(self, example: StagedExample) -> str | RejectedRecord:
        """Return the split of an example."""
        cluster = self._cluster_of(example)
        if self._clusters is not None:
            self.clustered += cluster is not None
            self.alone += cluster is None
        if self._is_full(cluster, example) and not example.split:
            return UnwantedRecord("cluster is full", f"{self._most} of its items are kept")
        if example.split:
            return example.split
        if not self._official:
            return split_of_hash(self._seed, cluster or example.keys[0])
        held_out = next(filter(self._staging.is_held_out, example.keys), None)
        if held_out:
            return UnwantedRecord("in a validation or test file", held_out)
        if cluster in self._held_out:
            return UnwantedRecord("like an item of a validation or test file", example.keys[0])
        return "train"

    def _clusters_of_lone_keys(self) -> dict[str, str]:
        """Return the clusters of first keys that some examples have whose identifiers are in no cluster.

        The same item from another source, which is in a cluster, says where they belong.
        """
        lone = {example.keys[0] for example in self._staging.accepted() if self._cluster_of(example) is None}
        found: dict[str, str] = {}
        for example in self._staging.accepted() if lone else ():
            if example.keys[0] in lone and (cluster := self._cluster_of(example)):
                found.setdefault(example.keys[0], cluster)
        return found

    def _cluster_of(self, example: StagedExample) -> str | None:
        """Return the cluster of an example, by its identifier or else by its first key."""
        if self._clusters is None:
            return None
        return self._clusters.cluster_of(example) or self._of_key.get(example.keys[0])

    def _is_full(self, cluster: str | None, example: StagedExample) -> bool:
        """Tell whether the example is one too many of its cluster. If not, it takes its place there."""
        if cluster is None or self._most is None:
            return False
        kept = self._kept.setdefault(cluster, set())
        full = example.keys[0] not in kept and len(kept) >= self._most
        if not full:
            kept.add(example.keys[0])
        return full

    def notes(self) -> dict[str, int]:
        """Return the notes that the manifest counts.

        Raises:
            ValueError: the clusters hold none of the examples.
        """
        if self.alone and not self.clustered:
            raise ValueError(
                "None of the records is in the table of clusters: it must name them by the same identifiers."
            )
        return {"not in the table of clusters, so split by itself": self.alone} if self.alone else {}
