"""Trainings that are killed, stopped, or find the disk full: nothing is lost, and they go on to the same weights."""

import json
import os
import re
import shutil
import signal
import time
from pathlib import Path

import psutil
import pytest
from trainings import largest_difference

pytestmark = pytest.mark.fault
OPTIONS = {"save_steps": 2, "steps": 6, "rows": 24}


@pytest.fixture(scope="module")
def uninterrupted(train, tmp_path_factory):
    """Trainings that nothing happened to, by engine; made when first asked for."""
    made = {}

    def get(engine: str):
        if engine not in made:
            made[engine] = train(tmp_path_factory.mktemp("whole"), engine=engine, **OPTIONS)
        return made[engine]

    return get


# 5: kill -9 of a process.


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "rank", "at"), [("ddp", 1, 4), ("fsdp", 0, 6), ("alone", 0, 1)])
def test_a_killed_process_ends_the_run_and_the_next_one_goes_on(uninterrupted, train, tmp_path, engine, rank, at):
    fault = {"do": "kill", "rank": rank, "at": at}
    train(tmp_path, engine=engine, fault=fault, fails=True, **OPTIONS)
    again = train(tmp_path, engine=engine, **OPTIONS)
    assert largest_difference(uninterrupted(engine), again) == 0


# 6: kill -9 inside a save.


@pytest.mark.parametrize("after", ["optimizer.pt", pytest.param("checksums", marks=pytest.mark.slow)])
def test_what_a_process_leaves_that_dies_while_it_saves_is_passed_over(uninterrupted, train, tmp_path, after):
    fault = {"do": "kill inside a save", "at": 4, "after": after}
    left = train(tmp_path, fault=fault, fails=True, **OPTIONS)
    assert (tmp_path / "checkpoint-4").is_dir() and left.checkpoints == ["checkpoint-2"]
    again = train(tmp_path, **OPTIONS)
    assert "checkpoint-4 was not written to its end: going on from checkpoint-2" in again.printed
    assert again.checkpoints == ["checkpoint-2", "checkpoint-4", "checkpoint-6"]
    assert largest_difference(uninterrupted("alone"), again) == 0


@pytest.mark.slow
@pytest.mark.parametrize(("sharded", "after"), [(False, "rng_state_1.pth"), (True, "scheduler.pt")])
def test_so_is_what_one_of_two_processes_leaves(train, tmp_path, sharded, after):
    options = {**OPTIONS, "engine": "fsdp", "sharded": sharded}
    whole = train(tmp_path / "whole", **options)
    fault = {"do": "kill inside a save", "at": 4, "after": after}
    left = train(tmp_path / "left", fault=fault, fails=True, **options)
    assert left.checkpoints == ["checkpoint-2"]
    assert largest_difference(whole, train(tmp_path / "left", **options)) == 0


# 7: signals.


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "sent", "rank"),
    [("ddp", "term", 1), ("ddp", "int", 1), ("fsdp", "term", None), ("fsdp", "usr1", 0), ("alone", "usr1", 0)],
)
def test_a_signal_to_one_process_or_all_ends_in_one_checkpoint(uninterrupted, train, tmp_path, engine, sent, rank):
    options = {**OPTIONS, "engine": engine, "save_steps": 100}
    stopped = train(tmp_path, fault={"do": sent, "rank": rank, "at": 3}, fails=None, **options)
    assert stopped.checkpoints == ["checkpoint-3"]
    assert stopped.said["step"] == 3 and stopped.said["received"] == getattr(signal, f"SIG{sent.upper()}")
    assert largest_difference(uninterrupted(engine), train(tmp_path, **OPTIONS, engine=engine)) == 0


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_to_torchrun_ends_in_one_checkpoint(
    uninterrupted, start, finish, wait_for_step, train, tmp_path, sent
):
    options = {**OPTIONS, "engine": "ddp", "save_steps": 100, "fault": {"sleep": 0.5}}
    process = start(tmp_path, **options)
    wait_for_step(tmp_path, 2)
    os.kill(process.pid, sent)
    stopped = finish(process, tmp_path, fails=None)
    assert len(stopped.checkpoints) == 1 and stopped.checkpoints[0] in ("checkpoint-2", "checkpoint-3", "checkpoint-4")
    assert largest_difference(uninterrupted("ddp"), train(tmp_path, **OPTIONS, engine="ddp")) == 0


@pytest.mark.slow
def test_a_signal_within_an_epoch_brings_no_evaluation_that_the_same_training_would_not_have(train, tmp_path):
    arguments = {"eval_strategy": "epoch", "save_strategy": "epoch"}
    options = {"steps": 6, "rows": 12, "accumulate": 2, "arguments": arguments}
    whole = train(tmp_path / "whole", **options)
    stopped = train(tmp_path / "again", fault={"do": "term", "at": 2}, **options)
    assert stopped.checkpoints == ["checkpoint-2"] and not evaluated(stopped)
    at_epochs_end = train(tmp_path / "again", fault={"do": "term", "at": 3}, **options)
    assert "checkpoint-3" in at_epochs_end.checkpoints and [*evaluated(at_epochs_end)] == [3]
    again = train(tmp_path / "again", **options)
    assert evaluated(again) == evaluated(whole) and largest_difference(whole, again) == 0


def evaluated(run) -> dict[int, float]:
    """The losses of a training's evaluations, by step."""
    return {entry["step"]: entry["eval_loss"] for entry in run.said["history"] if "eval_loss" in entry}


EVERY_STEP = {"eval_strategy": "steps", "eval_steps": 1}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("keep", "arguments"),
    [(1, {"load_best_model_at_end": True}), (None, {"save_strategy": "best", "metric_for_best_model": "loss"})],
)
def test_a_signal_saves_where_another_checkpoint_is_the_best(train, tmp_path, keep, arguments):
    # At this rate the third step's loss is the highest.
    options = {"steps": 5, "rows": 12, "accumulate": 2, "save_steps": 1, "rate": 1.0, "keep": keep}
    options["arguments"] = {**EVERY_STEP, **arguments}
    whole = train(tmp_path / "whole", **options)
    assert evaluated(whole)[3] > evaluated(whole)[2]
    stopped = train(tmp_path / "again", fault={"do": "term", "at": 3}, **options)
    assert "checkpoint-3" in stopped.checkpoints
    assert largest_difference(whole, train(tmp_path / "again", **options)) == 0


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_to_all_processes_spares_those_that_read_rows(
    uninterrupted, start, finish, wait_for_step, train, tmp_path, sent
):
    process = start(tmp_path, workers=2, **{**OPTIONS, "save_steps": 100, "fault": {"sleep": 0.5}})
    wait_for_step(tmp_path, 2)
    os.killpg(process.pid, sent)  # as terminals, Slurm and torchrun do
    stopped = finish(process, tmp_path)
    assert len(stopped.checkpoints) == 1 and stopped.said["received"] == sent
    assert largest_difference(uninterrupted("alone"), train(tmp_path, **OPTIONS)) == 0


@pytest.mark.parametrize(
    ("options", "sent", "at"),
    [
        ({}, "term", 2),  # evaluation's
        pytest.param({"by_length": False}, "term", 0, marks=pytest.mark.slow),  # training's
        pytest.param({}, "usr1", 0, marks=pytest.mark.slow),
        pytest.param({}, "int", 2, marks=pytest.mark.slow),
        pytest.param({"start_method": "spawn"}, "term", 2, marks=pytest.mark.slow),
        pytest.param({"start_method": "spawn"}, "int", 0, marks=pytest.mark.slow),
        pytest.param({"engine": "ddp"}, "term", 2, marks=pytest.mark.slow),
    ],
)
def test_a_signal_to_all_processes_spares_those_that_are_just_starting(
    uninterrupted, train, tmp_path, options, sent, at
):
    options, workers = dict(options), 2
    arguments = {"eval_strategy": "steps", "eval_steps": 2}
    if method := options.pop("start_method", None):
        arguments["dataloader_multiprocessing_context"] = method
        workers = 1  # the signal of another would come so late that it is a second Ctrl-C
    options = {**OPTIONS, **options, "save_steps": 100, "arguments": arguments, "workers": workers}
    stopped = train(tmp_path, fault={"do": "start", "at": at, "sent": sent}, limit=300, **options)
    assert stopped.said["received"] == getattr(signal, f"SIG{sent.upper()}")
    assert stopped.checkpoints == [f"checkpoint-{at + 1}"]
    if "by_length" not in options:
        engine = options.get("engine", "alone")
        assert largest_difference(uninterrupted(engine), train(tmp_path, **OPTIONS, engine=engine)) == 0


@pytest.mark.slow
def test_ctrl_c_to_torchrun_and_to_its_processes_is_one(start, finish, wait_for_step, tmp_path):
    process = start(tmp_path, engine="ddp", **{**OPTIONS, "fault": {"sleep": 0.5}, "save_steps": 100})
    wait_for_step(tmp_path, 2)
    for each in [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]:
        each.send_signal(signal.SIGINT)
    stopped = finish(process, tmp_path, fails=None)
    assert len(stopped.checkpoints) == 1 and stopped.said["received"] == signal.SIGINT


@pytest.mark.slow
def test_processes_end_when_torchrun_is_killed(start, finish, wait_for_step, tmp_path):
    process = start(tmp_path, engine="ddp", **{**OPTIONS, "steps": 60, "fault": {"sleep": 0.5}})
    wait_for_step(tmp_path, 2)
    left = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    _, alive = psutil.wait_procs(left, timeout=30)
    assert not alive and "LauncherDiedError: torchrun (process" in finish(process, tmp_path, fails=True).printed


@pytest.mark.slow
def test_ctrl_c_a_second_time_ends_at_once(start, finish, wait_for_step, tmp_path):
    process = start(tmp_path, **{**OPTIONS, "fault": {"sleep": 4}})
    wait_for_step(tmp_path, 1)
    os.kill(process.pid, signal.SIGINT)
    time.sleep(1.2)
    os.kill(process.pid, signal.SIGINT)
    assert "KeyboardInterrupt" in finish(process, tmp_path, fails=True).printed


# 8: a full disk.


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "rank", "size"),
    [("alone", 0, 60_000), ("fsdp", 0, 60_000), ("ddp", 1, 12_000)],  # the second process writes its dice only
)
def test_a_full_disk_is_told_and_the_earlier_checkpoint_stays(uninterrupted, train, tmp_path, engine, rank, size):
    fault = {"do": "fill the disk", "rank": rank, "at": 4, "bytes": size}
    full = train(tmp_path, engine=engine, fault=fault, fails=True, limit=100, **OPTIONS)
    assert full.checkpoints == ["checkpoint-2"] and not (tmp_path / "checkpoint-4").exists()
    (told, *_) = [line for line in full.printed.splitlines() if "CheckpointNotSavedError: " in line]
    assert "Cannot save" in told and "Checkpoint-2 is complete; free some space" in told
    assert "File too large" in told or "could not write a file to its end" in told
    assert largest_difference(uninterrupted(engine), train(tmp_path, engine=engine, **OPTIONS)) == 0


# 9: a checkpoint that is not what was saved.


@pytest.fixture(scope="module")
def finished(uninterrupted):
    return uninterrupted("alone").folder / "checkpoint-4"


def cut(folder: Path) -> str:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-10])
    return r"model.safetensors has [\d,]+ bytes instead of [\d,]+\. Remove it to go on from checkpoint-2"


def flip(folder: Path) -> str:
    file = folder / "optimizer.pt"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    return r"optimizer.pt is not what was saved \(its sha256 differs\)"


def drop_a_file(folder: Path) -> str:
    (folder / "scheduler.pt").unlink()
    return "scheduler.pt is missing"


def drop_a_tensor(folder: Path) -> str:
    from safetensors.torch import load_file, save_file

    from biomedgpt_hf.training.checkpoints import mark_complete

    tensors = load_file(folder / "model.safetensors")
    del tensors["model.protein_projector.bias"]
    save_file(tensors, folder / "model.safetensors")
    mark_complete(folder)  # by whoever did this
    return "lacks the tensor 'model.protein_projector.bias'"


def spoil_the_marker(folder: Path) -> str:
    (folder / "complete.json").write_text("{")
    return "its complete.json cannot be read"


@pytest.mark.slow
@pytest.mark.parametrize("damage", [cut, flip, drop_a_file, drop_a_tensor, spoil_the_marker])
def test_a_damaged_checkpoint_is_refused_by_name(finished, train, tmp_path, damage):
    for name in ("checkpoint-2", "checkpoint-4"):
        shutil.copytree(finished.parent / name, tmp_path / name)
    expected = damage(tmp_path / "checkpoint-4")
    refused = train(tmp_path, fails=True, **OPTIONS)
    (told,) = [line for line in refused.printed.splitlines() if "DamagedCheckpointError: " in line]
    assert "checkpoint-4" in told and re.search(expected, told), told


@pytest.mark.slow
def test_a_sharded_checkpoint_that_lacks_a_piece_is_refused_by_name(train, tmp_path):
    options = {**OPTIONS, "engine": "fsdp", "sharded": True, "steps": 2}
    train(tmp_path, **options)
    (tmp_path / "checkpoint-2" / "sharded" / "__1_0.distcp").unlink()
    refused = train(tmp_path, fails=True, **options)
    assert "sharded/__1_0.distcp is missing. Copy it again, or remove it to begin anew" in refused.printed


@pytest.mark.slow
def test_a_checkpoint_of_the_model_alone_is_nothing_to_go_on_from_unless_a_signal_asked_for_it(
    uninterrupted, train, tmp_path
):
    options = {**OPTIONS, "arguments": {"save_only_model": True}}
    train(tmp_path / "killed", fault={"do": "kill", "at": 4}, fails=True, **options)
    refused = train(tmp_path / "killed", fails=True, **options)
    assert "checkpoint-2 holds the model alone (save_only_model), so no training can go on" in refused.printed
    train(tmp_path / "stopped", fault={"do": "term", "at": 3}, **options)
    assert largest_difference(uninterrupted("alone"), train(tmp_path / "stopped", **options)) == 0


# 11: a process that reads rows dies.


@pytest.mark.slow
def test_the_death_of_a_process_that_reads_rows_is_told_at_once_and_the_run_goes_on(uninterrupted, train, tmp_path):
    fault = {"do": "kill a worker", "at": 4, "rank": 0}
    died = train(tmp_path, fault=fault, workers=1, fails=True, limit=60, **OPTIONS)
    assert "DataWorkerError: A process that reads rows died" in died.printed and "by signal: Killed" in died.printed
    assert died.checkpoints == ["checkpoint-2"]
    assert largest_difference(uninterrupted("alone"), train(tmp_path, workers=1, **OPTIONS)) == 0


# 13: rows that come one after another.


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["alone", "ddp"])
def test_streamed_rows_train_as_indexed_ones_in_the_same_order_do(train, tmp_path, engine):
    options = {**OPTIONS, "engine": engine, "by_length": False}
    indexed = train(tmp_path / "indexed", arguments={"train_sampling_strategy": "sequential"}, **options)
    streamed = train(tmp_path / "streamed", streamed=True, **options)
    assert largest_difference(indexed, streamed) == 0
    assert json.loads((tmp_path / "streamed" / "said.json").read_text())["step"] == 6
