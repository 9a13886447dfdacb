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
    """Raise an OSError unless a file or folder can be made at `output`: its folder, if there is one, is writable."""
    folder = next((one for one in Path(output).absolute().parents if one.exists()), None)
    if folder is None or not folder.is_dir():
        raise NotADirectoryError(f"{output} cannot be written: {folder} is not a folder. Choose another --output.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"{output} cannot be written: {folder} is not writable. Choose another --output.")
