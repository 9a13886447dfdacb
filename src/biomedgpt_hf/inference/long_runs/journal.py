"""The finished results of a long run. They survive kills, full disks and a changed number of processes.

    .NAME.running/               beside the output, until the output is complete
        run.json                 what the run was asked for
        rank-0.sqlite, …         the results of each process; one transaction a batch
        rank-0.lock, …           held while a process is at work

A result belongs to a row of the input and to a number within it, such as that of a question.
"""

from __future__ import annotations

import heapq
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from biomedgpt_hf.disk.databases import Database
from biomedgpt_hf.disk.replacing import write_json

PAGE = 1_000  # results that are read at a time
TABLES = """
CREATE TABLE IF NOT EXISTS results
    (row INTEGER, number INTEGER, payload BLOB, PRIMARY KEY (row, number)) WITHOUT ROWID;
"""

Result = tuple[int, int, bytes]  # row, number, payload


class Journal:
    """The finished results of all processes of one run.

    Args:
        folder: where they are kept. It is made if it is missing.
        facts: what the run was asked for, as JSON values. Everything that changes a result belongs there.
        rank: number of this process.

    Raises:
        ValueError: the folder holds the results of a run that was asked for something else.
        OSError: the folder cannot be written or is damaged, or the same run is already at work.
    """

    def __init__(self, folder: Path, facts: Mapping[str, Any], rank: int = 0) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self.folder / f"rank-{rank}.lock", timeout=0)
        try:
            self._lock.acquire()
        except Timeout as error:
            raise BlockingIOError(f"{self.folder}: the same command is running already.") from error
        try:
            self._check(json.loads(json.dumps(facts)))
            self._base = Database(self.folder / f"rank-{rank}.sqlite", TABLES)
        except BaseException:
            self._lock.release()
            raise

    def _check(self, facts: dict[str, Any]) -> None:
        """Compare the facts with those of the results in the folder, or write them if there are no results."""
        path = self.folder / "run.json"
        kept = any(self.folder.glob("rank-*.sqlite"))  # asked first: they are made after run.json
        if not (path.exists() or kept):
            write_json(path, facts)
            return
        try:
            found = json.loads(path.read_text("utf-8"))
        except (FileNotFoundError, ValueError) as error:
            raise OSError(
                f"{path} is missing or damaged ({error}), so it is unknown what the results beside it answer. "
                f"Remove {self.folder} to begin the run again."
            ) from error
        if differs := difference(found, facts, sorted(facts.keys() | found.keys())):
            raise ValueError(
                f"{self.folder} holds an unfinished run that was asked for something else: {differs}. Repeat that "
                "command to finish it, choose another --output, or remove the folder."
            )

    def done(self, first_row: int, last_row: int) -> set[tuple[int, int]]:
        """Return (row, number) of all results for these rows, whichever process has them."""
        query = "SELECT row, number FROM results WHERE row BETWEEN ? AND ?"
        with self._all() as bases:
            return {found for base in bases for found in base.rows(query, (first_row, last_row))}

    def add(self, results: Iterable[Result]) -> None:
        """Keep results: all of them, or none if that fails.

        Raises:
            OSError: the disk is full, or cannot be written.
        """
        with self._base.transaction():
            self._base.execute_many("INSERT OR REPLACE INTO results VALUES (?, ?, ?)", results)

    def rows(self) -> int:
        """Return the number of rows that have a result."""
        with self._all() as bases:
            return sum(base.row("SELECT COUNT(DISTINCT row) FROM results")[0] for base in bases)

    def results(self) -> Iterator[Result]:
        """Yield all results in the order of rows and numbers. Memory holds one result of each process."""
        with self._all() as bases:
            merged = heapq.merge(*map(_pages, bases), key=itemgetter(0, 1))
            for _, same in groupby(merged, key=itemgetter(0, 1)):
                yield next(same)

    @contextmanager
    def _all(self) -> Iterator[list[Database]]:
        """Open the files of all other processes. The file of this process is open already."""
        with ExitStack() as stack:
            bases = [self._base]
            for path in sorted(self.folder.glob("rank-*.sqlite")):
                if path != self._base.path:
                    # The file is opened for writing, since the unfinished work of a killed process is rolled back.
                    other = stack.enter_context(Database(path, create=False))
                    if other.row("SELECT 1 FROM sqlite_master WHERE name = 'results'"):
                        bases.append(other)
            yield bases

    def close(self) -> None:
        """Release the folder. The results stay."""
        self._base.close()
        self._lock.release()

    def remove(self) -> None:
        """Remove the folder: the results are in the output."""
        self.close()
        for results in self.folder.glob("rank-*"):  # before run.json, which tells what they are
            results.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def _pages(base: Database) -> Iterator[Result]:
    query = "SELECT row, number, payload FROM results WHERE (row, number) > (?, ?) ORDER BY row, number LIMIT ?"
    last, before = (-1, -1), None
    while last != before:
        before = last
        for result in base.rows(query, (*last, PAGE)):  # one by one, since a payload may have megabytes
            yield result
            last = result[:2]


def difference(found: Mapping[str, Any], facts: Mapping[str, Any], names: Iterable[str]) -> str:
    """Return in words the first of some facts that is not what was found, or "" if all are the same."""
    differing = (name for name in names if found.get(name) != facts.get(name))
    return next((f"{name} was {_short(found.get(name))} and is {_short(facts.get(name))}" for name in differing), "")


def _short(fact: object) -> str:
    text = json.dumps(fact)
    return text if len(text) <= 80 else f"{text[:80]}…"
