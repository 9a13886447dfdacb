"""Whatever is wrong with what a person hands to a converter is told in one line, and no folder is left behind."""

import json
import pickle
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from biomedgpt_hf.conversion import ConversionError, convert_biomedgpt, convert_graphmvp

EMBEDDINGS = "llm.model.embed_tokens.weight"
PROJECTOR = "proj_mol.weight"


def write_bytes(make):
    def write(folder, original, content):
        (folder / "file.pth").write_bytes(make(content))
        return [folder / "file.pth"]

    return write


def write_state(change):
    """Writes a checkpoint whose state dict was changed in place."""

    def write(folder, original, content):
        state = dict(original.state)
        torch.save(change(state) or state, folder / "file.pth")
        return [folder / "file.pth"]

    return write


def two_files(folder, original, content):
    for name in ("one.pth", "two.pth"):
        torch.save({PROJECTOR: original.state[PROJECTOR]}, folder / name)
    return [folder / "one.pth", folder / "two.pth"]


def same_file_twice(folder, original, content):
    (folder / "file.pth").write_bytes(content)
    return [folder / "file.pth", folder / "." / "file.pth"]


def truncated_safetensors(folder, original, content):
    path = folder / "file.safetensors"
    save_file({PROJECTOR: original.state[PROJECTOR]}, path)
    path.write_bytes(path.read_bytes()[:-10])
    return [path]


def damaged_safetensors(folder, original, content):
    path = folder / "file.safetensors"
    save_file({PROJECTOR: original.state[PROJECTOR]}, path)
    bytes_ = bytearray(path.read_bytes())
    bytes_[9:11] = b"\0\0"
    path.write_bytes(bytes_)
    return [path]


def one_of_three_missing(folder, original, content):
    keys = list(original.state)
    for number in range(3):
        state = {key: original.state[key] for key in keys[number::3]}
        torch.save(state, folder / f"biomedgpt-{number + 1}-of-3.pth")
    return [folder / "biomedgpt-1-of-3.pth", folder / "biomedgpt-3-of-3.pth"]


def flip_a_byte(content):
    bytes_ = bytearray(content)
    bytes_[len(content) // 2] ^= 0xFF
    return bytes_


def set_value(key, value):
    def change(state):
        state[key] = state[key].clone()
        state[key].view(-1)[3] = value

    return change


def without(key):
    return lambda state: {name: tensor for name, tensor in state.items() if name != key}


def without_heads(state):
    for key in list(state):
        if "inv_freq" in key:
            del state[key]


def without_protein_heads(state):
    without_contacts = [key for key in state if "prot_" in key and ("inv_freq" in key or "contact_head" in key)]
    for key in without_contacts:
        del state[key]


class Custom:
    """Something that only a bare pickle could bring back."""


BAD_FILES = {
    "nothing": (lambda folder, *_: [], "No checkpoint file was given."),
    "an absent file": (lambda folder, *_: [folder / "no.pth"], "no.pth does not exist."),
    "a folder": (lambda folder, *_: [folder], "is a folder: give the checkpoint files in it."),
    "an empty file": (write_bytes(lambda content: b""), "file.pth is empty: download it again."),
    "the same file twice": (same_file_twice, "file.pth is given twice."),
    "half a file": (write_bytes(lambda content: content[: len(content) // 2]), "file.pth is truncated or damaged"),
    "all but the last byte": (write_bytes(lambda content: content[:-1]), "file.pth is truncated or damaged"),
    "the second half": (write_bytes(lambda content: content[len(content) // 2 :]), "a later part of a file that was"),
    "a flipped byte": (write_bytes(flip_a_byte), "file.pth is damaged: bytes"),
    "plain text": (write_bytes(lambda content: b"hello"), "is no checkpoint that torch.save or safetensors wrote"),
    "an HTML page": (write_bytes(lambda content: b"<!DOCTYPE html><html>"), "is a web page, so the download failed"),
    "a Git LFS pointer": (write_bytes(lambda content: b"version https://git-lfs.github.com/spec/v1\n"), "git lfs pull"),
    "JSON": (write_bytes(lambda content: b'{"a": 1}'), "is JSON, not weights"),
    "a bare pickle": (write_bytes(lambda content: pickle.dumps({"a": 1})), "is a bare pickle, which can run code"),
    "an HDF5 file": (write_bytes(lambda content: b"\x89HDF\r\n\x1a\n" + bytes(100)), "is an HDF5 file"),
    "truncated safetensors": (truncated_safetensors, "is truncated or damaged: it has"),
    "damaged safetensors": (damaged_safetensors, "its header is not JSON"),
    "a pickled object": (write_state(lambda state: {"x": Custom()}), "which is no tensor and could run code"),
    "a list": (write_state(lambda state: [torch.ones(1)]), "holds a list, not a state dict"),
    "a number among the tensors": (write_state(lambda state: state | {"epoch": 3}), "'epoch' in file.pth is int"),
    "a sparse tensor": (write_state(lambda state: {"a": torch.eye(3).to_sparse()}), "not a dense tensor"),
    "no tensor": (write_state(lambda state: {"model": {}}), "it begins with nothing"),
    "another model": (write_state(lambda state: {"bert.pooler.weight": torch.ones(1)}), "is no original BioMedGPT"),
    "a missing tensor": (write_state(without(PROJECTOR)), "1 tensor is missing (proj_mol.weight)"),
    "missing embeddings": (write_state(without(EMBEDDINGS)), f"1 tensor is missing ({EMBEDDINGS})"),
    "an unknown tensor": (write_state(lambda state: state | {"llm.x": torch.ones(2)}), "1 tensor is unknown (llm.x)"),
    "another shape": (
        write_state(lambda state: state | {PROJECTOR: torch.ones(7, 20)}),
        "proj_mol.weight in file.pth has the shape [7, 20], but [48, 20] follows",
    ),
    "integers for weights": (
        write_state(lambda state: state | {PROJECTOR: state[PROJECTOR].long()}),
        "proj_mol.weight in file.pth is torch.int64, not floating point",
    ),
    "NaN": (write_state(set_value(PROJECTOR, float("nan"))), "proj_mol.weight in file.pth holds NaN or infinity"),
    "infinity": (write_state(set_value(EMBEDDINGS, float("inf"))), f"{EMBEDDINGS} in file.pth holds NaN or infinity"),
    "a tensor in two files": (two_files, "proj_mol.weight is in two files"),
    "a missing part": (one_of_three_missing, "give biomedgpt-2-of-3.pth too"),
    "no number of heads": (write_state(without_heads), "pass language_model, a folder with its config.json"),
    "no number of protein heads": (write_state(without_protein_heads), "pass protein_encoder, a folder with its"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_refused_in_one_line_and_nothing_is_left(case, original, original_file, tmp_path):
    (tmp_path / "files").mkdir()
    write, expected = BAD_FILES[case]
    files = write(tmp_path / "files", original, original_file.read_bytes())
    with pytest.raises((ConversionError, FileNotFoundError)) as error:
        convert_biomedgpt(files, tmp_path / "out")
    message = str(error.value)
    assert expected in message and "\n" not in message
    assert [path.name for path in tmp_path.iterdir()] == ["files"]


def other_config(**changes):
    def prepare(original, folder):
        shutil.copytree(original.language_model_folder, folder / "llm")
        config = json.loads((folder / "llm" / "config.json").read_text()) | changes
        (folder / "llm" / "config.json").write_text(json.dumps(config))
        return {"language_model": folder / "llm"}

    return prepare


def config_only(original, folder):
    (folder / "llm").mkdir()
    shutil.copy(original.language_model_folder / "config.json", folder / "llm")
    return {"language_model": folder / "llm"}


def other_tokenizer(original, folder):
    arguments = other_config()(original, folder)
    path = folder / "llm" / "tokenizer.json"
    content = json.loads(path.read_text())
    content["model"]["vocab"]["extra"] = len(content["model"]["vocab"])
    path.write_text(json.dumps(content))
    return arguments


def occupied_folder(original, folder):
    (folder / "out").mkdir()
    (folder / "out" / "mine.txt").write_text("keep me")
    return {}


def occupied_file(original, folder):
    (folder / "out").write_text("keep me")
    return {}


BAD_ARGUMENTS = {
    "an unknown Hub id, offline": (lambda *_: {"language_model": "nobody/nothing"}, "cannot be had from the Hub"),
    "an absent folder": (lambda *_: {"protein_encoder": "/no/such/folder"}, "is no folder here"),
    "a folder without a config": (lambda o, folder: {"language_model": folder}, "has no config.json"),
    "a config of another type": (lambda o, f: {"language_model": o.protein_encoder_folder}, "holds a 'esm' config"),
    "no tokenizer": (config_only, "has no tokenizer (tokenizer.json"),
    "a larger tokenizer": (other_tokenizer, "tokens with [PAD], but the checkpoint's vocabulary has"),
    "a wider config": (other_config(intermediate_size=200), "another model"),
    "a config with fewer layers": (other_config(num_hidden_layers=2), "unknown (llm.model.layers.2."),
    "a config with more layers": (other_config(num_hidden_layers=4), "missing (llm.model.layers.3."),
    "a config with other heads": (other_config(num_attention_heads=6, num_key_value_heads=6, head_dim=8), "rotary"),
    "an unknown data type": (lambda *_: {"dtype": "int8"}, "dtype='int8' is none of float32"),
    "a shard size that is none": (lambda *_: {"max_shard_size": "large"}, "max_shard_size='large' is no size"),
    "an occupied folder": (occupied_folder, "exists and is not empty"),
    "a file in its place": (occupied_file, "already exists"),
}


@pytest.mark.parametrize("case", BAD_ARGUMENTS)
def test_a_bad_argument_is_refused_in_one_line_and_nothing_is_left(case, original, original_file, tmp_path):
    prepare, expected = BAD_ARGUMENTS[case]
    arguments = prepare(original, tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises((ConversionError, FileExistsError)) as error:
        convert_biomedgpt(original_file, tmp_path / "out", **arguments)
    message = str(error.value)
    assert expected in message and "\n" not in message
    assert sorted(tmp_path.rglob("*")) == before


def test_values_beyond_a_narrower_type_are_named(original, tmp_path):
    state = dict(original.state)
    state[PROJECTOR] = state[PROJECTOR] * 1e6
    torch.save(state, tmp_path / "file.pth")
    with pytest.raises(ConversionError, match="proj_mol.weight .* beyond torch.float16's range: convert to bfloat16"):
        convert_biomedgpt(tmp_path / "file.pth", tmp_path / "out", dtype="float16")
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_told_before_writing(original, original_file, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(ConversionError, match=r"are needed, and .* has 1 kB free"):
        convert_biomedgpt(original_file, tmp_path / "out")


@pytest.mark.fault
def test_a_killed_conversion_leaves_no_folder_that_looks_complete(original, original_file, tmp_path):
    script = (
        "import sys, time, biomedgpt_hf.conversion.writing as writing\n"
        "from biomedgpt_hf.conversion import convert_biomedgpt\n"
        "old = writing.NewTensor.chunks\n"
        "def slow(self):\n"
        "    time.sleep(0.2); print('writing', flush=True); return old(self)\n"
        "writing.NewTensor.chunks = slow\n"
        "convert_biomedgpt(sys.argv[1], sys.argv[2])\n"
    )
    command = [sys.executable, "-c", script, str(original_file), str(tmp_path / "out")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout.readline()
    time.sleep(0.5)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "out").exists()
    left = list(tmp_path.iterdir())
    assert all(path.name.startswith(".out.partial-") for path in left)
    assert not list(tmp_path.rglob("config.json"))
    convert_biomedgpt(original_file, tmp_path / "out")  # what is left is in nobody's way


GIN_CASES = {
    "a GCN": (lambda state: state | {"gnns.0.linear.weight": torch.ones(2)}, "holds a GCN (gnns.0.linear.weight)"),
    "a GAT": (lambda state: state | {"gnns.0.weight_linear.weight": torch.ones(2)}, "holds a GAT"),
    "other atom features": (
        lambda state: state | {"x_embedding1.weight": torch.ones(119, 8)},
        "has 119 rows, but GraphMVP's features have 120 atoms",
    ),
    "no GIN": (lambda state: {"encoder.weight": torch.ones(2)}, "has no x_embedding1.weight"),
    "no bonds": (lambda state: {"x_embedding1.weight": torch.ones(120, 8)}, "has no embedding of chirality"),
    "a head that predicts": (lambda state: state | {"pool.weight": torch.ones(2)}, "1 tensor is unknown (pool.weight)"),
    "a whole BioMedGPT": (
        lambda state: {f"mol.{k}": v for k, v in state.items()} | {"llm.x": torch.ones(2)},
        "holds more than a GIN (llm.x, …)",
    ),
}


@pytest.mark.parametrize("case", GIN_CASES)
def test_a_foreign_graph_network_is_refused_with_the_reason(case, gin_state, tmp_path):
    change, expected = GIN_CASES[case]
    torch.save(change(gin_state(8, 2, torch.Generator())), tmp_path / "gin.pth")
    with pytest.raises(ConversionError) as error:
        convert_graphmvp(tmp_path / "gin.pth", tmp_path / "out")
    assert expected in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_the_public_gcn_is_refused_by_name(shared: Path, tmp_path):
    with pytest.raises(ConversionError, match=r"gcn_contextpred.pth holds a GCN .*, not a GIN"):
        convert_graphmvp(shared / "data/weights/pretrain_gnns/gcn_contextpred.pth", tmp_path / "out")
