"""A folder that is there whole, or not at all."""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def staged_folder(output: str | Path) -> Iterator[Path]:
    """Yield a hidden folder beside `output` that takes its name when all went well, and is removed otherwise.

    Raises:
        FileExistsError: if `output` exists and is not an empty folder.
    """
    output = Path(output).absolute()
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise FileExistsError(f"{output} exists and is not empty: choose another folder, or remove it.")
    output.parent.mkdir(parents=True, exist_ok=True)
    folder = output.parent / f".{output.name}.partial-{uuid.uuid4().hex[:8]}"
    folder.mkdir()
    try:
        yield folder
        if output.exists():
            output.rmdir()
        folder.rename(output)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
