"""The cluster of similar proteins that a protein belongs to, for splits that do not cut clusters.

The clusters come from UniRef or from MMseqs2 (see `cluster_sources`):

    mmseqs easy-cluster proteins.fasta clusters SCRATCH --min-seq-id 0.3 -c 0.8    → clusters_cluster.tsv
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from biomedgpt_hf.building.cluster_sources import (
    LEVELS,
    Membership,
    plain_identifier,
    read_memberships,
    without_isoform,
)
from biomedgpt_hf.building.examples import StagedExample
from biomedgpt_hf.disk.databases import UNSAFE, Database
from biomedgpt_hf.disk.paths import existing_file

CHUNK = 50_000  # memberships that are committed together
TABLES = """
CREATE TABLE about (facts TEXT);
CREATE TABLE member (id TEXT PRIMARY KEY, cluster TEXT NOT NULL) WITHOUT ROWID;
"""

logger = logging.getLogger(__name__)


def open_clusters(path: Path | None, scratch: Path, **options: Any) -> AbstractContextManager[ClusterTable | None]:
    """Return the table of clusters that `ClusterTable.read` reads, to be used in a `with`; None without a path."""
    return nullcontext() if path is None else ClusterTable.read(path, scratch, **options)


class ClusterTable:
    """Clusters by the identifiers of their members. They are in a SQLite file, so memory does not grow with them.

    Make one with `ClusterTable.read`. Use it as a context manager, or `close` it.

    Attributes:
        conflicts: how often a member was named again in another cluster. The first cluster counts.
    """

    def __init__(self, base: Database, facts: dict[str, Any]) -> None:
        self._base = base
        self._members: int = facts["members"]
        self.conflicts: int = facts["conflicts"]

    @classmethod
    def read(cls, path: Path, scratch: Path, level: str = "UniRef50", *, progress: bool = False) -> ClusterTable:
        """Read a table of clusters into a scratch file, or use the scratch file if it holds this table already.

        Args:
            path: the table, in one of the formats of `cluster_sources`.
            scratch: SQLite file to make. Other content is overwritten.
            level: "UniRef100", "UniRef90" or "UniRef50", for a table of UniProt.
            progress: show a progress bar.

        Raises:
            OSError: the table is missing or unreadable, or the scratch file cannot be written.
            SourceError: the table is empty, truncated, corrupt, of an unknown format, or without such clusters.
            ValueError: `level` is not a level of UniRef.
        """
        if level not in LEVELS:
            raise ValueError(f"The level of clusters is {level!r}. Choose one of {', '.join(LEVELS)}.")
        path, scratch = existing_file(path), Path(scratch)
        status = path.stat()
        source = [str(path.resolve()), status.st_size, status.st_mtime_ns, level]
        facts = _finished(scratch)
        if facts.get("source") != source:
            memberships = read_memberships(path, level)
            with tqdm(desc="clusters", unit="", unit_scale=True, disable=None if progress else True) as bar:
                facts = _fill(scratch, memberships, source, bar)
        base = Database(scratch)
        if facts["conflicts"]:
            logger.warning(
                "%s: %d lines put a protein into a second cluster and do not count. The first puts %s into %s.",
                *(path, facts["conflicts"], *facts["first"]),
            )
        return cls(base, facts)

    def get(self, identifier: str) -> str | None:
        """Return the cluster of a protein, or None if the table does not have it.

        Args:
            identifier: as the table writes it, such as "P12345". For sp|P12345|NAME_HUMAN its accession counts, and
                for an isoform such as P12345-2 without a cluster the protein's accession.
        """
        identifier = plain_identifier(identifier)
        cluster = self._lookup(identifier)
        if cluster is None and (accession := without_isoform(identifier)):
            return self._lookup(accession)
        return cluster

    def cluster_of(self, example: StagedExample) -> str | None:
        """Return the cluster of an example, by its identifier."""
        return self.get(example.id)

    def _lookup(self, identifier: str) -> str | None:
        row = self._base.row("SELECT cluster FROM member WHERE id = ?", [_storable(identifier)])
        return row[0] if row else None

    def __len__(self) -> int:
        """Return the number of members."""
        return self._members

    def __enter__(self) -> ClusterTable:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the scratch file, which is kept for later use."""
        self._base.close()


def _finished(scratch: Path) -> dict[str, Any]:
    """Return the facts that a complete scratch file ends with, or {} if it is not complete."""
    if not scratch.exists():
        return {}
    try:
        with Database(scratch, create=False) as base:
            row = base.row("SELECT facts FROM about")
            return json.loads(row[0]) if row else {}
    except OSError:  # the file is something else, or only half written
        return {}


def _fill(scratch: Path, memberships: Iterator[Membership], source: list[Any], bar: tqdm) -> dict[str, Any]:
    """Write the members to a new scratch file, and return the facts that it ends with."""
    scratch.unlink(missing_ok=True)
    with Database(scratch, TABLES, pragmas=UNSAFE) as base:
        members = conflicts = 0
        first: tuple[str, str] | None = None
        while chunk := [(_storable(one), _storable(cluster)) for one, cluster in islice(memberships, CHUNK)]:
            added, refused = _add(base, chunk)
            members, conflicts, first = members + added, conflicts + len(refused), first or next(iter(refused), None)
            bar.update(len(chunk))
        facts = {"source": source, "members": members, "conflicts": conflicts, "first": first}
        base.execute("INSERT INTO about VALUES (?)", [json.dumps(facts)])
        return facts


def _add(base: Database, chunk: list[tuple[str, str]]) -> tuple[int, list[tuple[str, str]]]:
    """Add members, and return how many were new and which are in another cluster already."""
    with base.transaction():
        added = base.execute_many("INSERT OR IGNORE INTO member VALUES (?, ?)", chunk)
    if added == len(chunk):
        return added, []
    query = "SELECT cluster FROM member WHERE id = ?"
    return added, [pair for pair in chunk if base.row(query, pair[:1])[0] != pair[1]]


def _storable(text: str) -> str:
    """Return a text that SQLite can hold. Bytes that are not UTF-8 become escapes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
