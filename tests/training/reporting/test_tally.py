"""What a run counts while it trains, against numbers worked out by hand."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from biomedgpt_hf.batches.shared_prefix import share_prefixes
from biomedgpt_hf.training.reporting.tally import Tally

M, P = 96, 97  # placeholders
CONFIG = SimpleNamespace(molecule_token_id=M, protein_token_id=P)
X = -100

# One row of each kind, padded to 6: text, molecule, protein, both.
IDS = [[1, 5, 6, 0, 0, 0], [1, M, M, 5, 6, 0], [1, P, 5, 6, 7, 8], [1, M, P, 5, 0, 0]]
MASK = [[1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 1, 0], [1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]]
LABELS = [[X, 5, 6, X, X, X], [X, X, X, X, 6, X], [X, X, X, 6, 7, 8], [X, X, X, 5, X, X]]
LOSSES = [1.0, 2.0, 4.0, 8.0, 16.0, 33.0, 64.0]  # row by row: text 1 2, molecule 4, protein 8 16 33, both 64
MEANS = {"loss_text": 1.5, "loss_molecule": 4.0, "loss_protein": 19.0, "loss_both": 64.0}


def tensors(**lists: list) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(values) for name, values in lists.items()}


def padded() -> dict[str, torch.Tensor]:
    return tensors(input_ids=IDS, attention_mask=MASK, labels=LABELS)


def packed() -> dict[str, torch.Tensor]:
    """The same rows in one sequence."""
    sizes = [sum(mask) for mask in MASK]
    flat = {
        name: [sum((row[:size] for row, size in zip(rows, sizes, strict=True)), [])]
        for name, rows in (("input_ids", IDS), ("labels", LABELS))
    }
    return tensors(**flat, position_ids=[[place for size in sizes for place in range(size)]])


def losses_of(results: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in results.items() if name.startswith("loss_")}


@pytest.mark.parametrize("batch", [padded, packed])
def test_rows_of_each_kind_are_counted_apart(batch):
    tally = Tally(CONFIG, "cpu")
    tally.add(batch(), torch.tensor(LOSSES))
    results = tally.results(seconds=2.0)
    assert losses_of(results) == MEANS
    assert results["tokens_per_second"] == 18 / 2 and results["label_tokens_per_second"] == 7 / 2
    assert 0.01 < results["memory_gib"] < 100


def test_means_are_over_all_label_tokens_not_over_batches():
    tally = Tally(CONFIG, "cpu")
    text = tensors(input_ids=[[1, 5]], attention_mask=[[1, 1]], labels=[[X, 5]])
    tally.add(padded(), torch.tensor(LOSSES))
    tally.add(text, torch.tensor([6.0]))
    results = tally.results(seconds=1.0)
    assert losses_of(results) == {**MEANS, "loss_text": 3.0}
    assert results["loss"] == (sum(LOSSES) + 6.0) / 8
    assert results["tokens_per_second"] == 20


def test_kinds_that_did_not_occur_are_not_told():
    tally = Tally(CONFIG, "cpu")
    tally.add(tensors(input_ids=[[1, M, 5]], attention_mask=[[1, 1, 1]], labels=[[X, X, 5]]), torch.tensor([2.0]))
    assert losses_of(tally.results(seconds=1.0)) == {"loss_molecule": 2.0}


def test_padding_on_the_left_changes_nothing():
    batch = {name: tensor.flip(1) for name, tensor in padded().items()}
    ends = [sum(mask) for mask in MASK]
    for name in batch:
        for row, end in enumerate(ends):
            batch[name][row, -end:] = padded()[name][row, :end]
    tally = Tally(CONFIG, "cpu")
    tally.add(batch, torch.tensor(LOSSES))
    assert losses_of(tally.results(seconds=1.0)) == MEANS


def test_labels_on_placeholders_and_on_the_first_token_are_not_counted():
    """As in the model: the first token is nobody's next, and placeholders are never learned."""
    batch = tensors(input_ids=[[1, M, 5]], attention_mask=[[1, 1, 1]], labels=[[1, M, 5]])
    tally = Tally(CONFIG, "cpu")
    tally.add(batch, torch.tensor([2.0]))
    assert tally.results(seconds=1.0)["label_tokens_per_second"] == 1


def test_labels_that_were_shifted_before_are_taken_as_they_are():
    batch = padded()
    batch["shift_labels"] = torch.nn.functional.pad(batch.pop("labels"), (0, 1), value=X)[:, 1:]
    tally = Tally(CONFIG, "cpu")
    tally.add(batch, torch.tensor(LOSSES))
    assert losses_of(tally.results(seconds=1.0)) == MEANS


def test_a_shared_prefix_counts_once():
    """Prefix 1 M, and two rests; the second sequence is a row by itself, and padded."""
    rows = [[[1, M, 5, 6], [1, M, 7, 8, 9]], [[1, 5, 6]]]
    real = [len(ids) for of_item in rows for ids in of_item]
    batch = {
        name: torch.tensor([values + [fill] * (max(real) - len(values)) for of_item in rows for values in of_item])
        for fill, name, rows in (
            (0, "input_ids", rows),
            (X, "labels", [[[X] * (len(ids) - 1) + ids[-1:] for ids in of_item] for of_item in rows]),
        )
    }
    batch["attention_mask"] = (torch.arange(max(real)) < torch.tensor(real)[:, None]).long()
    shared = share_prefixes(batch, [("molecule", "C"), ("molecule", "C"), ()], [M, P])
    assert shared["visibility_mask"].ndim == 4 and len(shared["input_ids"]) == 2
    tally = Tally(CONFIG, "cpu")
    tally.add(shared, torch.tensor([1.0, 2.0, 4.0]))
    results = tally.results(seconds=1.0)
    assert losses_of(results) == {"loss_molecule": 1.5, "loss_text": 4.0}
    assert results["tokens_per_second"] == 2 + (2 + 3) + 3


def test_a_plain_language_model_has_rows_of_text_only():
    tally = Tally(SimpleNamespace(), "cpu")
    tally.add(padded(), torch.tensor(LOSSES))
    assert losses_of(tally.results(seconds=1.0)) == {"loss_text": sum(LOSSES) / 7}


def test_without_token_losses_tokens_are_counted():
    tally = Tally(CONFIG, "cpu")
    tally.add(padded())
    results = tally.results(seconds=1.0)
    assert results["label_tokens_per_second"] == 7 and not losses_of(results)


def test_nothing_counted_is_no_division_by_zero():
    tally = Tally(CONFIG, "cpu")
    tally.add(padded(), torch.tensor(LOSSES))
    tally.reset()
    results = tally.results(seconds=1.0)
    assert results["tokens_per_second"] == 0 and not losses_of(results)


def test_a_loss_that_is_not_a_number_stays_with_its_kind():
    tally = Tally(CONFIG, "cpu")
    tally.add(padded(), torch.tensor([float("nan"), *LOSSES[1:]]))
    losses = losses_of(tally.results(seconds=1.0))
    assert losses.pop("loss_text") != 1.5 and losses == {name: MEANS[name] for name in losses}


def test_losses_that_are_not_those_of_the_labels_are_refused():
    tally = Tally(CONFIG, "cpu")
    tally.add(padded(), torch.tensor(LOSSES[:-1]))
    with pytest.raises(RuntimeError, match="6 token losses for 7 label tokens"):
        tally.results(seconds=1.0)


def test_the_models_own_losses_add_up_to_its_loss():
    sys.path.insert(0, str(Path(__file__).parents[2] / "modeling"))
    from tiny_models import collate, make_sample, tiny_model

    model = tiny_model()
    samples = [make_sample(1, 0, 1), make_sample(0, 1, 2), make_sample(0, 0, 3), make_sample(1, 1, 4)]
    tally, alone = Tally(model.config, "cpu"), {}
    batch = collate(samples, "right", labels=3)
    with torch.no_grad():
        outputs = model(**batch, output_token_losses=True)
        for kind, sample in zip(("molecule", "protein", "text", "both"), samples, strict=True):
            alone[f"loss_{kind}"] = model(**collate([sample], "right", labels=3)).loss.item()
    tally.add(batch, outputs.token_losses)
    losses = losses_of(tally.results(seconds=1.0))
    assert losses == pytest.approx(alone, rel=1e-5)
    assert sum(losses.values()) / 4 == pytest.approx(outputs.loss.item(), rel=1e-5)
    assert max(losses.values()) > 1.05 * min(losses.values())  # else the test could not tell kinds apart


PROCESS = """
import sys, torch
from datetime import timedelta
from types import SimpleNamespace
from torch import distributed
from biomedgpt_hf.training.reporting.tally import Tally

rank, port = int(sys.argv[1]), sys.argv[2]
distributed.init_process_group(
    "gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2, timeout=timedelta(seconds=60)
)
tally = Tally(SimpleNamespace(molecule_token_id=96, protein_token_id=97), "cpu")
ids = torch.tensor([[1, 96, 5]] if rank else [[1, 5, 6]])  # a molecule here, text there
labels = torch.tensor([[-100, -100, 5]] if rank else [[-100, 5, 6]])
tally.add({"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}, torch.ones(2 - rank) * 3)
results = tally.results(seconds=1.0 + rank)
del results["memory_gib"]
print(sorted(results.items()))
distributed.barrier()
distributed.destroy_process_group()
"""


def test_two_processes_with_different_kinds_tell_the_same():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = str(listener.getsockname()[1])
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen([sys.executable, "-c", PROCESS, str(rank), port], stdout=-1, env=environment, text=True)
        for rank in range(2)
    ]
    try:
        told = [process.communicate(timeout=120)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    expected = {
        "tokens_per_second": 3.0,  # 6 tokens in the 2 s of the slower one
        "label_tokens_per_second": 1.5,
        "loss": 3.0,
        "loss_text": 3.0,
        "loss_molecule": 3.0,
    }
    assert told == [f"{sorted(expected.items())}\n"] * 2
