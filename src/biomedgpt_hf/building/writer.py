"""Writing a data set folder that `datasets.load_dataset(folder)` opens directly.

OUTPUT/README.md              dataset card: splits, sources, licences, leakage, what was left out
OUTPUT/manifest.json          the same as facts: checksums, dates, versions, counts
OUTPUT/leakage.json           what its splits share, exactly and nearly
OUTPUT/rejected.jsonl         each source record that gave no row, and why
OUTPUT/data/SPLIT-*.parquet   the rows
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa

from biomedgpt_hf.building.card import dataset_card
from biomedgpt_hf.building.examples import Rejection
from biomedgpt_hf.building.leakage_report import leakage_report
from biomedgpt_hf.disk.folders import staged_folder
from biomedgpt_hf.disk.manifests import versions
from biomedgpt_hf.disk.parquet import ParquetWriter
from biomedgpt_hf.disk.paths import require_free
from biomedgpt_hf.disk.replacing import write_json
from biomedgpt_hf.rows import schema
from biomedgpt_hf.rows.depositors import count_depositors, list_depositors
from biomedgpt_hf.rows.schema import SPLITS

ROWS_PER_GROUP = 1_000
ROWS_PER_SHARD = 100_000
TOOLS = ("biomedgpt-hf", "datasets", "pyarrow", "rdkit")


class DatasetWriter:
    """Writes rows to a folder beside `output` and renames it when everything is there.

    Use it as a context manager. An error or Ctrl-C inside removes what was written, so a folder named
    `output` is always a complete data set. Memory holds one row group per split.

    Args:
        output: folder to make. It must be empty or not exist.
        name: name of the set in its card.
        description: one paragraph for the card.
        sources: one mapping per source file, as `disk.manifests.describe_source` returns them.
        options: what the build was asked for (seed, exclusions, …), recorded in the manifest.
        citation: BibTeX or plain reference for the card.
        task_categories, language, tags: for the card, in the Hub's words.
        inferred_licenses: for the card, sources, each with the licence of those of its texts that state none.
        partial: folder to write to until the set is complete (see `staged_folder`).
        leakage_options: passed on to `leakage_report`.

    Attributes:
        manifest: the content of `manifest.json`, after everything is written.
        notes: how often rows were changed, for each kind of change.
        repetitions: how often rows repeat or contradict each other (see `building.repetitions`).

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
        task_categories: Sequence[str] = (),
        language: str | None = None,
        tags: Sequence[str] = (),
        inferred_licenses: Sequence[Sequence[str]] = (),
        partial: Path | None = None,
        leakage_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.output = Path(output)
        require_free(self.output)
        self._staged = staged_folder(self.output, partial)
        for_hub: dict[str, Any] = {"task_categories": list(task_categories), "language": language, "tags": list(tags)}
        for_hub["inferred_licenses"] = [list(pair) for pair in inferred_licenses]
        self._about = {"name": name, "description": description, "citation": citation, **for_hub}
        self._sources = [dict(source) for source in sources]
        self._options = dict(options)
        self._leakage_options = dict(leakage_options or {})
        self._schema: pa.Schema = schema.set_features().arrow_schema
        self._tables: dict[str, list[pa.Table]] = {}
        self._shards: dict[str, ParquetWriter] = {}
        self._shard_counts: Counter[str] = Counter()
        self._rows_in_shard: Counter[str] = Counter()
        self._rows: dict[str, Counter[str]] = {}
        self._depositors: Counter[tuple[str, str]] = Counter()
        self._rejected: Counter[str] = Counter()
        self._faulty = 0
        self._read = 0
        self.notes: dict[str, int] = {}
        self.repetitions: dict[str, int] = {}
        self.manifest: dict[str, Any] = {}

    def __enter__(self) -> DatasetWriter:
        self._partial = self._staged.__enter__()
        (self._partial / "data").mkdir()
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
                for split in list(self._tables):
                    self._flush(split)
            self._close_files()
            if kind is None:
                self._finish()
        except BaseException:
            self._staged.__exit__(*sys.exc_info())
            raise
        self._staged.__exit__(kind, error, trace)

    def count_read(self, records: int = 1) -> None:
        """Count records of a source. Each becomes at least one row, or one rejection."""
        self._read += records

    def write(self, split: str, row: dict[str, Any]) -> None:
        """Check a row and add it to a split.

        Raises:
            InvalidRowError: the row breaks the schema.
            ValueError: the split has an unknown name.
        """
        schema.validate_row(row)
        self.write_table(split, pa.Table.from_pylist([row], schema=self._schema))

    def write_table(self, split: str, rows: pa.Table) -> None:
        """Add rows that have been checked to a split.

        Raises:
            ValueError: the split has an unknown name.
        """
        if split not in SPLITS:
            raise ValueError(f"Unknown split {split!r}: splits are {', '.join(SPLITS)}.")
        if not rows.num_rows:
            return
        for task, count in zip(*rows["task"].value_counts().flatten(), strict=True):
            self._rows.setdefault(split, Counter())[task.as_py()] += count.as_py()
        self._depositors += count_depositors(rows)
        pending = self._tables.setdefault(split, [])
        pending.append(rows)
        if sum(table.num_rows for table in pending) >= ROWS_PER_GROUP:
            self._flush(split)

    def reject(self, rejection: Rejection) -> None:
        """List a record that gives no row."""
        self._rejected[rejection.reason] += 1
        self._faulty += rejection.faulty
        self._rejects.write(rejection.to_json())

    def _flush(self, split: str) -> None:
        """Write the gathered rows of a split as one row group, to a new shard if the last one is full."""
        rows = pa.concat_tables(self._tables.pop(split))
        if split in self._shards and self._rows_in_shard[split] + rows.num_rows > ROWS_PER_SHARD:
            self._shards.pop(split).close()
        if split not in self._shards:
            path = self._partial / "data" / f"{split}-{self._shard_counts[split]:05d}.parquet"
            self._shards[split] = ParquetWriter(path, self._schema)
            self._shard_counts[split] += 1
            self._rows_in_shard[split] = 0
        self._shards[split].write_table(rows)
        self._rows_in_shard[split] += rows.num_rows

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
        leakage = leakage_report(self._partial, **self._leakage_options)
        self.manifest = self._make_manifest()
        write_json(self._partial / "leakage.json", leakage)
        write_json(self._partial / "manifest.json", self.manifest)
        (self._partial / "README.md").write_text(dataset_card(self.manifest, leakage), encoding="utf-8")

    def _make_manifest(self) -> dict[str, Any]:
        splits = {split: self._rows[split] for split in SPLITS if split in self._rows}
        return {
            **self._about,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "tools": versions(*TOOLS),
            "sources": self._sources,
            "options": self._options,
            "licenses": sorted({license for _, license in self._depositors}),
            "depositors": list_depositors(self._depositors),
            "counts": {
                "records_read": self._read,
                "records_rejected": sum(self._rejected.values()),
                "records_faulty": self._faulty,
                "rejected": dict(self._rejected.most_common()),
                "notes": self.notes,
                **({"repetitions": self.repetitions} if self.repetitions else {}),
                "rows": sum(rows.total() for rows in splits.values()),
                "rows_by_split": {split: rows.total() for split, rows in splits.items()},
                "rows_by_task": {split: dict(sorted(rows.items())) for split, rows in splits.items()},
            },
        }
