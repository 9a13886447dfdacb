"""Who the rows of a set come from, and under which licence: counted from the rows themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

DEPOSITOR = ("source", "license")


def count_depositors(rows: pa.Table) -> Counter[tuple[str, str]]:
    """Return how many rows each source has under each licence."""
    found = rows.group_by(list(DEPOSITOR)).aggregate([([], "count_all")]).to_pylist()
    return Counter({(one["source"] or "", one["license"] or ""): one["count_all"] for one in found})


def list_depositors(counted: Mapping[tuple[str, str], int]) -> list[dict[str, Any]]:
    """Return counts as manifests have them: "source", "license" and "rows" of each depositor, in order."""
    return [{"source": source, "license": license, "rows": rows} for (source, license), rows in sorted(counted.items())]


def read_depositors(files: Iterable[Path]) -> list[dict[str, Any]]:
    """Count the rows of Parquet files by source and licence. Memory holds one row group.

    Raises:
        ValueError: a file is damaged, or has no such columns.
    """
    counted: Counter[tuple[str, str]] = Counter()
    for path in files:
        try:
            with pq.ParquetFile(path) as file:
                for group in range(file.num_row_groups):
                    counted += count_depositors(file.read_row_group(group, columns=list(DEPOSITOR)))
        except (pa.ArrowException, OSError, KeyError) as error:
            raise ValueError(
                f"{path} does not tell the source and the licence of its rows ({' '.join(str(error).split())}). "
                "Copy or build the set again."
            ) from error
    return list_depositors(counted)
