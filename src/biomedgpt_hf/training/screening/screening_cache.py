"""What the screening of a run's rows found, kept so that a run that is started again need not build them once more."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import rdkit
import tokenizers
import transformers

VERSIONS = {module.__name__: module.__version__ for module in (rdkit, tokenizers, transformers)}
ROWS_AT_ONCE = 10_000

Found = tuple[np.ndarray, list[dict[str, Any]]]


def cache_key(rows: datasets.Dataset, collator: Callable[..., Any], text_only: bool = False) -> str | None:
    """Return a digest of all that decides which rows can be built, and how long they become.

    That is what the rows hold, not where they lie; the collator's settings; all that its processor saves, its code
    included; and the versions of what reads molecules and text.

    Returns:
        None where the collator has no processor that can be saved, so that nothing can be known.
    """
    settings = dict(vars(collator)) if hasattr(collator, "__dict__") else {}
    processor = settings.pop("processor", None)
    if not hasattr(processor, "save_pretrained"):
        return None
    digest = hashlib.sha256()
    facts = [VERSIONS, type(collator).__qualname__, settings, text_only]
    # A value without a form in JSON is known by its `repr`; if that differs each time, the rows are built again.
    digest.update(json.dumps(facts, sort_keys=True, default=repr).encode())
    with tempfile.TemporaryDirectory() as folder:
        processor.save_pretrained(folder)
        for file in sorted(Path(folder).rglob("*")):
            if file.is_file():
                digest.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes())
    digest.update(_rows_digest(rows))
    return digest.hexdigest()


def _rows_digest(rows: datasets.Dataset) -> bytes:
    """Digest of the rows' values, which takes nothing beside building them."""
    digest = hashlib.sha256()
    for table in rows.with_format("arrow").iter(ROWS_AT_ONCE):
        buffer = pa.BufferOutputStream()
        with pa.ipc.new_stream(buffer, table.schema.remove_metadata()) as stream:
            stream.write_table(table.replace_schema_metadata(None).combine_chunks())
        digest.update(buffer.getvalue())
    return digest.digest()


def read_cache(path: Path, key: str, rows: int) -> Found | None:
    """Return lengths and rejections that were kept under the same key, or None."""
    try:
        kept = json.loads(path.read_text("utf-8"))
        if kept["key"] == key and len(kept["lengths"]) == rows:
            return np.array(kept["lengths"], np.int64), kept["rejections"]
    except (OSError, ValueError, KeyError, TypeError):  # there is no file, or another program wrote it
        pass
    return None


def write_cache(path: Path, key: str, lengths: np.ndarray, rejections: Sequence[Mapping[str, Any]]) -> None:
    """Keep lengths and rejections; the file is there whole, or as it was before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(json.dumps({"key": key, "lengths": lengths.tolist(), "rejections": rejections}), "utf-8")
    os.replace(partial, path)
