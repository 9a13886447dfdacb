"""Putting a finished file in its place, at once and so that it lasts."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from biomedgpt_hf.disk.full import naming_full_disk


def replace_file(new: Path, path: Path) -> None:
    """Put a finished file in its place at once, so that it lasts a power cut."""
    with new.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(new, path)
    if os.name == "posix":  # a folder cannot be opened elsewhere
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def write_json(path: Path, content: Any, default: Callable[[Any], Any] | None = None) -> None:
    """Write a JSON file for programs and people: it is there whole, or as it was before.

    Args:
        path: the file, in a folder that exists.
        content: what JSON can hold.
        default: makes that of anything else.

    Raises:
        DiskFullError: there is no space left.
    """
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, default=default) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8: it is there whole, or as it was before.

    Args:
        path: the file, in a folder that exists.
        text: what it is to hold.
    """
    new = path.with_name(f".{path.name}.{os.getpid()}")
    # A file's name may hold bytes that are not UTF-8: backslashreplace writes what JSON reads as the same again.
    try:
        with naming_full_disk(path):
            new.write_text(text, encoding="utf-8", errors="backslashreplace")
            replace_file(new, path)
    finally:
        new.unlink(missing_ok=True)
