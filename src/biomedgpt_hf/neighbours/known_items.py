"""The molecules and proteins of built data sets, each once, with all texts of the sets about it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from biomedgpt_hf.files.items.cells import item_identity
from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.neighbours.neighbour import Text
from biomedgpt_hf.rows.row_items import holds_rows, split_files
from biomedgpt_hf.rows.schema import ENTRY_DATE, SPLITS, STRING_FIELDS, row_fields, to_conversation
from biomedgpt_hf.similarity.kmers import sequence_key

REMEDY = "A table becomes one by `biomedgpt data table`."
ROWS = 1_000  # rows that are read at a time


class KnownItem(NamedTuple):
    """An item and what is known of it.

    Attributes:
        modality: "molecule", "protein", or another one that is registered.
        item: SMILES, InChI, sequence or list, as the first row that has it writes it.
        ids, sources, licenses, texts: those of all rows that have the item, each once and in order (keys of a mapping).
    """

    modality: str
    item: Any
    ids: dict[str, None]
    sources: dict[str, None]
    licenses: dict[str, None]
    texts: dict[Text, None]

    def add(self, other: KnownItem) -> None:
        """Add what another entry knows of the same item."""
        self.ids.update(other.ids)
        self.sources.update(other.sources)
        self.licenses.update(other.licenses)
        self.texts.update(other.texts)


def set_files(folder: Path, splits: Sequence[str]) -> list[Path]:
    """Return the Parquet files of these splits of a set.

    Raises:
        OSError: the folder is missing.
        SourceError: it is not the folder of a data set, or has none of the splits.
        ValueError: a split has an unknown name.
    """
    if unknown := [split for split in splits if split not in SPLITS] or not splits:
        raise ValueError(f"Unknown splits {unknown if splits else splits!r}. The splits are {', '.join(SPLITS)}.")
    folder = Path(folder)
    if not folder.exists():
        raise FileNotFoundError(f"{folder}: there is no such folder.")
    found = split_files(folder)
    if not found:
        raise SourceError(folder, 0, "no set", f"is not the folder of a set: it has no data/SPLIT-*.parquet. {REMEDY}")
    files = list(chain.from_iterable(found.get(split, []) for split in splits))
    if not files:
        raise SourceError(folder, 0, "no split", f"has no {' or '.join(splits)} rows, but {', '.join(found)} rows.")
    return files


def read_set_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a set's Parquet file.

    Raises:
        SourceError: the file is corrupt, or does not have the columns of `rows.schema`. Sets that were built before a
            modality was registered have no column for it.
    """
    try:
        with pq.ParquetFile(path) as file:
            there = [column for column in (*row_fields(), ENTRY_DATE) if column in file.schema_arrow.names]
            if not holds_rows(file) or not {"messages", *STRING_FIELDS} <= set(there):
                detail = f"does not have the columns {', '.join(row_fields())} of a data set's rows."
                raise SourceError(path, 0, "no rows", detail)
            for batch in file.iter_batches(ROWS, columns=there):
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise SourceError(path, 0, "corrupt Parquet", f"{' '.join(str(error).split())} Is it whole?") from error


def row_items(row: Mapping[str, Any]) -> list[KnownItem]:
    """Return the items of a row, each with the row's texts: every answer with the question before it.

    Raises:
        InvalidRowError: the row breaks the rules of `rows.schema`.
    """
    items: list[tuple[str, Any]] = []
    texts: dict[Text, None] = {}
    question = ""
    for message in to_conversation(row):
        words = "\n".join(block["text"] for block in message["content"] if block["type"] == "text")
        items += [(block["type"], block[block["type"]]) for block in message["content"] if block["type"] != "text"]
        if message["role"] == "user":
            question = sys.intern(words)
        elif message["role"] == "assistant":
            texts[Text(question, words)] = None
    return [
        KnownItem(modality, item, {row["id"]: None}, {row["source"]: None}, {row["license"]: None}, dict(texts))
        for modality, item in items
    ]


def gather(rows: Iterator[dict[str, Any]], counts: Counter[str]) -> list[KnownItem]:
    """Return the items of rows in order, each once. Sequences that differ only in case are the same item.

    Args:
        rows: rows as `read_set_rows` yields them. Memory holds one at a time.
        counts: the numbers of "rows" and of "rows_without_items" are added to it.
    """
    known: dict[tuple[str, Hashable], KnownItem] = {}
    for row in rows:
        items = row_items(row)
        counts["rows"] += 1
        counts["rows_without_items"] += not items
        for one in items:
            name = (one.modality, sequence_key(one.item) if one.modality == "protein" else item_identity(one.item))
            known.setdefault(name, one).add(one)
    return list(known.values())
