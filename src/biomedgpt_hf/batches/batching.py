"""Batches of rows of similar length: a batch sampler for `DataLoader`, accelerate and transformers' Trainer.

    lengths = collator.row_lengths(rows)                          # text + atoms + residues of each row
    sampler = LengthBatchSampler(lengths, max_tokens=16_384, seed=0)
    loader = DataLoader(rows, batch_sampler=sampler, collate_fn=collator)

The rows of an epoch are shuffled and cut into pools; a pool is sorted by length and cut into batches; the batches are
shuffled. A large pool means little padding, a small one more chance which rows meet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import cast

import numpy as np
import torch

POOL_BATCHES = 100  # batches in a pool: 1 to 2 % more tokens than sorting everything (benchmarks/batching.py)


class RowTooLongError(ValueError):
    """A row that does not fit into a batch by itself.

    Attributes:
        index: its index in the data set.
        length: its tokens.
        max_tokens: the budget.
    """

    def __init__(self, index: int, length: int, max_tokens: int) -> None:
        super().__init__(index, length, max_tokens)
        self.index, self.length, self.max_tokens = index, length, max_tokens

    def __str__(self) -> str:
        return (
            f"Row {self.index} has {self.length:,} tokens, more than max_tokens={self.max_tokens:,}. Leave such rows "
            "out, raise max_tokens, or pass long_rows='alone' for batches of one."
        )


class LengthBatchSampler(torch.utils.data.Sampler[list[int]]):
    """Yields lists of row indices, the same for the same seed, epoch and number of processes.

    Every row is yielded once in an epoch, by one process, and every process yields the same number of batches; that
    number is the same in every epoch. Batches of one step, one or more for each process, hold rows of similar length.
    The last step is filled by dealing its rows out in smaller batches; rows are repeated only where it has fewer rows
    than there are processes.

    Which rows make a step depends on `batches_per_step`, not on the number of processes: a training that goes on with
    half of them, and each accumulating the gradients of twice as many batches, sees the same rows in the same steps.

    Args:
        lengths: tokens of each row, as `row_lengths` returns them.
        max_tokens: most tokens of a batch with its padding, which is its longest row times its rows; None for batches
            of exactly `max_rows`.
        max_rows: most rows of a batch; None for no limit beside `max_tokens`.
        num_replicas: number of processes. Leave it at 1 where accelerate deals the batches out (see `sampler`).
        rank: which of them this is.
        batches_per_step: batches of all processes in one step of the optimizer, those accumulated included; by default
            one for each process.
        seed: another seed, another order.
        shuffle: False for the same batches in every epoch, the longest first.
        drop_last: leave out, in each epoch others, the rows of the incomplete last step.
        pool_rows: rows that are sorted together; by default the rows of 100 batches, and at most half of all.
        long_rows: what becomes of a row longer than `max_tokens`: "error", or "alone" for a batch of its own.
        pad_to_multiple_of: as the collator's, so that `max_tokens` holds.

    Raises:
        RowTooLongError: names the first such row.
        ValueError: for other arguments that make no sense.
    """

    def __init__(
        self,
        lengths: Sequence[int] | np.ndarray,
        *,
        max_tokens: int | None = None,
        max_rows: int | None = None,
        num_replicas: int = 1,
        rank: int = 0,
        batches_per_step: int | None = None,
        seed: int = 0,
        shuffle: bool = True,
        drop_last: bool = False,
        pool_rows: int | None = None,
        long_rows: str = "error",
        pad_to_multiple_of: int = 1,
    ) -> None:
        self.lengths = _checked_lengths(lengths)
        numbers = {
            "max_tokens": max_tokens,
            "max_rows": max_rows,
            "pool_rows": pool_rows,
            "pad_to_multiple_of": pad_to_multiple_of,
        }
        for name, value in numbers.items():
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}.")
        if max_tokens is None and max_rows is None:
            raise ValueError("Pass max_tokens, the budget of a batch, or max_rows, its fixed size, or both.")
        if not 0 <= rank < num_replicas:
            raise ValueError(f"rank must be one of 0 … {num_replicas - 1} for {num_replicas} processes, got {rank}.")
        batches_per_step = num_replicas if batches_per_step is None else batches_per_step
        if batches_per_step < 1 or batches_per_step % num_replicas:
            raise ValueError(
                f"batches_per_step must be a multiple of the {num_replicas} processes, got {batches_per_step}."
            )
        if long_rows not in ("error", "alone"):
            raise ValueError(f"long_rows must be 'error' or 'alone', got {long_rows!r}.")
        self._padded = -(-self.lengths // pad_to_multiple_of) * pad_to_multiple_of
        if max_tokens is not None and long_rows == "error" and self._padded.max() > max_tokens:
            index = int((self._padded > max_tokens).argmax())
            raise RowTooLongError(index, int(self.lengths[index]), max_tokens)
        self.max_tokens, self.max_rows = max_tokens, max_rows
        self.num_replicas, self.rank, self.batches_per_step = num_replicas, rank, batches_per_step
        self.seed, self.shuffle, self.drop_last = seed, shuffle, drop_last
        rows = len(self.lengths)  # at least two pools: with one, the same rows would always meet
        self.pool_rows = pool_rows or max(1, min(POOL_BATCHES * self._rows_per_batch(), rows // 2))
        if not shuffle:
            self.pool_rows = rows
        self.epoch = 0
        # accelerate looks for it, and completes the last batch of one size; None says that sizes differ.
        self.batch_size = max_rows if max_tokens is None else None
        self._planned: tuple[int, list[np.ndarray]] | None = None
        self._num_batches: int | None = None

    @property
    def sampler(self) -> LengthBatchSampler:
        """Itself: where accelerate's loaders look for what wants to know the epoch, when they deal batches out."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose batches the next iteration yields, from 0."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Return the number of batches that each process yields, in every epoch."""
        if self._num_batches is None:
            self._num_batches = self._count_batches()
        return self._num_batches // self.num_replicas

    def __iter__(self) -> Iterator[list[int]]:
        for batch in self.global_batches()[self.rank :: self.num_replicas]:
            yield batch.tolist()

    def global_batches(self) -> list[np.ndarray]:
        """Return the epoch's batches of all processes, in order: step by step, and in a step by rank."""
        epoch = self.epoch if self.shuffle else 0
        if self._planned is None or self._planned[0] != epoch:
            self._planned = epoch, self._plan(epoch)
        return self._planned[1]

    def _plan(self, epoch: int) -> list[np.ndarray]:
        random, order = self._order(epoch)
        if self.max_tokens is None:
            batches, last = self._cut_by_size(order)
        else:
            batches, last = self._cut_by_number(order, random), []
        steps = np.arange(len(batches)).reshape(-1, self.batches_per_step)
        if self.shuffle:
            steps = steps[random.permutation(len(steps))]
        return [batches[position] for position in steps.ravel().tolist()] + last

    def _order(self, epoch: int) -> tuple[np.random.Generator, np.ndarray]:
        """Return an epoch's random numbers, and all rows, shuffled."""
        random = np.random.default_rng([self.seed, epoch])
        rows = len(self.lengths)
        return random, random.permutation(rows) if self.shuffle else np.arange(rows)

    def _sort_pools(self, order: np.ndarray, pool_rows: int) -> np.ndarray:
        """Sort each pool, down and up in turn: a batch that lies in two pools has rows of similar length, too."""
        pools = np.array_split(order, max(1, -(-len(order) // pool_rows)))
        falling = [pool[np.argsort(-self.lengths[pool], kind="stable")] for pool in pools]
        return np.concatenate([pool[:: -1 if index % 2 else 1] for index, pool in enumerate(falling)])

    def _cut_by_size(self, order: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return the batches of `max_rows` rows, and the smaller ones of the last step."""
        size = cast(int, self.max_rows)
        whole = len(order) - len(order) % (size * self.batches_per_step)
        rest = order[whole:]
        batches = list(self._sort_pools(order[:whole], self.pool_rows).reshape(-1, size))
        if self.drop_last or not len(rest):
            return batches, []
        rest = np.resize(rest, max(len(rest), self.num_replicas))  # repeats rows, where there are too few
        return batches, np.array_split(self._sort_pools(rest, len(rest)), self._batches_of(len(rest)))

    def _batches_of(self, rows: int) -> int:
        """Return how many batches of `max_rows` the last step's rows take, the same number for each process."""
        return -(-rows // (cast(int, self.max_rows) * self.num_replicas)) * self.num_replicas

    def _cut_by_budget(self, order: np.ndarray, pool_rows: int) -> list[np.ndarray]:
        """Return batches that take rows for as long as they fit."""
        order = self._sort_pools(order, pool_rows)
        budget, most = cast(int, self.max_tokens), self.max_rows or len(order)
        ends, longest, rows = [], 0, 0
        for position, length in enumerate(self._padded[order].tolist()):
            longest, rows = max(longest, length), rows + 1
            if rows > 1 and (longest * rows > budget or rows > most):
                ends.append(position)
                longest, rows = length, 1
        return np.split(order, ends)

    def _cut_by_number(self, order: np.ndarray, random: np.random.Generator) -> list[np.ndarray]:
        """Return as many batches within the budget as every epoch has; engines count them once."""
        total, pool_rows = len(self) * self.num_replicas, self.pool_rows
        surplus = self.batches_per_step - 1 if self.drop_last else 0
        batches = self._cut_by_budget(order, pool_rows)
        while len(batches) > total + surplus:  # one pool of all rows gives the fewest batches that there can be
            pool_rows *= 2
            batches = self._cut_by_budget(order, pool_rows)
        if len(batches) > total:
            return [batches[position] for position in np.sort(random.permutation(len(batches))[:total])]
        while missing := total - len(batches):
            sizes = np.array([len(batch) for batch in batches])
            widest = set(np.argsort(-sizes, kind="stable")[: min(missing, (sizes > 1).sum())].tolist())
            if not widest:
                return [batches[position % len(batches)] for position in range(total)]
            halves = (np.array_split(batch, 1 + (at in widest)) for at, batch in enumerate(batches))
            batches = [half for of_batch in halves for half in of_batch]
        return batches

    def _count_batches(self) -> int:
        """Return the number of all processes' batches in an epoch: what the first one needs."""
        unit = self.batches_per_step
        if self.max_tokens is None:
            steps, rest = divmod(len(self.lengths), cast(int, self.max_rows) * unit)
            last = self._batches_of(rest)
        else:
            steps, rest = divmod(len(self._cut_by_budget(self._order(0)[1], self.pool_rows)), unit)
            last = unit if rest else 0
        return steps * unit + (0 if self.drop_last else last)

    def _rows_per_batch(self) -> int:
        rows = len(self.lengths) if self.max_tokens is None else int(self.max_tokens // self._padded.mean())
        return max(1, min(rows, self.max_rows or rows))


def padding_share(lengths: Sequence[int] | np.ndarray, batches: Iterable[Sequence[int] | np.ndarray]) -> float:
    """Return which share of the batches' tokens is padding, from 0 (none) to 1.

    Args:
        lengths: tokens of each row.
        batches: indices of the rows of each batch, such as a sampler.
    """
    sizes = [np.asarray(lengths)[np.asarray(batch)] for batch in batches]
    padded = sum(int(of_batch.max()) * len(of_batch) for of_batch in sizes)
    return 1 - sum(int(of_batch.sum()) for of_batch in sizes) / padded if padded else 0.0


def _checked_lengths(lengths: Sequence[int] | np.ndarray) -> np.ndarray:
    """Return lengths as int64 [number of rows], or raise where they are none."""
    checked = np.asarray(lengths)
    if checked.ndim != 1 or not len(checked) or checked.dtype.kind not in "iu":
        shape, kind = list(checked.shape), checked.dtype
        raise ValueError(f"lengths must be whole numbers, one for each row, got {kind} of shape {shape}.")
    if checked.min() < 1:
        index = int(checked.argmin())
        raise ValueError(f"lengths[{index}] is {checked[index]}: every row has at least one token.")
    return checked.astype(np.int64)
