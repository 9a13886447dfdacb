"""Standard input and pipes as files that can be read more than once, and standard output as a place for results."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory

STANDARD = "-"
OUTPUTS = (STANDARD, "/dev/stdout")
INPUTS = (STANDARD, "/dev/stdin")


def is_standard_output(output: str | PathLike) -> bool:
    """Tell whether results are to go to standard output."""
    return os.fspath(output) in OUTPUTS


@contextmanager
def as_files(paths: Sequence[str | PathLike]) -> Iterator[list[Path]]:
    """Yield the paths of inputs, each a file or folder that can be read more than once.

    Standard input (`-`) and pipes are copied to a temporary folder for as long as that takes. What standard input holds
    is called `stdin` there and in errors.

    Raises:
        OSError: a path does not exist.
        ValueError: standard input is named twice, or several processes would share it.
    """
    streams = [os.fspath(path) for path in paths if _is_stream(path)]
    if not streams:
        for path in map(Path, paths):
            if not path.exists():
                raise FileNotFoundError(f"{path}: there is no such file.")
        yield [Path(path) for path in paths]
        return
    if sum(path in INPUTS for path in streams) > 1:
        raise ValueError("Standard input is named twice, but it can be read once. Name it once.")
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise ValueError("Several processes cannot share standard input or a pipe. Save it as a file, and name that.")
    with TemporaryDirectory(prefix="biomedgpt-") as folder:
        try:
            yield [_copied(path, Path(folder), number) for number, path in enumerate(paths)]
        except (ValueError, OSError) as error:
            if folder not in str(error):
                raise
            kind = OSError if isinstance(error, OSError) else ValueError
            raise kind(str(error).replace(f"{folder}{os.sep}", "")) from error


def _is_stream(path: str | PathLike) -> bool:
    return os.fspath(path) in INPUTS or Path(path).is_fifo() or Path(path).is_char_device()


def _copied(path: str | PathLike, folder: Path, number: int) -> Path:
    """Return the path of a stream's copy, or of an input that is no stream."""
    if not _is_stream(path):
        if not Path(path).exists():
            raise FileNotFoundError(f"{path}: there is no such file.")
        return Path(path)
    is_standard = os.fspath(path) in INPUTS
    copy = folder / ("stdin" if is_standard else f"pipe-{number}")
    with copy.open("wb") as file:
        if is_standard:
            shutil.copyfileobj(sys.stdin.buffer, file)
        else:
            with Path(path).open("rb") as stream:
                shutil.copyfileobj(stream, file)
    return copy
