"""Batches by length, and what to do where one does not fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch

Result = TypeVar("Result")

OUT_OF_MEMORY = "It does not fit into the device's memory, not even alone in a batch."


def run_in_batches(
    run: Callable[[list[int]], list[Result]], lengths: Sequence[int], sequences: Sequence[int], batch_tokens: int
) -> Iterator[list[tuple[int, Result | None]]]:
    """Run something over rows in batches of similar length, the longest first, and yield results by the rows' places.

    A batch that does not fit into memory is halved; a row that does not fit alone has None.

    Args:
        run: gives the results of rows at these places.
        lengths: tokens of each row.
        sequences: how many sequences of this length each row takes.
        batch_tokens: largest number of tokens in a batch, with padding. A longer row is a batch of its own.
    """
    batch: list[int] = []
    held = 0
    for place in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        if batch and (held + sequences[place]) * lengths[batch[0]] > batch_tokens:
            yield from _run_or_halve(run, batch)
            batch, held = [], 0
        batch.append(place)
        held += sequences[place]
    if batch:
        yield from _run_or_halve(run, batch)


def _run_or_halve(
    run: Callable[[list[int]], list[Result]], places: list[int]
) -> Iterator[list[tuple[int, Result | None]]]:
    try:
        results: list[Result] | None = run(places)
    except torch.OutOfMemoryError:
        results = None
    if results is not None:
        yield list(zip(places, results, strict=True))
    elif len(places) == 1:
        yield [(places[0], None)]
    else:  # outside the handler, which keeps the tensors in memory
        yield from _run_or_halve(run, places[: len(places) // 2])
        yield from _run_or_halve(run, places[len(places) // 2 :])
