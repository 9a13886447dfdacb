"""A set that was built, saved, pushed to a Hub and loaded elsewhere collates to the tensors of the rows in memory."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from datasets import load_dataset

from biomedgpt_hf import BioMedGPTDataCollator, BioMedGPTProcessor, mini_checkpoint
from biomedgpt_hf.building.pipeline import BuildSettings
from biomedgpt_hf.sets.table import builder as table
from biomedgpt_hf.sets.table.rows import Labels, RowColumns, parse_table_row, read_table_rows

from ..checkpoints.stand_in_hub import StandInHub, serve

SOURCE = Path(__file__).resolve().parents[2] / "src"
SMILES = ["CCO", "CC(=O)[O-].[Na+]", "C[C@@H](N)C(=O)O", "F/C=C/F", "InChI=1S/C6H6/c1-2-4-6-5-3-1/h1-6H", "[2H]O[2H]"]
PROTEINS = ["MKTAYIAKQR", "m k t a\nyiak*", "MXBZU"]
COLUMNS = RowColumns({"molecule": ("smiles",), "protein": ("sequence",)}, "answer", question_column="question")
LABELS = Labels("binding", None, "CC0-1.0", "molecule")
SPLITS = ("train", "validation", "test")
COLLATE = f"""
import sys
sys.path.insert(0, {str(SOURCE)!r})
import torch
from datasets import load_dataset
from biomedgpt_hf import BioMedGPTDataCollator, BioMedGPTProcessor, mini_checkpoint

collator = BioMedGPTDataCollator(BioMedGPTProcessor.from_pretrained(mini_checkpoint()))
loaded = load_dataset(sys.argv[1])
torch.save({{split: collator(list(rows)) for split, rows in loaded.items()}}, sys.argv[2])
"""
PUSH_FOLDER = """
import sys
from huggingface_hub import HfApi
HfApi().create_repo(sys.argv[2], repo_type="dataset")
HfApi().upload_folder(folder_path=sys.argv[1], repo_id=sys.argv[2], repo_type="dataset")
"""
PUSH_LOADED = """
import sys
from datasets import load_dataset
load_dataset(sys.argv[1]).push_to_hub(sys.argv[2])
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "assays.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["smiles", "sequence", "question", "answer"])
        for number in range(36):
            smiles = SMILES[number // 2 % 6] if number % 2 else "C" * number + "O"
            answer = ["Yes, “tightly”.", "No\n(not measured)", "β-turn, pIC50 7.3"][number % 3]
            writer.writerow([smiles, PROTEINS[number % 3], f"Does it bind, in assay {number}?", answer])
    return path


@pytest.fixture(scope="module")
def built(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("built") / "assays"
    manifest = table.build_table(
        [source],
        folder,
        molecule_columns=COLUMNS.items["molecule"],
        protein_columns=COLUMNS.items["protein"],
        question_column=COLUMNS.question_column,
        answer_column=COLUMNS.answer,
        task=LABELS.task,
        license=LABELS.license,
        settings=BuildSettings(progress=False),
    )
    assert manifest["counts"]["rows_by_split"].keys() == set(SPLITS) and manifest["counts"]["rows"] == 36
    return folder


@pytest.fixture(scope="module")
def in_memory(source, built, tmp_path_factory):
    """The batch of each split, from the rows as they are before anything is written; the split alone is looked up."""
    rows = {
        row["id"]: row
        for record in read_table_rows(source, COLUMNS)
        for row in parse_table_row(record, COLUMNS, LABELS).rows
    }
    stored = load_dataset(str(built), cache_dir=str(tmp_path_factory.mktemp("cache")))
    assert sorted(row_id for split in stored.values() for row_id in split["id"]) == sorted(rows)
    collator = BioMedGPTDataCollator(BioMedGPTProcessor.from_pretrained(mini_checkpoint()))
    return {split: collator([rows[row_id] for row_id in stored[split]["id"]]) for split in SPLITS}


@pytest.fixture(scope="module")
def hub():
    with serve(StandInHub()) as hub:
        yield hub


@pytest.fixture(scope="module")
def run(hub, tmp_path_factory):
    """Runs a script in a process of its own, with a cache of its own."""

    def run(script, *arguments, online=True):
        home = tmp_path_factory.mktemp("home")
        environment = {
            **os.environ,
            "HF_HOME": str(home),
            "HF_ENDPOINT": hub.url,
            "HF_HUB_OFFLINE": "0" if online else "1",
            "HF_HUB_DISABLE_XET": "1",
            "HF_TOKEN": "hf_stand_in",
            "NO_PROXY": "127.0.0.1",
        }
        done = subprocess.run(
            [sys.executable, "-I", "-c", script, *map(str, arguments)],
            env=environment,
            cwd=home,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr

    return run


@pytest.fixture(scope="module")
def pushed(built, hub, run):
    run(PUSH_FOLDER, built, "org/assays")
    return "org/assays"


def require_identical(batches, expected):
    assert batches.keys() == expected.keys()
    for split, batch in expected.items():
        assert batches[split].keys() == batch.keys()
        for name, tensor in batch.items():
            assert batches[split][name].dtype == tensor.dtype
            assert torch.equal(batches[split][name], tensor), (split, name)


def test_the_batches_hold_what_they_are_compared_by(in_memory):
    names = {"input_ids", "attention_mask", "labels", "atom_features", "bond_index", "protein_input_ids"}
    assert all(names <= batch.keys() and (batch["labels"] != -100).any(dim=1).all() for batch in in_memory.values())
    assert len({tuple(row.tolist()) for row in in_memory["train"]["input_ids"]}) > 20


def test_a_saved_set_gives_the_tensors_of_the_rows_in_memory(built, in_memory, run, tmp_path):
    run(COLLATE, built, tmp_path / "batches.pt", online=False)
    require_identical(torch.load(tmp_path / "batches.pt"), in_memory)


def test_a_pushed_set_gives_the_same_tensors_elsewhere(built, hub, pushed, in_memory, run, tmp_path):
    files = hub.files[f"datasets/{pushed}"]
    assert files == {str(path.relative_to(built)): path.read_bytes() for path in built.rglob("*") if path.is_file()}
    assert {"README.md", "manifest.json", "leakage.json", "rejected.jsonl"} < files.keys()
    run(COLLATE, pushed, tmp_path / "batches.pt")
    require_identical(torch.load(tmp_path / "batches.pt"), in_memory)


@pytest.mark.slow
def test_a_loaded_set_pushed_by_datasets_gives_the_same_tensors(built, hub, in_memory, run, tmp_path):
    run(PUSH_LOADED, built, "org/again")
    assert any(path.endswith(".parquet") for path in hub.files["datasets/org/again"])
    run(COLLATE, "org/again", tmp_path / "batches.pt")
    require_identical(torch.load(tmp_path / "batches.pt"), in_memory)


def test_a_pushed_set_streams_the_same_rows(built, pushed, run, tmp_path):
    script = "import json, sys; from datasets import load_dataset\n"
    script += "rows = load_dataset(sys.argv[1], split='train', streaming=True)\n"
    script += "open(sys.argv[2], 'w').write(json.dumps(list(rows)))"
    run(script, pushed, tmp_path / "streamed.json")
    local = load_dataset(str(built), split="train", cache_dir=str(tmp_path / "cache"))
    assert json.loads((tmp_path / "streamed.json").read_text()) == list(local)
