"""Complete and incomplete checkpoints, their checksums, and which of them stay."""

import hashlib
import json
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from biomedgpt_hf.training import checkpoints
from biomedgpt_hf.training.checkpoints import (
    CheckpointNotSavedError,
    DamagedCheckpointError,
    mark_complete,
    newest_complete,
    remove_old,
    verify,
    why_incomplete,
)


def make(folder: Path, *steps: int, complete: bool = True) -> None:
    for step in steps:
        checkpoint = folder / f"checkpoint-{step}"
        (checkpoint / "part").mkdir(parents=True)
        (checkpoint / "model.safetensors").write_bytes(bytes(range(256)) * step)
        (checkpoint / "part" / "state.bin").write_bytes(b"state")
        if complete:
            mark_complete(checkpoint, step=step, processes=2)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_newest_is_chosen_by_its_step_and_only_if_it_is_complete(tmp_path):
    assert newest_complete(tmp_path / "nothing") is None
    make(tmp_path, 2, 9, 10)
    make(tmp_path, 11, complete=False)
    (tmp_path / "checkpoint-best").mkdir()
    assert newest_complete(tmp_path).name == "checkpoint-10"


HOLLOW = {
    "no list": ({}, "lists no files"),
    "no files": ({"files": {}, "step": 11}, "lists no files"),
    "a list": ([], "lists no files"),
    "no weights": ({"files": {"trainer_state.json": {"size": 1, "sha256": "0"}}}, "lists no weights"),
    "nothing of it there": ({"files": {"model.safetensors": {"size": 1, "sha256": "0"}}}, "none of the files that"),
}


@pytest.mark.parametrize("case", HOLLOW)
def test_a_marker_without_the_files_of_a_checkpoint_completes_nothing(tmp_path, case):
    marker, reason = HOLLOW[case]
    make(tmp_path, 10)
    hollow = tmp_path / "checkpoint-11"
    hollow.mkdir()
    (hollow / "complete.json").write_text(json.dumps(marker))
    assert newest_complete(tmp_path).name == "checkpoint-10" and reason in why_incomplete(hollow)
    with pytest.raises(DamagedCheckpointError, match=f"checkpoint-11 is not complete, since .*{reason}.*: go on from"):
        verify(hollow)
    remove_old(tmp_path, keep=1)
    assert names(tmp_path) == {"checkpoint-10", "checkpoint-11"}


@pytest.mark.parametrize("weights", ["model-00001-of-00002.safetensors", "adapter_model.safetensors", "sharded/__0_0"])
def test_weights_may_be_whole_cut_in_pieces_or_those_of_an_adapter(tmp_path, weights):
    file = tmp_path / "checkpoint-3" / weights
    file.parent.mkdir(parents=True)
    file.write_bytes(b"weights")
    mark_complete(tmp_path / "checkpoint-3")
    assert why_incomplete(tmp_path / "checkpoint-3") is None


def test_the_marker_lists_every_file_with_size_and_checksum(tmp_path):
    make(tmp_path, 1)
    marker = json.loads((tmp_path / "checkpoint-1" / "complete.json").read_text())
    assert marker["step"] == 1 and marker["processes"] == 2
    assert set(marker["files"]) == {"model.safetensors", "part/state.bin"}
    assert marker["files"]["part/state.bin"] == {"size": 5, "sha256": hashlib.sha256(b"state").hexdigest()}
    verify(tmp_path / "checkpoint-1")


def test_marking_again_counts_what_is_there_now_and_not_the_marker_itself(tmp_path):
    make(tmp_path, 1)
    (tmp_path / "checkpoint-1" / "part" / "state.bin").write_bytes(b"other")
    with pytest.raises(DamagedCheckpointError, match=r"part/state.bin is not what was saved \(its sha256 differs\)"):
        verify(tmp_path / "checkpoint-1")
    mark_complete(tmp_path / "checkpoint-1")
    verify(tmp_path / "checkpoint-1")


@pytest.mark.parametrize(
    ("folder", "reason"), [("checkpoint-3", "was never written to its end"), ("checkpoint-4", "does not exist")]
)
def test_one_that_is_not_complete_is_refused_where_it_is_named(tmp_path, folder, reason):
    make(tmp_path, 3, complete=False)
    with pytest.raises(DamagedCheckpointError, match=f"{folder} {reason}: go on from another one"):
        verify(tmp_path / folder)


def test_old_ones_and_what_a_dead_process_left_go_when_a_newer_one_is_complete(tmp_path):
    make(tmp_path, 1, 3, 5, 7)
    make(tmp_path, 2, 9, complete=False)
    remove_old(tmp_path, keep=2)
    assert names(tmp_path) == {"checkpoint-5", "checkpoint-7", "checkpoint-9"}


def test_without_a_complete_one_nothing_is_removed(tmp_path):
    make(tmp_path, 1, 2, complete=False)
    remove_old(tmp_path, keep=1)
    assert names(tmp_path) == {"checkpoint-1", "checkpoint-2"}


@pytest.mark.parametrize(
    ("keep", "best", "left"),
    [
        (None, None, {1, 3, 5, 7}),
        (2, 1, {1, 7}),
        (2, 5, {5, 7}),
        (1, 3, {3, 7}),
        (3, 1, {1, 5, 7}),
    ],
)
def test_the_best_one_stays_and_counts(tmp_path, keep, best, left):
    make(tmp_path, 1, 3, 5, 7)
    remove_old(tmp_path, keep, str(tmp_path / f"checkpoint-{best}") if best else None)
    assert names(tmp_path) == {f"checkpoint-{step}" for step in left}


def test_a_disk_without_room_is_told_before_anything_is_written(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(2**40, 2**40 - 2**30, 2**30))
    checkpoints.check_free_space(tmp_path, 2**30 // 2)
    with pytest.raises(CheckpointNotSavedError, match=r"no room: about 3\.4 GB are needed, and .* has 1\.1 GB free"):
        checkpoints.check_free_space(tmp_path, 3 * 2**30)


def test_one_whose_removal_was_cut_short_does_not_pass_for_complete(tmp_path, monkeypatch):
    make(tmp_path, 3, 5)
    monkeypatch.setattr(shutil, "rmtree", lambda path, ignore_errors: None)
    checkpoints.remove(tmp_path / "checkpoint-5")
    assert newest_complete(tmp_path) == tmp_path / "checkpoint-3"
