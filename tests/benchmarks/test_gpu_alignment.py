"""The benchmark of training steps on a GPU: what it counts, and that it runs without one."""

import argparse
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from biomedgpt_hf import BioMedGPTProcessor, mini_checkpoint

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "gpu_alignment.py"


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    return importlib.import_module(SCRIPT.stem)


@pytest.fixture
def processor():
    mini = BioMedGPTProcessor.from_pretrained(mini_checkpoint())
    return BioMedGPTProcessor.from_parts(mini.tokenizer, mini.protein_tokenizer)


@pytest.fixture
def model(benchmark, processor):
    return benchmark.make_model(benchmark.make_config(processor, 2, small=True), torch.device("cpu"))


def run(*options):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, str(SCRIPT), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)


def test_the_formula_gives_the_flops_that_torch_counts(benchmark, processor, model):
    batch, lengths = benchmark.make_batch(processor, 2)
    computed = lengths.padded(packing=False)
    benchmark.set_up(model, "eager", False, None)  # which multiplies what the causal mask then hides, too
    with FlopCounterMode(display=False) as counter:
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(**batch).loss
        loss.backward()
    text = model.config.text_config
    hidden = 6 * text.num_hidden_layers * text.hidden_size * int((computed.tokens**2).sum())
    expected = benchmark.count_flops(model, computed) + hidden
    assert counter.get_total_flops() == pytest.approx(expected, rel=2e-3)


def test_a_loss_that_another_variant_does_not_have_is_an_error(benchmark, processor, model):
    batch, _ = benchmark.make_batch(processor, 2)
    once = argparse.Namespace(accumulation=1, repeats=1)
    benchmark.set_up(model, "sdpa", False, None)
    loss, _ = benchmark.measure(model, batch, once, None)
    benchmark.set_up(model, "sdpa", True, None)
    assert benchmark.measure(model, batch, once, loss)[0] == pytest.approx(loss, abs=2e-2)
    with pytest.raises(AssertionError, match="losses differ"):
        benchmark.measure(model, batch, once, loss + 0.1)


def test_as_many_layers_are_taken_as_memory_holds(benchmark, processor, monkeypatch):
    _, lengths = benchmark.make_batch(processor, 2)
    taken = []
    for gib in (60, 80, 200):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda gib=gib: (gib * 2**30, 0))
        taken.append(benchmark.layers_that_fit(processor, lengths.padded(packing=False)))
    assert 1 < taken[0] < taken[1] <= taken[2] == 32


def test_a_variant_for_which_memory_is_short_is_a_row_of_the_table(benchmark, processor, model, monkeypatch):
    def measure(model, inputs, arguments, expected):
        if expected is None:
            return 10.0, 1.0
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(benchmark, "set_up", lambda *_: None)  # flash attention cannot be set up here
    monkeypatch.setattr(benchmark, "is_flash_attn_2_available", lambda: True)
    monkeypatch.setattr(benchmark, "measure", measure)
    batch, lengths = benchmark.make_batch(processor, 2)
    arguments = argparse.Namespace(small=True, packing=False, accumulation=1)
    rows = [row.split(" | ") for row in benchmark.table(model, batch, lengths, arguments, 1e12)]
    assert [len(row) for row in rows] == [9] * 8
    assert [row[0] for row in rows] == ["| sdpa"] * 4 + ["| flash_attention_2"] * 4
    assert rows[0][3] == "1000.0"
    assert {row[3] for row in rows[1:]} == {"out of memory"}


@pytest.mark.slow
def test_without_a_gpu_it_says_so_in_one_line():
    finished = run()
    assert finished.returncode == 1
    assert not finished.stdout
    assert finished.stderr.splitlines()[-1].startswith("There is no CUDA device here")


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--packing",)])
def test_every_variant_runs_small_on_a_cpu(options):
    finished = run("--small", "--batch-size", "2", *options)
    assert finished.returncode == 0, finished.stderr[-3000:]
    rows = [line.split(" | ") for line in finished.stdout.splitlines() if line.startswith("| ")]
    assert len(rows) == 1 + 4 + 1
    assert all(len(row) == 9 for row in rows)
    assert all(float(row[6]) > 0 for row in rows[1:5])
    assert rows[5][3] == "skipped: not installed"
