"""A folder that is there whole, or not at all."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from biomedgpt_hf.disk.full import naming_full_disk
from biomedgpt_hf.disk.paths import require_free


@contextmanager
def staged_folder(output: str | Path, partial: Path | None = None) -> Iterator[Path]:
    """Yield a folder that takes the name `output` when all went well, and is removed otherwise.

    Args:
        output: folder to make.
        partial: what it is called meanwhile, on the same file system; an old one is removed. If not given,
            that is a new hidden folder beside `output`.

    Raises:
        FileExistsError: if `output` exists and is not an empty folder.
        DiskFullError: whatever writes to the folder finds no space left.
    """
    output = Path(output).absolute()
    require_free(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    folder = partial or output.with_name(f".{output.name}.partial-{uuid.uuid4().hex[:8]}")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        with naming_full_disk(output):
            folder.mkdir(parents=True)
            yield folder
        if output.exists():
            output.rmdir()
        folder.rename(output)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
