"""Writing a data set folder that `datasets.load_dataset(folder)` opens as it is.

OUTPUT/README.md              dataset card: splits, sources, licences, what was left out
OUTPUT/manifest.json          the same as facts: checksums, dates, versions, counts
OUTPUT/rejected.jsonl         each source record that gave no row, and why
OUTPUT/data/SPLIT-*.parquet   the rows
"""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any

from biomedgpt_hf.data import schema
from biomedgpt_hf.data.card import dataset_card

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from datasets import Features
except ImportError as error:
    raise ImportError(schema.MISSING_EXTRA) from error

SPLITS = ("train", "validation", "test")
ROWS_PER_GROUP = 1_000
ROWS_PER_SHARD = 100_000
TOOLS = ("biomedgpt-hf", "datasets", "pyarrow", "rdkit", "biopython")


class RejectedRecord(Exception):
    """A source record that gives no row.

    Attributes:
        reason: a short category, counted in the manifest.
        detail: what exactly is wrong, or "".
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


class DatasetWriter:
    """Writes rows to a temporary sibling of `output` and renames it when everything is there.

    Use as a context manager. An error or Ctrl-C inside removes what was written, so a folder named
    `output` is always a whole data set. Memory holds one row group per split.

    Args:
        output: folder to make; it must not exist, or be empty.
        name: what the set is called in its card.
        description: one paragraph for the card.
        sources: one mapping per source file, as `sources.describe_source` returns them.
        options: what the build was asked for (seed, exclusions, …), recorded in the manifest.
        citation: BibTeX or plain reference for the card.

    Raises:
        FileExistsError: `output` already holds something.
    """

    def __init__(
        self,
        output: Path,
        *,
        name: str,
        description: str,
        sources: Sequence[Mapping[str, Any]],
        options: Mapping[str, Any],
        citation: str = "",
    ) -> None:
        self.output = Path(output)
        if self.output.exists() and (self.output.is_file() or any(self.output.iterdir())):
            raise FileExistsError(f"{output} already exists: remove it or choose another --output.")
        self._partial = self.output.with_name(f".{self.output.name}.partial-{os.getpid()}")
        self._about = {"name": name, "description": description, "citation": citation}
        self._sources = [dict(source) for source in sources]
        self._options = dict(options)
        self._features: Features = schema.features()
        self._buffers: dict[str, list[dict[str, Any]]] = {}
        self._shards: dict[str, pq.ParquetWriter] = {}
        self._shard_counts: Counter[str] = Counter()
        self._rows: dict[str, Counter[str]] = {}
        self._licenses: set[str] = set()
        self._rejected: Counter[str] = Counter()
        self._read = 0
        self.manifest: dict[str, Any] = {}

    def __enter__(self) -> DatasetWriter:
        (self._partial / "data").mkdir(parents=True)
        self._rejects = (self._partial / "rejected.jsonl").open("w", encoding="utf-8")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                for split in self._buffers:
                    self._flush(split)
            self._close_files()
            if kind is None:
                self._finish()
        finally:
            shutil.rmtree(self._partial, ignore_errors=True)

    def count_read(self) -> None:
        """Count one record of a source: each becomes at least one row, or one rejection."""
        self._read += 1

    def write(self, split: str, row: dict[str, Any]) -> None:
        """Check a row and add it to a split.

        Raises:
            InvalidRowError: the row breaks the schema.
            ValueError: the split has an unknown name.
        """
        if split not in SPLITS:
            raise ValueError(f"Unknown split {split!r}: splits are {', '.join(SPLITS)}.")
        schema.validate_row(row)
        self._rows.setdefault(split, Counter())[row["task"]] += 1
        self._licenses.add(row["license"])
        buffer = self._buffers.setdefault(split, [])
        buffer.append(row)
        if len(buffer) >= ROWS_PER_GROUP:
            self._flush(split)

    def reject(self, reason: str, *, source: str, line: int, id: str, detail: str = "") -> None:
        """List a record that gives no row.

        Args:
            reason: a short category; the manifest counts rejections by it.
            source: file name.
            line: line in that file where the record begins, from 1.
            id: the record's own identifier, or "".
            detail: what exactly is wrong, or "".
        """
        self._rejected[reason] += 1
        entry = {"source": source, "line": line, "id": id, "reason": reason, "detail": detail}
        self._rejects.write(json.dumps(entry, ensure_ascii=False) + "\n")

    def _flush(self, split: str) -> None:
        rows = self._buffers.get(split)
        if not rows:
            return
        table = pa.Table.from_pylist(rows, schema=self._features.arrow_schema)
        written = sum(self._rows[split].values()) - len(rows)
        if split in self._shards and written % ROWS_PER_SHARD == 0:
            self._shards.pop(split).close()
        if split not in self._shards:
            path = self._partial / "data" / f"{split}-{self._shard_counts[split]:05d}.parquet"
            self._shards[split] = pq.ParquetWriter(path, self._features.arrow_schema)
            self._shard_counts[split] += 1
        self._shards[split].write_table(table)
        rows.clear()

    def _close_files(self) -> None:
        for shard in self._shards.values():
            shard.close()
        self._rejects.close()

    def _finish(self) -> None:
        if not self._rows:
            reasons = dict(self._rejected) or "the sources hold no record"
            raise ValueError(f"No row could be made, nothing was written to {self.output}: {reasons}.")
        for split, count in self._shard_counts.items():
            for index in range(count):
                shard = self._partial / "data" / f"{split}-{index:05d}.parquet"
                shard.rename(shard.with_name(f"{split}-{index:05d}-of-{count:05d}.parquet"))
        self.manifest = self._make_manifest()
        text = json.dumps(self.manifest, indent=2, ensure_ascii=False)
        (self._partial / "manifest.json").write_text(text + "\n", encoding="utf-8")
        (self._partial / "README.md").write_text(dataset_card(self.manifest), encoding="utf-8")
        if self.output.exists():
            self.output.rmdir()
        self._partial.rename(self.output)

    def _make_manifest(self) -> dict[str, Any]:
        splits = {split: self._rows[split] for split in SPLITS if split in self._rows}
        return {
            **self._about,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "tools": {"python": platform.python_version(), **_versions()},
            "sources": self._sources,
            "options": self._options,
            "licenses": sorted(self._licenses),
            "counts": {
                "records_read": self._read,
                "records_rejected": sum(self._rejected.values()),
                "rejected": dict(self._rejected.most_common()),
                "rows": sum(rows.total() for rows in splits.values()),
                "rows_by_split": {split: rows.total() for split, rows in splits.items()},
                "rows_by_task": {split: dict(sorted(rows.items())) for split, rows in splits.items()},
            },
        }


def _versions() -> dict[str, str]:
    versions = {}
    for tool in TOOLS:
        try:
            versions[tool] = metadata.version(tool)
        except metadata.PackageNotFoundError:
            continue
    return versions
