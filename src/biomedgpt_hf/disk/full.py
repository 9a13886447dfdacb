"""A disk that is full while something is written: one error for it, whoever notices, which names the path.

Python, SQLite, Arrow, safetensors and torch each tell it in another way, most of them without the path.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from biomedgpt_hf.disk.space import free_space, in_words

# A full disk, a used up quota, and a file that may grow no further.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
WORDS = tuple(
    text.lower() for code in FULL for text in (os.strerror(code), f"(os error {code})", f"[errno {code}]")
) + ("database or disk is full",)
SQLITE_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE)


class DiskFullError(OSError):
    """There is no space left for what is written.

    Attributes:
        filename: what was to be written.
        reason: how the library that noticed it says it.
        kept: what is not lost, as the end of the remedy: "what was finished is kept"; or "".
        needed: how many bytes the whole of it takes, or None where that is not known.
    """

    reason = kept = ""
    needed: float | None = None

    def __str__(self) -> str:
        return f"{self.filename}: {self.strerror}"


def is_full(error: BaseException) -> bool:
    """Tell whether an error, of whatever library, says that a disk is full."""
    codes = getattr(error, "errno", None), getattr(error, "sqlite_errorcode", None)
    return codes[0] in FULL or codes[1] in SQLITE_FULL or any(words in str(error).lower() for words in WORDS)


def disk_full(error: Exception, path: str | os.PathLike, kept: str = "", needed: float | None = None) -> DiskFullError:
    """Return the error for a path: what was noticed, how much is free there, how much is needed, and what to do.

    Args:
        error: what was noticed.
        path: what was to be written.
        kept, needed: see `DiskFullError`.
    """
    path = Path(path)
    code = error.errno if isinstance(error, OSError) and error.errno in FULL else errno.ENOSPC
    reason = error.reason if isinstance(error, DiskFullError) else _reason(error)
    free, folder = free_space(path)
    told = [reason, f"{in_words(free)} free in {folder}"]
    if needed is not None:
        told.append(f"about {in_words(needed)} needed")
    remedy = f"Make room there: {kept}" if kept else "Make room there, and run the same command again"
    words = f"the disk is full ({', '.join(told)}). {remedy}"
    full = DiskFullError(code, words, str(path))
    full.reason, full.kept, full.needed = reason, kept, needed
    return full


@contextmanager
def naming_full_disk(path: str | os.PathLike, kept: str = "", needed: float | None = None) -> Iterator[None]:
    """Turn what any library raises inside when the disk is full into a `DiskFullError` that names a path.

    An error that names a file already keeps its name, and gets what else is known here.

    Args:
        path: what is written inside.
        kept, needed: see `DiskFullError`.

    Raises:
        DiskFullError: the disk is full.
    """
    try:
        yield
    except Exception as error:
        if not is_full(error):
            raise
        known = error if isinstance(error, DiskFullError) else DiskFullError()
        if known is error and not (kept or needed):
            raise
        named = getattr(error, "filename", None) or path
        raise disk_full(error, named, known.kept or kept, known.needed or needed) from error


def _reason(error: Exception) -> str:
    code = getattr(error, "errno", None)
    return os.strerror(code) if code in FULL else str(error)
