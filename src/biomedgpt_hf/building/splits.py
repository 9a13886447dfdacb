"""Choosing the split of a record."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from biomedgpt_hf.files.records import RejectedRecord, UnwantedRecord

if TYPE_CHECKING:
    from biomedgpt_hf.building.clusters import ClusterTable
    from biomedgpt_hf.building.examples import StagedExample
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
    their items is held out. Otherwise a hash of the example's cluster or first key decides.

    Args:
        staging: knows which keys are in an official validation or test split.
        seed: another seed gives another split.
        clusters: the clusters of the examples, by their identifiers.

    Attributes:
        clustered, alone: how many examples are in a cluster, and how many are not.
    """

    def __init__(self, staging: Staging, seed: int, clusters: ClusterTable | None = None) -> None:
        self._staging, self._seed, self._clusters = staging, seed, clusters
        self._official = staging.has_official_splits()
        self.clustered = self.alone = 0

    def __call__(self, example: StagedExample) -> str | RejectedRecord:
        """Return the split of an example."""
        if example.split:
            return example.split
        if self._official:
            held_out = next(filter(self._staging.is_held_out, example.keys), None)
            return UnwantedRecord("in a validation or test file", held_out) if held_out else "train"
        group = example.keys[0]
        if self._clusters is not None:
            cluster = self._clusters.get(example.id)
            self.clustered += cluster is not None
            self.alone += cluster is None
            group = cluster or group
        return split_of_hash(self._seed, group)

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
