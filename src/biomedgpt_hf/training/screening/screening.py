"""The rows of a run: sets are put together, and every row is built once, so that a bad one is found before training.

    rows = load_rows(["sets/chebi20", "sets/uniprotqa"], "train")
    screening = screen(rows, collator, max_rejected="1%", folder=output_dir, processes=8)
    rows, lengths = rows.select(screening.kept), screening.lengths[screening.kept]

Only building a row tells what is wrong with it: a SMILES may be chemically wrong, a protein too long. That most rows
can be built is known sooner (`sure_rows`). The outcome is kept in the run's folder for the next start.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from torch import distributed
from tqdm.auto import tqdm

from biomedgpt_hf.disk.workers import map_in_order
from biomedgpt_hf.modalities import KnowingModalities
from biomedgpt_hf.processors.item_readers import item_tensors
from biomedgpt_hf.rows import schema
from biomedgpt_hf.rows.limits import TooManyRejectedError, parse_limit
from biomedgpt_hf.training.screening.row_sets import open_set, split_names
from biomedgpt_hf.training.screening.screening_cache import cache_key, read_cache, write_cache
from biomedgpt_hf.training.screening.sure_rows import SureRows

ROWS_AT_ONCE = 500  # rows that a worker process looks at for one result, in some tenths of a second
NAMED = 3  # rejected rows that an error names; the file lists all of them


@dataclass(frozen=True)
class Screening:
    """Which rows can be trained on.

    Attributes:
        lengths: tokens of each row, int64 [rows], padding between the sequences of one row included; 0 where it was
            rejected.
        rejections: of each rejected row, in order, its "index", its "id" (None where that cannot be read) and the
            "reason".
    """

    lengths: np.ndarray
    rejections: list[dict[str, Any]]

    @property
    def kept(self) -> np.ndarray:
        """Indices of the good rows, int64."""
        return np.flatnonzero(self.lengths)


def load_rows(
    names: Sequence[str],
    split: str,
    *,
    required: bool = True,
    features: datasets.Features | None = None,
    optional: Collection[str] = (),
) -> datasets.Dataset | None:
    """Return the rows of several sets, one set after the other.

    Args:
        names: folders that `biomedgpt data` made, or of Parquet or JSON Lines, or Hub ids.
        split: "train", "validation" or "test".
        features: columns of a row; those of `rows.schema` when None.
        optional: columns that a set may lack.
        required: each set has to have the split; otherwise those that have it are taken, and None is returned where
            no set has.

    Raises:
        OSError: there is no such folder or repository, or it cannot be reached.
        ValueError: it is no set, it has no such split, or one of its files is damaged.
    """
    if not names:
        raise ValueError("No set was named: give the folder of one that `biomedgpt data` made, or a Hub id.")
    opened = {name: open_set(name, split, features or schema.features(), optional) for name in names}
    for name, rows in opened.items():
        if rows is None and required:
            raise ValueError(f"{name} has no split {split!r}; it has {', '.join(split_names(name))}.")
    found = [rows for rows in opened.values() if rows is not None]
    return datasets.concatenate_datasets(found) if found else None


def screen(
    rows: datasets.Dataset,
    collator: Callable[[list[Mapping[str, Any]]], Mapping[str, Any]],
    *,
    max_rejected: str | None = None,
    folder: str | Path | None = None,
    name: str = "rejected_rows",
    processes: int = 1,
    rank: int = 0,
    world_size: int = 1,
    progress: bool = True,
    text_only: bool = False,
) -> Screening:
    """Build every row once and tell which ones cannot be; all processes of a run call it and get the same.

    Args:
        rows: in the form of `schema`.
        collator: builds a batch, or raises a ValueError; its own `max_length` says what is too long.
        max_rejected: more rejected rows than this are an error: a number, or a share such as "1%"; None for no limit.
        folder: where rejected rows are listed and the outcome is kept for the next start; None for neither.
        name: of the list, `NAME.jsonl`, and of what is kept, `.NAME.json`.
        processes: worker processes of each process of the run.
        rank: which process of the run this is.
        world_size: how many there are; more than one talk through `torch.distributed`.
        progress: show a progress bar on the first one.
        text_only: reject rows with molecules or proteins, which a plain language model has no tokens for.

    Raises:
        TooManyRejectedError: a ValueError; there are more than `max_rejected`, or no row is left.
        OSError: a worker process died, or the folder cannot be written.
    """
    limit = parse_limit(max_rejected)
    cache = Path(folder) / f".{name}.json" if folder is not None else None
    key = cache_key(rows, collator, text_only) if cache and rank == 0 else None
    found = read_cache(cache, key, len(rows)) if cache and key else None
    if world_size > 1:  # what the first process found, or None
        shared = [found]
        distributed.broadcast_object_list(shared, src=0)
        found = shared[0]
    if found is None:
        found = _build_all(_RowBuilder(rows, collator, text_only), len(rows), processes, rank, world_size, progress)
        if cache and key:
            write_cache(cache, key, *found)
    screening = Screening(*found)
    listed = Path(folder) / f"{name}.jsonl" if folder is not None else None
    if listed and rank == 0:
        _list_rejections(listed, screening.rejections)
    _check_rejected(screening, limit, max_rejected, listed)
    return screening


def _build_all(
    build: _RowBuilder, count: int, processes: int, rank: int, world_size: int, progress: bool
) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Build this process's share of the rows, and put the shares of all processes together."""
    every = range(0, count, ROWS_AT_ONCE)
    chunks = [range(start, min(start + ROWS_AT_ONCE, count)) for start in every[rank::world_size]]
    lengths = np.zeros(count, np.int64)
    rejections: list[dict[str, Any]] = []
    total = sum(map(len, chunks))
    with tqdm(desc="checking rows", total=total, unit="", disable=None if progress and not rank else True) as bar:
        for chunk, (some, rejected) in zip(
            chunks, map_in_order(KnowingModalities(build), chunks, processes), strict=True
        ):
            lengths[chunk.start : chunk.stop] = some
            rejections += rejected
            bar.update(len(chunk))
    if world_size == 1:
        return lengths, rejections
    shares: list[Any] = [None] * world_size
    distributed.all_gather_object(shares, (lengths, rejections))
    merged = chain.from_iterable(rejected for _, rejected in shares)
    return sum(some for some, _ in shares), sorted(merged, key=lambda rejection: rejection["index"])


class _RowBuilder:
    """Builds some rows, one by one, or knows that they can be built; worker processes get a copy."""

    def __init__(
        self, rows: datasets.Dataset, collator: Callable[..., Mapping[str, Any]], text_only: bool = False
    ) -> None:
        self.rows, self.collator, self.text_only = rows, collator, text_only
        self.sure = SureRows(collator, text_only)

    def __call__(self, chunk: range) -> tuple[list[int], list[dict[str, Any]]]:
        """Return the lengths of rows, 0 for a rejected one, and the rejections."""
        rejections: list[dict[str, Any]] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the collator warns about cut proteins once more in training
            lengths = self._sure_lengths(chunk)
            for place, index in enumerate(chunk):
                if lengths[place]:
                    continue
                row: Mapping[str, Any] = {}
                try:
                    row = self.rows[index]
                    lengths[place] = self._build(row)
                except ValueError as error:
                    reason = " ".join(str(error).split())
                    rejections.append({"index": index, "id": row.get("id"), "reason": reason})
        return lengths, rejections

    def _sure_lengths(self, chunk: range) -> list[int]:
        """Return the lengths of rows that need not be built, 0 for the others."""
        try:
            columns = self.rows[chunk.start : chunk.stop]
        except ValueError:  # a text that is no UTF-8: which row's, is found one by one
            return [0] * len(chunk)
        return self.sure.lengths(
            [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        )

    def _build(self, row: Mapping[str, Any]) -> int:
        """Return the length of a row, or raise a ValueError that says why it has none."""
        batch = self.collator([row])
        if self.text_only and not item_tensors().isdisjoint(batch):
            raise ValueError("It has items, such as molecules, and a plain language model reads text only.")
        return batch["input_ids"].numel()


def _list_rejections(path: Path, rejections: Sequence[Mapping[str, Any]]) -> None:
    """Write a line of JSON for each rejected row; no row, no file."""
    path.unlink(missing_ok=True)
    if rejections:
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = (json.dumps(rejection, ensure_ascii=False) + "\n" for rejection in rejections)
        path.write_text("".join(lines), encoding="utf-8")


def _check_rejected(
    screening: Screening, limit: tuple[float, float], max_rejected: str | None, listed: Path | None
) -> None:
    rejected, rows = len(screening.rejections), len(screening.lengths)
    number, share = limit
    if not (rejected > number or rejected > share * rows or rejected == rows):
        return
    if not rows:
        raise TooManyRejectedError("There is no row to train on: the sets are empty.")
    allowed = f", more than max_rejected={max_rejected!r} allows" if rejected < rows else ""
    first = "; ".join(
        f"row {rejection['index']}, id {rejection['id']!r}: {rejection['reason'].rstrip('.')}"
        for rejection in screening.rejections[:NAMED]
    )
    where = f" All are listed in {listed}." if listed else ""
    raise TooManyRejectedError(
        f"{rejected:,} of {rows:,} rows cannot be trained on{allowed}: {first}.{where} "
        "Mend the set or leave them out of it, or raise max_rejected."
    )
