"""The examples of a documentation page run, in its order."""

import re
from pathlib import Path

import pytest
import torch

DOCS = Path(__file__).resolve().parents[1] / "docs"


@pytest.fixture
def uncompiled():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def run_examples(page: str) -> int:
    """Runs the Python of a page, as a reader would type it, and returns how many pieces there were."""
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text("utf-8"), flags=re.DOTALL)
    names: dict = {}
    for block in blocks:
        exec(block, names)
    return len(blocks)


def test_the_examples_of_generation_run(capsys, uncompiled):
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    assert run_examples("generation.md") == 7
    printed = capsys.readouterr().out
    assert printed.count("The molecule") >= 4
    assert re.search(r"^0\.5\d of the memory$", printed, flags=re.MULTILINE)


def test_the_examples_of_files_and_tables_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run_examples("inference.md") == 4
    surest, *known = capsys.readouterr().out.splitlines()
    assert re.match(r"(ethanol|aspirin) The molecule", surest)
    assert known == ["0.58 CCCCO It is a fuel."]


def test_the_examples_of_training_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_examples("training.md") == 2
    assert (tmp_path / "ours" / "checkpoint-2" / "complete.json").exists()
