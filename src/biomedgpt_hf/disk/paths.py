"""Whether a path is what a job needs: a file to read, or a place that is free to write."""

from __future__ import annotations

import os
from pathlib import Path


def existing_file(path: Path) -> Path:
    """Return `path` if it is a file.

    Raises:
        OSError: it is missing or a folder.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file.")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: name the files in it.")
    return path


def require_free(output: Path) -> None:
    """Raise FileExistsError if `output` is a file, or a folder that holds something."""
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        found = "already exists and is not empty" if output.is_dir() else "already exists"
        raise FileExistsError(f"{output} {found}: remove it or choose another --output.")


def require_place(output: Path) -> None:
    """Raise an OSError unless a file or folder can be made at `output`."""
    if reason := why_unwritable(output):
        raise OSError(f"{output} cannot be made: {reason}. Choose another --output.")


def why_unwritable(path: Path, *, itself: bool = False) -> str | None:
    """Return why nothing can be made at a path; None if it can.

    Args:
        path: of a file or folder to make.
        itself: whether it may be a folder that is there already.
    """
    path = Path(path).absolute()
    there = next(one for one in ([path] if itself else []) + [*path.parents] if one.exists())
    if not there.is_dir():
        return f"{there} is no folder"
    return None if os.access(there, os.W_OK | os.X_OK) else f"{there} cannot be written to"
