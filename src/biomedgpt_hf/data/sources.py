"""Raw source files: plain or gzip text line by line, checksums, splits by hash."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

GZIP_MAGIC = b"\x1f\x8b"


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, line without its line break) of a UTF-8 text file, plain or .gz.

    gzip is recognised by the file's first bytes, not by its name. Memory is that of one line.

    Raises:
        OSError: the file is missing, a folder, unreadable, or a truncated or corrupt gzip.
        ValueError: the file is empty or not UTF-8.
    """
    path = _existing_file(path)
    number = 0
    try:
        with path.open("rb") as file:
            compressed = file.read(2) == GZIP_MAGIC
        with gzip.open(path, "rb") if compressed else path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}, line {number}: not UTF-8 text ({error.reason}).") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        reason = f"the gzip file is truncated or corrupt after this line ({error})"
        raise OSError(f"{path}, line {number}: {reason}. Download it again.") from error
    if number == 0:
        raise ValueError(f"{path} is empty.")


def _existing_file(path: Path) -> Path:
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file.")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: name the files in it.")
    return path


def split_of_hash(seed: int, key: str, shares: tuple[int, int, int] = (8, 1, 1)) -> str:
    """Return "train", "validation" or "test" for a key: the same for every run, order and machine.

    Args:
        seed: another seed gives another split.
        key: what must stay on one side, e.g. a structure key or a protein sequence.
        shares: relative sizes of the three parts; 8 : 1 : 1 is the paper's (§3.2).
    """
    digest = hashlib.sha256(f"{seed}\n{key}".encode()).digest()
    position = int.from_bytes(digest[:8], "big") / 2**64 * sum(shares)
    if position < shares[0]:
        return "train"
    return "validation" if position < shares[0] + shares[1] else "test"


def describe_source(path: Path) -> dict[str, Any]:
    """Return a source's name, size, sha256 and date of last change (UTC) for the manifest."""
    path = _existing_file(path)
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    status = path.stat()
    modified = datetime.fromtimestamp(status.st_mtime, UTC)
    return {
        "file": path.name,
        "bytes": status.st_size,
        "sha256": digest.hexdigest(),
        "modified": modified.isoformat(timespec="seconds"),
    }
