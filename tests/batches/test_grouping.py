"""Batches of whole groups: every row once, groups together, budgets kept, the same on every process."""

from collections import Counter
from itertools import chain

import numpy as np
import pytest
from accelerate import Accelerator
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from biomedgpt_hf.batches.batching import RowTooLongError
from biomedgpt_hf.batches.grouping import GroupBatchSampler


def ranks(replicas, epoch, lengths, groups, **options):
    samplers = [
        GroupBatchSampler(lengths, groups, num_replicas=replicas, rank=rank, **options) for rank in range(replicas)
    ]
    for sampler in samplers:
        sampler.set_epoch(epoch)
    return samplers, [list(sampler) for sampler in samplers]


@given(
    st.lists(st.tuples(st.integers(1, 60), st.sampled_from(["", *"abcdefg"])), min_size=1, max_size=60),
    st.none() | st.integers(60, 300),
    st.none() | st.integers(1, 5),
    st.integers(1, 5),
    st.integers(1, 3),
)
@settings(max_examples=100, deadline=None)
def test_every_row_is_there_once_beside_its_group(rows, max_tokens, max_rows, group_rows, replicas):
    lengths, groups = zip(*rows, strict=True)
    if max_tokens is None and max_rows is None:
        max_rows = 3
    options = {"max_tokens": max_tokens, "max_rows": max_rows, "group_rows": group_rows}
    for epoch in range(2):
        samplers, of_ranks = ranks(replicas, epoch, lengths, groups, **options)
        batches = list(chain.from_iterable(of_ranks))
        assert [len(batch) for batch in of_ranks] == [len(sampler) for sampler in samplers]
        assert len({len(of_rank) for of_rank in of_ranks}) == 1
        counts = Counter(chain.from_iterable(batches))
        assert counts.keys() == set(range(len(rows)))
        assert sum(counts[part[0]] - 1 for part in samplers[0].members) < replicas  # repeated to fill the last step
        whole = {tuple(part.tolist()) for part in samplers[0].members}
        for batch in batches:
            while batch:  # cut it into the groups' parts
                part = next(part for part in whole if tuple(batch[: len(part)]) == part)
                batch = batch[len(part) :]
        if max_tokens is not None:
            assert all(sum(lengths[row] for row in batch) <= max_tokens for batch in chain.from_iterable(of_ranks))


def test_a_group_stays_whole_where_it_fits():
    groups = list(np.random.default_rng(0).permutation(np.arange(1, 201).repeat(4)))
    _, (batches,) = ranks(1, 3, np.full(800, 50), groups, max_tokens=1000)
    for batch in batches:
        of_batch = [groups[row] for row in batch]
        assert [of_batch[at : at + 4] for at in range(0, len(batch), 4)] == [[g] * 4 for g in of_batch[::4]]


def test_a_large_group_is_cut_and_rows_without_a_group_stand_alone():
    sampler = GroupBatchSampler([10] * 7, ["a"] * 5 + [""] * 2, group_rows=3, max_rows=1)
    assert sorted(part.tolist() for part in sampler.members) == [[0, 1, 2], [3, 4], [5], [6]]
    sampler = GroupBatchSampler([10] * 5, ["a"] * 5, max_tokens=25)
    assert sorted(part.tolist() for part in sampler.members) == [[0, 1], [2, 3], [4]]


def test_seed_and_epoch_decide_alone():
    lengths, groups = np.random.default_rng(0).integers(20, 200, 300), np.arange(300) // 3 + 1
    one, again, other = (ranks(2, e, lengths, groups, max_tokens=2000)[1] for e in (1, 1, 2))
    assert one == again != other


def test_accelerates_loader_counts_the_epochs():
    lengths, groups = np.random.default_rng(0).integers(20, 200, 60), np.arange(60) // 3 + 1
    loader = DataLoader(range(60), batch_sampler=GroupBatchSampler(lengths, groups, max_tokens=900))
    prepared = Accelerator(cpu=True).prepare(loader)
    expected = [ranks(1, epoch, lengths, groups, max_tokens=900)[1][0] for epoch in range(2)]
    assert [[batch.tolist() for batch in prepared] for _ in range(2)] == expected


def test_a_row_longer_than_the_budget_is_named():
    with pytest.raises(RowTooLongError, match="Row 3 has 90 tokens, more than max_tokens=50"):
        GroupBatchSampler([10, 10, 10, 90], ["a", "a", "b", "a"], max_tokens=50)
    sampler = GroupBatchSampler([10, 10, 10, 90], ["a", "a", "b", "a"], max_tokens=50, long_rows="alone")
    assert [3] in list(sampler)


@pytest.mark.parametrize(
    ("groups", "options", "reason"),
    [
        (["a"], {}, "a group for each row, got 1 for 2 rows"),
        (["a", "b"], {"group_rows": 0}, "group_rows must be at least 1, got 0"),
    ],
)
def test_arguments_without_sense_are_refused(groups, options, reason):
    with pytest.raises(ValueError, match=reason):
        GroupBatchSampler([5, 5], groups, max_rows=1, **options)
