"""What tells one checkpoint from another."""

import json
import os
import shutil
import time

import pytest
import torch
from safetensors.torch import load_file, save_file

from biomedgpt_hf import mini_checkpoint
from biomedgpt_hf.inference.loading import identify, ready, weights_digest


@pytest.fixture
def copied(tmp_path):
    folder = tmp_path / "copied"
    shutil.copytree(mini_checkpoint(), folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def digest(folder):
    return identify(folder, None)["digest"]


def test_a_copy_is_the_same_checkpoint(copied):
    file = copied / "model.safetensors"
    os.utime(file, (time.time(), 0))
    assert digest(copied) == identify(None, None)["digest"] == digest(mini_checkpoint())


def test_other_weights_of_the_same_shapes_are_another_checkpoint(copied):
    before = digest(copied)
    file = copied / "model.safetensors"
    tensors = load_file(file)
    seen = {before}
    for name in list(tensors)[:: len(tensors) // 8]:
        changed = tensors[name] + 1 if tensors[name].is_floating_point() else ~tensors[name]
        save_file({**tensors, name: changed.to(tensors[name].dtype)}, file, metadata={"format": "pt"})
        seen.add(digest(copied))
    assert len(seen) > 8


def test_scalars_and_empty_tensors_count_too(copied):
    file = copied / "model.safetensors"
    tensors = load_file(file)
    digests = set()
    for scalar in (1, 2):
        save_file({**tensors, "scalar": torch.tensor(scalar), "empty": torch.empty(0, 3)}, file)
        digests.add(digest(copied))
    assert len(digests) == 2


def test_another_configuration_is_another_checkpoint(copied):
    before = digest(copied)
    path = copied / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "molecule_features": "ogb"}))
    assert digest(copied) != before


@pytest.mark.parametrize(("device", "dtype", "expected"), [("cpu", "auto", "float32"), ("cpu", "float16", "float16")])
def test_half_precision_stays_on_a_cpu_only_where_it_is_asked_for(device, dtype, expected):
    model = torch.nn.Linear(2, 2).half()
    model.dtype = torch.float16
    assert ready(model, device, dtype).weight.dtype == getattr(torch, expected) and not model.training
    assert ready(torch.nn.Linear(2, 2).half().train(), torch.device(device), "float16").training is False


def test_notes_scores_and_other_checkpoints_in_the_folder_change_nothing(copied):
    before = digest(copied)
    path = copied / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "evaluation": {"weights": "0", "sets": []}}))
    for name in ("run.json", "metrics.json", "answers.jsonl.manifest.json", "evaluation/set/metrics.json"):
        (copied / name).parent.mkdir(parents=True, exist_ok=True)
        (copied / name).write_text("{}")
    shutil.copytree(mini_checkpoint(), copied / "checkpoint-4")
    assert digest(copied) == before
    (copied / "protein_tokenizer" / "tokenizer_config.json").write_text("{}")
    assert digest(copied) != before


def test_the_digest_of_weights_is_that_of_the_weights_alone(tmp_path):
    copied = shutil.copytree(mini_checkpoint(), tmp_path / "copied", ignore=shutil.ignore_patterns("known"))
    (copied / "notes.json").write_text("{}")
    save_file({"vectors": torch.zeros(2)}, copied / "embedded.safetensors")
    assert weights_digest(copied) == weights_digest(mini_checkpoint())
    weights = load_file(copied / "model.safetensors")
    first = sorted(weights)[0]
    save_file({**weights, first: weights[first] + 1}, copied / "model.safetensors", metadata={"format": "pt"})
    assert weights_digest(copied) != weights_digest(mini_checkpoint())
    (copied / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises((OSError, ValueError), match="model.safetensors"):
        weights_digest(copied)
