"""Machines on which a training would not run as asked are refused, with what to do."""

import sys
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny_models import collate, make_sample, tiny_model
from transformers import TrainingArguments

from biomedgpt_hf.training.engine import engine_checks
from biomedgpt_hf.training.engine.engine_checks import (
    WrongEngineError,
    check_engine,
    check_enough_rows,
    check_torch_build,
    given_command,
)
from biomedgpt_hf.training.trainers.supervised import BioMedGPTTrainer


def arguments(**changes) -> SimpleNamespace:
    return SimpleNamespace(**{"use_cpu": True, "n_gpu": 1, "fsdp": None, "world_size": 1, **changes})


def accelerator(kind: str = "NO", version: int = 2) -> SimpleNamespace:
    plugin = SimpleNamespace(fsdp_version=version) if kind == "FSDP" else None
    return SimpleNamespace(distributed_type=kind, state=SimpleNamespace(fsdp_plugin=plugin))


def test_one_process_on_one_device_and_real_fsdp_are_fine(monkeypatch):
    check_engine(arguments(), accelerator())
    check_engine(arguments(fsdp=True), accelerator())  # one process holds the whole model
    monkeypatch.setenv("WORLD_SIZE", "8")
    check_engine(arguments(fsdp=True, world_size=8), accelerator("FSDP"))


@pytest.mark.parametrize(
    ("argv", "command"),
    [
        (
            ["/usr/bin/biomedgpt", "train", "align", "--bf16"],
            "torchrun --nproc-per-node 4 -m biomedgpt_hf.cli train align --bf16",
        ),
        (["/src/biomedgpt_command.py", "train", "x"], "torchrun --nproc-per-node 4 -m biomedgpt_hf.cli train x"),
        (["train_mine.py", "--rows", "8"], "torchrun --nproc-per-node 4 train_mine.py --rows 8"),
    ],
)
def test_data_parallel_is_refused_with_the_command_that_is_right(monkeypatch, argv, command):
    monkeypatch.setattr(sys, "argv", argv)
    with pytest.raises(WrongEngineError) as refused:
        check_engine(arguments(n_gpu=4), accelerator())
    assert "One process would drive 4 GPUs by DataParallel" in str(refused.value) and command in str(refused.value)
    assert given_command(4) == command


def test_ddp_in_fsdps_place_is_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(WrongEngineError, match="would run DDP in its place"):
        check_engine(arguments(fsdp=True, world_size=2), accelerator("MULTI_CPU"))
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(WrongEngineError, match="would run DDP in its place"):
        check_engine(arguments(world_size=2), accelerator("MULTI_CPU"))


def test_processes_that_would_each_train_by_themselves_are_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(WrongEngineError, match="2 processes were started, and each would train by itself"):
        check_engine(arguments(use_cpu=False), accelerator())
    check_engine(arguments(world_size=2), accelerator("MULTI_CPU"))


def test_fsdp1_is_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(WrongEngineError, match="FSDP1"):
        check_engine(arguments(fsdp=True, world_size=2), accelerator("FSDP", version=1))


def test_a_torch_without_cuda_is_refused_where_an_nvidia_gpu_is(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch.version, "hip", None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(engine_checks, "NVIDIA", (tmp_path / "gpus",))
    check_torch_build()
    (tmp_path / "gpus").mkdir()
    with pytest.raises(WrongEngineError, match="was built without CUDA: install a CUDA build"):
        check_torch_build()
    check_torch_build(use_cpu=True)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    check_torch_build()


@pytest.mark.parametrize(
    ("rows", "by_length", "max_tokens", "refused"),
    [(7, True, None, True), (8, True, None, False), (1, True, 512, True), (2, True, 512, False), (3, False, None, True)]
    + [(4, False, None, False)],
)
def test_rows_that_would_all_be_left_out_are_told(tmp_path, rows, by_length, max_tokens, refused):
    settings = {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2, "use_cpu": True, "report_to": []}
    arguments = TrainingArguments(str(tmp_path), dataloader_drop_last=True, **settings)
    said = (
        pytest.raises(ValueError, match=f"an incomplete last step, which all {rows} rows are")
        if refused
        else nullcontext()
    )
    with said:
        check_enough_rows(rows, arguments, by_length, max_tokens)
    check_enough_rows(1, TrainingArguments(str(tmp_path), **settings), by_length)


@pytest.mark.parametrize(
    "options", [{}, {"lengths": np.array([4, 4, 4])}, {"lengths": np.full(3, 4), "max_tokens_per_batch": 99}]
)
def test_a_training_of_no_steps_does_not_write_what_it_began_with(tmp_path, options):
    settings = {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2, "use_cpu": True, "report_to": []}
    arguments = TrainingArguments(str(tmp_path), dataloader_drop_last=True, max_steps=2, **settings)
    rows = [make_sample(0, 0, seed=seed) for seed in range(3)]
    trainer = BioMedGPTTrainer(tiny_model(), arguments, train_dataset=rows, data_collator=collate, **options)
    with pytest.raises(ValueError, match="which all 3 rows are"):
        trainer.train()
