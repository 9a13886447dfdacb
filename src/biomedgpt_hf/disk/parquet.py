"""Writing a Parquet file, so that a full disk is told with the file's name, and once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from biomedgpt_hf.disk.full import naming_full_disk


class ParquetWriter(pq.ParquetWriter):
    """Arrow's writer of a file on the disk. Use as a context manager, or `close` it.

    Args:
        path: the file to write.
        schema: its columns.
        options: those of `pyarrow.parquet.ParquetWriter`.

    Raises:
        DiskFullError: there is no space left, at any time until it is closed.
    """

    def __init__(self, path: str | Path, schema: pa.Schema, **options: Any) -> None:
        self.path = Path(path)
        with naming_full_disk(self.path):
            super().__init__(self.path, schema, **options)

    def write_table(self, table: pa.Table, *arguments: Any, **options: Any) -> None:
        """Add a table, as row groups of their own."""
        with naming_full_disk(self.path):
            super().write_table(table, *arguments, **options)

    def close(self) -> None:
        """Write the file's end. Where that fails it is not tried again when the object is forgotten."""
        try:
            with naming_full_disk(self.path):
                super().close()
        finally:
            self.is_open = False
