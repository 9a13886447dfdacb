"""Batches of similar length: every row once, the budget kept, the same on every process and after a stop."""

import json
import subprocess
import sys
from collections import Counter
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator, skip_first_batches
from accelerate.data_loader import BatchSamplerShard, prepare_data_loader
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader
from transformers import Trainer, TrainingArguments

from biomedgpt_hf.batches.batching import LengthBatchSampler, RowTooLongError, padding_share


def natural_lengths(count=3000, seed=0):
    """Rows about molecules and about proteins."""
    random = np.random.default_rng(seed)
    molecules, proteins = random.lognormal(np.log(150), 0.4, count), random.lognormal(np.log(480), 0.5, count)
    return np.where(random.random(count) < 0.5, molecules, proteins).clip(40, 2000).astype(int)


LENGTHS = natural_lengths()


def ranks(replicas, epoch=0, lengths=LENGTHS, **options):
    """The batches of every process."""
    samplers = [LengthBatchSampler(lengths, num_replicas=replicas, rank=rank, **options) for rank in range(replicas)]
    for sampler in samplers:
        sampler.set_epoch(epoch)
    return [list(sampler) for sampler in samplers]


def flat(batches):
    return list(chain.from_iterable(batches))


def cost(batch, lengths=LENGTHS):
    return max(lengths[index] for index in batch) * len(batch)


# What a batch holds.


@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=80),
    st.integers(60, 300),
    st.none() | st.integers(1, 9),
    st.integers(1, 4),
    st.booleans(),
    st.none() | st.integers(1, 40),
)
@settings(max_examples=150, deadline=None)
def test_every_row_is_in_one_batch_within_the_budget(lengths, max_tokens, max_rows, replicas, shuffle, pool_rows):
    options = {"max_tokens": max_tokens, "max_rows": max_rows, "shuffle": shuffle, "pool_rows": pool_rows}
    for epoch in range(3):
        of_ranks = ranks(replicas, epoch, lengths, **options)
        counts = Counter(flat(flat(of_ranks)))
        assert counts.keys() == set(range(len(lengths)))
        repeated = counts.total() - len(lengths)
        assert repeated == 0 or all(len(batch) == 1 for batch in flat(of_ranks)) and repeated < replicas
        assert len({len(batches) for batches in of_ranks}) == 1
        assert len(of_ranks[0]) == len(LengthBatchSampler(lengths, num_replicas=replicas, **options))
        assert all(batch and cost(batch, lengths) <= max_tokens for batch in flat(of_ranks))
        assert all(len(batch) <= (max_rows or len(lengths)) for batch in flat(of_ranks))


@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 4), st.booleans())
@settings(max_examples=100, deadline=None)
def test_batches_of_one_size_differ_in_the_last_step_only(rows, size, replicas, shuffle):
    of_ranks = ranks(replicas, 1, range(1, rows + 1), max_rows=size, shuffle=shuffle)
    counts, rest = Counter(flat(flat(of_ranks))), rows % (size * replicas)
    assert counts.keys() == set(range(rows))
    assert counts.total() - rows == (max(0, replicas - rest) if rest else 0)
    assert all(len(batch) == size for batches in of_ranks for batch in batches[:-1])
    assert all(1 <= len(batches[-1]) <= size for batches in of_ranks)
    assert {len(batches) for batches in of_ranks} == {-(-rows // (size * replicas))}


@pytest.mark.parametrize("options", [{"max_rows": 8}, {"max_tokens": 8192}, {"max_tokens": 8192, "max_rows": 20}])
def test_drop_last_leaves_out_less_than_a_step_and_others_each_time(options):
    left_out = []
    for epoch in range(3):
        of_ranks = ranks(7, epoch, drop_last=True, **options)
        seen = flat(flat(of_ranks))
        assert len(seen) == len(set(seen)) and len({len(batches) for batches in of_ranks}) == 1
        assert len(of_ranks[0]) == len(LengthBatchSampler(LENGTHS, num_replicas=7, drop_last=True, **options))
        left_out.append(set(range(len(LENGTHS))) - set(seen))
        most = 7 * options.get("max_rows", 8192 // LENGTHS.min())
        assert len(left_out[-1]) < most
    assert not left_out[0] or left_out[0] != left_out[1]
    if options == {"max_rows": 8}:
        assert [len(rows) for rows in left_out] == [3000 % 56] * 3


def test_padding_to_a_multiple_counts_against_the_budget():
    for batch in LengthBatchSampler(LENGTHS, max_tokens=4096, pad_to_multiple_of=128):
        assert -(-LENGTHS[batch].max() // 128) * 128 * len(batch) <= 4096


def test_batches_are_nearly_without_padding():
    random = np.random.default_rng(0).permutation(len(LENGTHS))
    at_random = [random[at : at + 16] for at in range(0, len(random), 16)]
    assert padding_share(LENGTHS, at_random) > 0.5
    assert padding_share(LENGTHS, LengthBatchSampler(LENGTHS, max_rows=16)) < 0.06
    assert padding_share(LENGTHS, LengthBatchSampler(LENGTHS, max_tokens=8192)) < 0.06
    assert padding_share(LENGTHS, LengthBatchSampler(LENGTHS, max_tokens=8192, shuffle=False)) < 0.03


def test_padding_share_counts_tokens():
    assert padding_share([1, 3, 5], [[0, 1], [2]]) == pytest.approx(2 / 11)
    assert padding_share([4, 4], [[0, 1]]) == padding_share([4], []) == 0


@pytest.mark.parametrize("options", [{"max_rows": 8}, {"max_tokens": 8192}])
def test_the_batches_of_a_step_have_rows_of_similar_length(options):
    def spread(steps):
        return np.mean([np.ptp([LENGTHS[batch].mean() for batch in step]) for step in steps])

    batches = ranks(1, **options)[0]
    strangers = zip(*[iter(batches)] * 4, strict=False)
    assert spread(zip(*ranks(4, **options), strict=True)) < 0.3 * spread(strangers)


# Chance, and none.


@pytest.mark.parametrize("options", [{"max_rows": 16}, {"max_tokens": 8192}])
def test_seed_and_epoch_decide_alone(options):
    def batches(epoch, **more):
        return flat(ranks(2, epoch, **options, **more))

    assert batches(3, seed=5) == batches(3, seed=5)
    assert batches(3, seed=5) != batches(4, seed=5) != batches(4, seed=6)
    torch.manual_seed(1)
    np.random.seed(1)
    assert batches(3, seed=5) == batches(3, seed=5)
    assert batches(3, shuffle=False) == batches(4, shuffle=False)


@pytest.mark.parametrize("options", [{"max_rows": 16}, {"max_tokens": 8192}])
def test_other_rows_meet_in_every_epoch_and_their_lengths_come_in_no_order(options):
    together = [set(map(frozenset, flat(ranks(1, epoch, **options)))) for epoch in range(2)]
    assert len(together[0] & together[1]) < 0.01 * len(together[0])
    means = np.array([LENGTHS[batch].mean() for batch in ranks(1, **options)[0]])
    assert abs(np.corrcoef(np.arange(len(means)), means)[0, 1]) < 0.2


def test_a_small_set_has_other_batches_in_every_epoch_too():
    together = [set(map(frozenset, flat(ranks(1, epoch, LENGTHS[:100], max_tokens=8192)))) for epoch in range(2)]
    assert together[0] != together[1]


@pytest.mark.parametrize("pool_rows", [50, 333, None])
def test_every_epoch_has_as_many_batches(pool_rows):
    """Engines count the batches once; with small pools an epoch would need more than another."""
    sampler = LengthBatchSampler(LENGTHS, max_tokens=4096, pool_rows=pool_rows, num_replicas=3)
    needed, counts = set(), set()
    for epoch in range(12):
        sampler.set_epoch(epoch)
        needed.add(len(sampler._cut_by_budget(sampler._order(epoch)[1], sampler.pool_rows)))
        counts.add(len(list(sampler)))
        assert sorted(flat(sampler.global_batches())) == list(range(len(LENGTHS)))
    assert counts == {len(sampler)}
    assert pool_rows != 50 or len(needed) > 3


def test_two_processes_share_the_batches_of_one():
    alone, shared = ranks(1, 2, max_tokens=8192)[0], ranks(2, 2, max_tokens=8192)
    both = set(map(frozenset, flat(shared)))
    assert len(both & set(map(frozenset, alone))) >= len(alone) - 1  # one may be split, to fill the last step


# What cannot be.


def test_a_row_longer_than_the_budget_is_named():
    with pytest.raises(RowTooLongError, match="Row 1 has 9,000 tokens, more than max_tokens=8,192") as raised:
        LengthBatchSampler([10, 9000, 9001], max_tokens=8192)
    assert (raised.value.index, raised.value.length) == (1, 9000)


def test_a_row_longer_than_the_budget_may_be_a_batch_of_its_own():
    lengths = [*LENGTHS, 9000, 20000]
    batches = flat(ranks(2, 1, lengths, max_tokens=8192, long_rows="alone"))
    assert [3000] in batches and [3001] in batches
    assert sorted(flat(batches)) == list(range(3002))
    assert all(cost(batch, lengths) <= 8192 for batch in batches if batch not in ([3000], [3001]))


@pytest.mark.parametrize(
    ("lengths", "options", "reason"),
    [
        ([5], {}, "Pass max_tokens"),
        ([5], {"max_tokens": 0}, "max_tokens must be at least 1, got 0"),
        ([5], {"max_rows": -1}, "max_rows must be at least 1, got -1"),
        ([5], {"max_rows": 1, "pad_to_multiple_of": 0}, "pad_to_multiple_of must be at least 1, got 0"),
        ([5], {"max_rows": 1, "num_replicas": 2, "rank": 2}, "rank must be one of 0 … 1 for 2 processes, got 2"),
        ([5], {"max_rows": 1, "long_rows": "drop"}, "long_rows must be 'error' or 'alone', got 'drop'"),
        ([], {"max_rows": 1}, "one for each row, got"),
        ([5.5], {"max_rows": 1}, "got float64"),
        ([[5]], {"max_rows": 1}, "shape"),
        ([5, 0], {"max_rows": 1}, r"lengths\[1\] is 0"),
    ],
)
def test_arguments_without_sense_are_refused(lengths, options, reason):
    with pytest.raises(ValueError, match=reason):
        LengthBatchSampler(lengths, **options)


# In other people's engines.


class Rows(torch.utils.data.Dataset):
    """Rows that are their own index."""

    def __len__(self):
        return len(LENGTHS)

    def __getitem__(self, index):
        return index


def loader(**options):
    return DataLoader(Rows(), batch_sampler=LengthBatchSampler(LENGTHS, **options))


def as_lists(batches):
    return [batch.tolist() for batch in batches]


def test_a_column_of_a_data_set_will_do_as_lengths():
    column = Dataset.from_dict({"length": LENGTHS})["length"]
    assert list(LengthBatchSampler(column, max_tokens=8192)) == ranks(1, max_tokens=8192)[0]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_yields_the_samplers_batches(workers):
    batches = DataLoader(
        Rows(), batch_sampler=LengthBatchSampler(LENGTHS, max_tokens=8192), num_workers=workers, in_order=True
    )
    assert as_lists(batches) == ranks(1, max_tokens=8192)[0] and len(batches) == len(as_lists(batches))


def test_accelerates_loader_counts_the_epochs():
    prepared = Accelerator(cpu=True).prepare(loader(max_tokens=8192))
    assert [as_lists(prepared) for _ in range(2)] == [ranks(1, epoch, max_tokens=8192)[0] for epoch in range(2)]


@pytest.mark.parametrize("options", [{"max_rows": 8}, {"max_tokens": 8192}])
def test_accelerate_may_deal_the_batches_out(options):
    """What `Accelerator.prepare` does in two processes to a sampler that knows of one."""
    batches = ranks(1, 1, **options)[0]
    of_ranks = []
    for rank in range(2):
        prepared = prepare_data_loader(loader(**options), num_processes=2, process_index=rank, put_on_device=False)
        assert isinstance(prepared.batch_sampler, BatchSamplerShard)
        prepared.set_epoch(1)
        of_ranks.append(as_lists(prepared))
        assert len(prepared) == len(of_ranks[-1])
    dealt = [batch for step in zip(*of_ranks, strict=True) for batch in step]
    assert dealt[: len(batches) - 1] == batches[:-1] and set(flat(dealt)) == set(range(len(LENGTHS)))


def test_accelerate_may_split_batches_of_one_size():
    prepared = [
        prepare_data_loader(
            loader(max_rows=8), num_processes=2, process_index=rank, split_batches=True, put_on_device=False
        )
        for rank in range(2)
    ]
    steps = zip(*map(as_lists, prepared), strict=True)
    assert [[*one, *other] for one, other in steps] == ranks(1, max_rows=8)[0]


def test_a_loader_goes_on_in_the_middle_of_an_epoch():
    for rank in range(2):
        options = {"max_tokens": 8192, "num_replicas": 2, "rank": rank}
        expected = ranks(2, 1, max_tokens=8192)[rank]
        prepared = Accelerator(cpu=True).prepare(loader(**options))
        prepared.set_epoch(1)
        rest = skip_first_batches(prepared, 7)
        assert as_lists(rest) == expected[7:] and len(rest) == len(expected) - 7


class OneWeight(torch.nn.Module):
    """Learns nothing; notes the rows it is shown."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen = []

    def forward(self, rows):
        self.seen.append(rows.tolist())
        return {"loss": self.weight * rows.float().mean()}


class LengthBatchTrainer(Trainer):
    """How a trainer takes the sampler: each process has a sampler of its own, which accelerate leaves alone."""

    def get_train_dataloader(self):
        sampler = LengthBatchSampler(
            LENGTHS,
            max_tokens=65536,
            num_replicas=self.args.world_size,
            rank=self.args.process_index,
            seed=self.args.data_seed or self.args.seed,
        )
        batches = DataLoader(self.train_dataset, batch_sampler=sampler, collate_fn=self.data_collator)
        return prepare_data_loader(batches, device=self.args.device, num_processes=1, process_index=0)


def test_the_trainer_sees_every_row_and_goes_on_where_it_was_stopped(tmp_path):
    def train(folder, resume=None, **options):
        arguments = TrainingArguments(
            output_dir=str(tmp_path / folder),
            use_cpu=True,
            report_to=[],
            remove_unused_columns=False,
            disable_tqdm=True,
            gradient_accumulation_steps=2,
            **options,
        )
        model = OneWeight()
        trainer = LengthBatchTrainer(
            model,
            arguments,
            train_dataset=Rows(),
            data_collator=lambda rows: {"rows": torch.tensor(rows)},
        )
        trainer.train(resume_from_checkpoint=resume)
        return model.seen

    expected = [ranks(1, epoch, max_tokens=65536, seed=42)[0] for epoch in range(2)]
    seen = train("whole", num_train_epochs=2, save_strategy="no")
    assert seen == flat(expected)
    steps = -(-len(expected[0]) // 2)
    train("stopped", num_train_epochs=2, max_steps=steps + 3, save_strategy="steps", save_steps=steps + 3)
    resumed = train("resumed", str(tmp_path / "stopped" / f"checkpoint-{steps + 3}"), num_train_epochs=2)
    assert resumed == expected[1][6:]


TWO_PROCESSES = """
import json, sys
sys.path.insert(0, sys.argv[1])
import torch
from test_batching import LENGTHS, LengthBatchTrainer, OneWeight, Rows
from transformers import TrainingArguments

arguments = TrainingArguments(
    output_dir=sys.argv[2], use_cpu=True, ddp_backend="gloo", report_to=[], save_strategy="no",
    remove_unused_columns=False, disable_tqdm=True, num_train_epochs=2,
)
model = OneWeight()
data_collator = lambda rows: {"rows": torch.tensor(rows)}
LengthBatchTrainer(model, arguments, train_dataset=Rows(), data_collator=data_collator).train()
with open(f"{sys.argv[2]}/{arguments.process_index}.json", "w") as file:
    json.dump(model.seen, file)
torch.distributed.destroy_process_group()  # gloo's threads may abort a process that ends without it
"""


@pytest.mark.slow
def test_two_processes_of_the_trainer_see_each_row_once_in_an_epoch(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(TWO_PROCESSES)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone", str(script)]
    done = subprocess.run(
        [*command, str(Path(__file__).parent), str(tmp_path)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for rank in range(2):
        expected = [ranks(2, epoch, max_tokens=65536, seed=42)[rank] for epoch in range(2)]
        assert json.loads((tmp_path / f"{rank}.json").read_text()) == flat(expected)
