"""SQLite files of long jobs: opened, read and changed in one way, with errors that say what to do.

A change is made inside a `transaction`, which is there whole or not at all, whatever kills the process.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from biomedgpt_hf.disk.full import disk_full, is_full

WAIT = 60  # seconds that a process waits for another one's transaction
# Kills lose nothing, and a power cut no more than the last transactions, never half of one.
WRITE_AHEAD = {"journal_mode": "WAL", "synchronous": "NORMAL"}
# For a file that is made anew if it was not finished: nothing in it has to survive a crash.
UNSAFE = {"journal_mode": "OFF", "synchronous": "OFF"}


KEPT = "what was finished before is kept, and the same command goes on from there"


class DamagedDatabaseError(OSError):
    """A file is no SQLite database, or not a whole one."""


class Database:
    """A SQLite file. Use as a context manager, or `close` it.

    Args:
        path: the file.
        tables: SQL that makes the tables, if they are not there.
        pragmas: settings of SQLite, in their order; without any, a power cut loses nothing either.
        wait: seconds to wait for another process's transaction.
        create: make the file if it is not there.

    Raises:
        DamagedDatabaseError: the file is something else, or damaged.
        BlockingIOError: another process holds it.
        DiskFullError: the disk is full.
        OSError: the file cannot be opened.
    """

    def __init__(
        self,
        path: Path,
        tables: str = "",
        *,
        pragmas: Mapping[str, str | int] | None = None,
        wait: float = WAIT,
        create: bool = True,
    ) -> None:
        self.path = Path(path)
        address = f"{self.path.absolute().as_uri()}?mode={'rwc' if create else 'rw'}"
        with self._errors():
            # Transactions are begun by hand.
            self._base = sqlite3.connect(address, uri=True, isolation_level=None, timeout=wait)
            try:
                for name, value in (pragmas or {}).items():
                    self._base.execute(f"PRAGMA {name} = {value}")
                self._base.executescript(tables)
            except BaseException:
                self._base.close()
                raise

    def execute(self, query: str, parameters: Sequence[Any] = ()) -> None:
        """Do something for which there is no answer."""
        with self._errors():
            self._base.execute(query, parameters)

    def execute_many(self, query: str, rows: Iterable[Sequence[Any]]) -> int:
        """Do it for each row of parameters, and return how many rows of tables were changed."""
        before = self._base.total_changes
        with self._errors():
            self._base.executemany(query, rows)
        return self._base.total_changes - before

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> Iterator[Any]:
        """Yield the rows that answer a query, one by one."""
        with self._errors():
            for row in self._base.execute(query, parameters):  # noqa: UP028 - that would close the cursor after its base
                yield row

    def row(self, query: str, parameters: Sequence[Any] = ()) -> Any:
        """Return the first row that answers a query, or None."""
        with self._errors():
            return self._base.execute(query, parameters).fetchone()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make all changes inside, or none if that fails."""
        with self._errors():
            self._base.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._base.execute("COMMIT")
            except BaseException:
                if self._base.in_transaction:
                    self._base.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Let go of the file; nothing is lost."""
        self._base.close()

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn SQLite's errors of the disk, the lock and the file into what they mean."""
        try:
            yield
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError):  # mistakes of the program
            raise
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:  # a mistake in a query
                raise
            if is_full(error):
                raise disk_full(error, self.path, KEPT) from error
            if "locked" in str(error):
                raise BlockingIOError(
                    f"{self.path} is in use by another process ({error}). Wait until that has ended, and run the same "
                    "command again."
                ) from error
            raise OSError(
                f"{self.path}: {error}. What was finished before is kept: with a disk that can be written, the same "
                "command goes on from there."
            ) from error
        except sqlite3.DatabaseError as error:
            raise DamagedDatabaseError(
                f"{self.path} is damaged: {error}. Remove it, and the same command makes anew what it held."
            ) from error
