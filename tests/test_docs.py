"""The examples of README.md and docs/ run in their order, again in the same folder, and under torchrun."""

import os
import re
import subprocess
import sys
from pathlib import Path

import datasets
import pytest
import torch

from biomedgpt_hf.sets.table.builder import build_table

from .run_page import ROOT, blocks_of, run_page

ELSEWHERE = {"docs/get-the-10b.md"}  # needs the published checkpoint; tests/conversion runs it on a small one
PAGES = ["README.md", *(f"docs/{file.name}" for file in sorted(ROOT.glob("docs/*.md")))]
PAGES = [page for page in PAGES if blocks_of(page) and page not in ELSEWHERE]
TRAINS = "docs/training.md"


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """The current folder, with the set that one of the pages reads."""
    rows = "".join(f"{'C' * number},Answer {number}.\n" for number in range(1, 40))
    (tmp_path / "table.csv").write_text("smiles,answer\n" + rows)
    build_table(
        [tmp_path / "table.csv"], tmp_path / "DIR", answer_column="answer", molecule_columns=["smiles"], question="?"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    torch._dynamo.reset()
    yield tmp_path
    torch._dynamo.reset()


def on_two_processes(folder: Path, *words: str) -> str:
    """What two processes of torchrun print that run pages in a folder."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--rdzv-backend", "c10d"]
    command += ["--rdzv-endpoint", "127.0.0.1:0", str(ROOT / "tests" / "run_page.py"), *words]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "HF_DATASETS_CACHE": str(folder / "cache")}
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=500)
    assert run.returncode == 0, run.stderr[-6000:]
    return run.stdout


@pytest.mark.parametrize("page", PAGES)
def test_the_examples_of_a_page_run_and_run_again_in_the_same_folder(page, folder, capsys):
    if page == "docs/generation.md":
        pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    for _ in range(2):
        names = run_page(page)
        look = LOOKS.get(page)
        assert look is None or look(capsys.readouterr().out, names)


def generates(printed: str, names: dict) -> bool:
    return printed.count("The molecule") >= 4 and bool(re.search(r"^0\.5\d of the memory$", printed, re.MULTILINE))


def answers(printed: str, names: dict) -> bool:
    surest, *known = printed.splitlines()
    return bool(re.match(r"(ethanol|aspirin) The molecule", surest)) and known == ["0.58 CCCCO It is a fuel."]


def makes_batches(printed: str, names: dict) -> bool:
    return sum(len(batch["input_ids"]) for batch in names["batches"]) == len(names["rows"])


def trains(printed: str, names: dict) -> bool:
    return Path("ours/checkpoint-2/complete.json").exists() and names["trainer"].state.global_step == 2


LOOKS = {
    "README.md": lambda printed, names: bool(printed.strip()),
    "docs/data-sets.md": makes_batches,
    "docs/generation.md": generates,
    "docs/inference.md": answers,
    TRAINS: trains,
}


@pytest.mark.fault
def test_the_trainers_of_the_docs_run_on_two_processes_and_go_on(tmp_path):
    printed = on_two_processes(tmp_path, "2", TRAINS)
    # Twice transformers' Trainer and twice ours, which went on from its end: its loss is that of the steps before.
    losses = re.findall(r"'train_loss': '([\d.]+)'", printed)
    assert len(losses) == 4 and losses[1] == losses[3] and f"{TRAINS} ran\n" in printed
    assert (tmp_path / "ours" / "checkpoint-2" / "complete.json").exists()


@pytest.mark.slow
@pytest.mark.fault
def test_all_examples_run_on_two_processes_started_twice(folder):
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    for _ in range(2):
        printed = on_two_processes(folder, "1", *PAGES)
        assert all(f"{page} ran\n" in printed for page in PAGES)
