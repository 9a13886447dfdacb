"""The results of a build so far, in one SQLite file, so that it can continue after any interruption.

Each chunk of records is committed completely or not at all, even if the process is killed. Duplicates are
recognised here, by a table of all marks so far, since these may not fit into memory.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from biomedgpt_hf.building.examples import Example, Rejection, StagedExample
from biomedgpt_hf.building.exclusions import ExcludedKeys
from biomedgpt_hf.building.parsing import EXAMPLE_COLUMN, ParsedChunk
from biomedgpt_hf.building.repetitions import TABLES as CLAIM_TABLES
from biomedgpt_hf.building.repetitions import add_claims, dropped_rows, reject_emptied, settle_claims
from biomedgpt_hf.disk.databases import WRITE_AHEAD, Database
from biomedgpt_hf.files.records import RejectedRecord, UnwantedRecord

TABLES = """
CREATE TABLE IF NOT EXISTS build (fingerprint TEXT, records INTEGER);
CREATE TABLE IF NOT EXISTS chunks (first INTEGER PRIMARY KEY, rows BLOB);
CREATE TABLE IF NOT EXISTS examples
    (number INTEGER PRIMARY KEY, file TEXT, line INTEGER, id TEXT, own_split TEXT, keys TEXT, split TEXT);
CREATE TABLE IF NOT EXISTS rejected
    (number INTEGER PRIMARY KEY, file TEXT, line INTEGER, id TEXT, reason TEXT, detail TEXT, faulty INTEGER);
CREATE INDEX IF NOT EXISTS faulty ON rejected (reason) WHERE faulty;
CREATE TABLE IF NOT EXISTS marks (mark BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS held_out (key BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notes (note TEXT PRIMARY KEY, times INTEGER);
"""


EXCLUDED = "in an excluded file"  # the reason of a rejection
PAGE = 10_000
EXAMPLE_FIELDS = "number, file, line, id, own_split, keys"


class Staging:
    """The SQLite file of one build.

    Args:
        folder: where the file is. It is made if it is missing.
        fingerprint: digest of what the build was asked for. Work on anything else is removed.

    Attributes:
        records: how many records have been committed.
        restarted: whether work on something else was found and removed.

    Raises:
        BlockingIOError: another process is at work on it.
    """

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self.path = folder / "staging.sqlite"
        self._open()
        found = self._base.row("SELECT fingerprint, records FROM build")
        self.restarted = found is not None and found[0] != fingerprint
        if self.restarted:
            self.close()
            shutil.rmtree(folder)
            self._open()
        if found is None or self.restarted:
            self._base.execute("INSERT INTO build VALUES (?, 0)", (fingerprint,))
        self.records = 0 if found is None or self.restarted else int(found[1])

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        held = {"locking_mode": "EXCLUSIVE", **WRITE_AHEAD}  # the lock, until the file is closed
        try:
            self._base = Database(self.path, TABLES + CLAIM_TABLES, pragmas=held, wait=1)
        except BlockingIOError as error:
            raise BlockingIOError(f"{self.path.parent}: another build of this set is running.") from error

    def close(self) -> None:
        """Close the file. The results stay."""
        self._base.close()

    def add(self, chunk: ParsedChunk, excluded: ExcludedKeys) -> None:
        """Commit the results of the next records: all of them, or none if that fails.

        Args:
            chunk: a chunk that `parsing.parse_chunks` yielded.
            excluded: the keys of items that must not be in the set.

        Raises:
            OSError: the disk is full, or cannot be written.
        """
        with self._base.transaction():
            self._base.execute("INSERT INTO chunks VALUES (?, ?)", (self.records, _to_bytes(chunk.rows)))
            for number, (record, result) in enumerate(zip(chunk.records, chunk.results, strict=True), self.records):
                place = (number, _printable(record.file), record.line, _printable(record.id))
                if isinstance(result, Example):
                    result = self._accept(result, place, excluded) or result
                    if isinstance(result, Example):
                        add_claims(self._base, number, chunk.claims[number - self.records])
                if isinstance(result, RejectedRecord):
                    self._reject(place, result)
            self._base.execute("UPDATE build SET records = ?", (self.records + len(chunk.records),))
        self.records += len(chunk.records)

    def _accept(self, example: Example, place: tuple[Any, ...], excluded: ExcludedKeys) -> RejectedRecord | None:
        """Add an example, or return the reason why it is not added."""
        for key in example.keys:
            if key in excluded:
                return UnwantedRecord(EXCLUDED, key)
        marks = [(_hash(mark),) for mark in dict.fromkeys(example.marks)]
        for mark, hashed in zip(dict.fromkeys(example.marks), marks, strict=True):
            if self._has("marks", "mark", hashed[0]):
                return UnwantedRecord("duplicate", mark)
        self._base.execute_many("INSERT INTO marks VALUES (?)", marks)
        row = (*place, example.split, json.dumps(example.keys))
        self._base.execute(f"INSERT INTO examples ({EXAMPLE_FIELDS}) VALUES (?, ?, ?, ?, ?, ?)", row)
        if example.split not in (None, "train"):
            hashed_keys = [(_hash(key),) for key in example.keys]
            self._base.execute_many("INSERT OR IGNORE INTO held_out VALUES (?)", hashed_keys)
        for note in example.notes:
            self._base.execute(
                "INSERT INTO notes VALUES (?, 1) ON CONFLICT (note) DO UPDATE SET times = times + 1", (note,)
            )
        return None

    def _reject(self, place: tuple[Any, ...], rejected: RejectedRecord) -> None:
        faulty = not isinstance(rejected, UnwantedRecord)
        row = (*place, rejected.reason, _printable(rejected.detail), faulty)
        self._base.execute("INSERT OR REPLACE INTO rejected VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    @property
    def examples(self) -> int:
        """How many records were accepted, and lost not all their rows again."""
        query = "SELECT COUNT(*) FROM examples WHERE number NOT IN (SELECT number FROM rejected)"
        return int(self._base.row(query)[0])

    @property
    def bytes_of_rows(self) -> int:
        """How many bytes the rows take, those of records that were not accepted included."""
        return int(self._base.row("SELECT TOTAL(LENGTH(rows)) FROM chunks")[0])

    @property
    def faulty(self) -> tuple[int, Counter[str]]:
        """How many records were rejected as faulty, in all and for each reason."""
        query = "SELECT reason, COUNT(*) FROM rejected WHERE faulty GROUP BY reason ORDER BY reason"
        reasons = Counter(dict(self._base.rows(query)))
        return reasons.total(), reasons

    def notes(self) -> dict[str, int]:
        """Return how often each note was made."""
        return dict(self._base.rows("SELECT note, times FROM notes ORDER BY times DESC, note"))

    def has_official_splits(self) -> bool:
        """Tell whether any example came with a split of its own."""
        query = "SELECT 1 FROM examples WHERE own_split IS NOT NULL LIMIT 1"
        return self._base.row(query) is not None

    def is_held_out(self, key: str) -> bool:
        """Tell whether a key is in an official validation or test split."""
        return self._has("held_out", "key", _hash(key))

    def assign(self, choose: Callable[[StagedExample], str | RejectedRecord]) -> None:
        """Give each example the split that `choose` returns, or reject it. Splits of an earlier run are replaced."""
        with self._base.transaction():
            for example in self.accepted():
                chosen = choose(example)
                if isinstance(chosen, RejectedRecord):
                    self._base.execute("DELETE FROM examples WHERE number = ?", (example.number,))
                    self._reject(example[:4], chosen)
                else:
                    query = "UPDATE examples SET split = ? WHERE number = ?"
                    self._base.execute(query, (chosen, example.number))

    def settle(self, choices: Mapping[str, str]) -> dict[str, int]:
        """Count the rows that repeat or contradict others, and leave out those that shall be dropped.

        Examples have their splits by now. Records that lose all their rows are rejected. See `settle_claims`.
        """
        with self._base.transaction():
            counts = settle_claims(self._base, choices)
            reject_emptied(self._base)
        return counts

    def accepted(self) -> Iterator[StagedExample]:
        """Yield the examples in order. An example may be changed after it was yielded."""
        query = f"SELECT {EXAMPLE_FIELDS} FROM examples WHERE number > ? ORDER BY number LIMIT {PAGE}"  # noqa: S608
        last = -1
        while page := list(self._base.rows(query, (last,))):
            for number, file, line, id, own_split, keys in page:
                yield StagedExample(number, file, line, id, own_split, tuple(json.loads(keys)))
            last = page[-1][0]

    def chunks(self) -> Iterator[tuple[pa.Table, list[str | None]]]:
        """Yield the rows of each chunk, in order, with the split of each row, None for those that are left out."""
        for (first,) in list(self._base.rows("SELECT first FROM chunks ORDER BY first")):
            blob, end = self._base.row(
                "SELECT rows, (SELECT MIN(first) FROM chunks WHERE first > ?1) FROM chunks WHERE first = ?1", (first,)
            )
            query = "SELECT number - ?1, split FROM examples WHERE number >= ?1 AND number < ?2"
            records = (first, self.records if end is None else end)
            splits = dict(self._base.rows(query, records))
            dropped = dropped_rows(self._base, records)
            with pa.ipc.open_stream(blob) as stream:
                rows = stream.read_all()
            positions = enumerate(rows[EXAMPLE_COLUMN].to_pylist())
            row_splits = [None if row in dropped else splits.get(position) for row, position in positions]
            yield rows.drop_columns([EXAMPLE_COLUMN]), row_splits

    def rejections(self) -> Iterator[Rejection]:
        """Yield the rejected records, in order."""
        query = "SELECT file, line, id, reason, detail, faulty FROM rejected ORDER BY number"
        for file, line, id, reason, detail, faulty in self._base.rows(query):
            yield Rejection(file, line, id, reason, detail, bool(faulty))

    def _has(self, table: str, column: str, value: bytes) -> bool:
        query = f"SELECT 1 FROM {table} WHERE {column} = ?"  # noqa: S608
        return self._base.row(query, (value,)) is not None


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _printable(text: str) -> str:
    """Return text that is UTF-8. Other bytes become escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _to_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, table.schema, options=options) as stream:
        stream.write_table(table)
    return sink.getvalue().to_pybytes()


def fingerprint(facts: Iterable[Any]) -> str:
    """Return a digest of what a build was asked for, and of the form in which its results are kept."""
    return hashlib.sha256(json.dumps([TABLES, CLAIM_TABLES, *facts], sort_keys=True, default=str).encode()).hexdigest()
