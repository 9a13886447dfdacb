"""Whether a disk has room for what is about to be written."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def missing_space(path: str | os.PathLike, needed: float) -> str:
    """Return in words how much is needed and how much is free, or "" if there is room.

    Args:
        path: file or folder to write; it need not exist yet.
        needed: in bytes.
    """
    free, folder = free_space(path)
    return f"{in_words(needed)} are needed, and {folder} has {in_words(free)} free" if free < needed else ""


def free_space(path: str | os.PathLike) -> tuple[int, Path]:
    """Return how many bytes are free for a file or folder, and the folder nearest to it that exists."""
    path = Path(path).absolute()
    folder = next(one for one in (path, *path.parents) if one.is_dir())
    return shutil.disk_usage(folder).free, folder


def in_words(size: float) -> str:
    """Return a number of bytes with its unit: "512 bytes", "1.5 kB", "12.3 GB"."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1_000:
            return f"{size:.3g} {unit}"
        size /= 1_000
    return f"{size:,.1f} GB"
