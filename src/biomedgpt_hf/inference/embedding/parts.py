"""The items of one modality in rows, each embedded or with the reason why it is not."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from biomedgpt_hf.files.items.cells import item_text
from biomedgpt_hf.files.items.items import Columns, Item
from biomedgpt_hf.files.items.reading import read_items
from biomedgpt_hf.inference.embedding.embedded import Embedded
from biomedgpt_hf.inference.embedding.embedder import Embedder, EmbeddingError, Prepared
from biomedgpt_hf.inference.long_runs.journal import Result
from biomedgpt_hf.inference.long_runs.run import Done
from biomedgpt_hf.modalities import MODALITIES


class ItemToEmbed(NamedTuple):
    """One item of a row, or why the row has none."""

    row: int
    number: int
    id: str
    item: Any
    problem: EmbeddingError | None = None


def first_modality(paths: Sequence[str | PathLike], columns: Columns) -> str:
    """Return the modality of the first row that has one.

    Raises:
        ValueError: that row has several, or no row has any.
    """
    why = ""
    for item in read_items([Path(path) for path in paths], columns):
        found = [modality for modality in MODALITIES if item.of(modality)]
        if len(found) == 1:
            return found[0]
        if found:
            raise ValueError(f"{item.source} has a {' and a '.join(found)}. Choose one of them with --modality.")
        if item.problem and not why:
            why = f" {item.source}: {item.problem.in_words}"
    wanted = " or a ".join(MODALITIES)
    raise ValueError(f"{', '.join(map(str, paths))}: no row has a {wanted} that can be read.{why}")


def parts_of(item: Item, modality: str) -> list[ItemToEmbed]:
    """Return the parts of a row to embed. There is at least one part, which may be a problem."""
    found = () if item.problem else item.of(modality)
    if found:
        return [ItemToEmbed(item.row, number, item.id, one) for number, one in enumerate(found, start=1)]
    if item.problem:
        problem = EmbeddingError(item.problem.reason, item.problem.in_words)
    else:
        problem = EmbeddingError(f"no {modality}", f"The row has no {modality}.")
    return [ItemToEmbed(item.row, 1, item.id, None, problem)]


def embed_parts(parts: Sequence[ItemToEmbed], embedder: Embedder, done: Done) -> Iterator[list[Result]]:
    """Yield the results of parts that are not done, batch by batch.

    The batches are made from all parts, finished ones too. So a run that was paused has the same batches, and the same
    results, as one that was not.
    """
    if all((part.row, part.number) in done for part in parts):
        return
    ready: list[tuple[ItemToEmbed, Prepared]] = []
    failed: list[Result] = []
    for part in parts:
        try:
            ready.append((part, prepare_part(part, embedder)))
        except EmbeddingError as error:
            failed.append(result_of(part, error))
    if left := [result for result in failed if result[:2] not in done]:
        yield left
    for batch in embedder.batches([prepared.length for _, prepared in ready]):
        chosen = [ready[place] for place in batch]
        if all((part.row, part.number) in done for part, _ in chosen):
            continue
        embeddings = embedder.embed([prepared for _, prepared in chosen])
        results = [
            result_of(part, embedding, prepared.truncated)
            for (part, prepared), embedding in zip(chosen, embeddings, strict=True)
        ]
        yield [result for result in results if result[:2] not in done]


def prepare_part(part: ItemToEmbed, embedder: Embedder) -> Prepared:
    """Return a part as the encoder reads it.

    Raises:
        EmbeddingError: there is nothing to read, or it cannot be read, or is too long.
    """
    if part.problem:
        raise part.problem
    try:
        with warnings.catch_warnings(
            action="ignore", category=UserWarning
        ):  # warnings of cut items: a column tells of them
            return embedder.prepare(part.item)
    except ValueError as error:
        raise EmbeddingError(f"refused {embedder.modality}", " ".join(str(error).split())) from error


def result_of(part: ItemToEmbed, embedding: np.ndarray | EmbeddingError, truncated: bool = False) -> Result:
    """Return a part's embedding, or the reason why there is none, for the journal."""
    about = (part.row, part.number, part.id, None if part.item is None else item_text(part.item))
    if isinstance(embedding, EmbeddingError):
        failed = Embedded(*about, error=str(embedding), reason=embedding.reason, truncated=truncated)
        return failed.to_result()
    return Embedded(*about, values=embedding.tobytes(), truncated=truncated).to_result()
