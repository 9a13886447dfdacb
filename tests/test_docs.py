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


def test_the_examples_of_generation_run(capsys, uncompiled):
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "generation.md").read_text("utf-8"), flags=re.DOTALL)
    names: dict = {}
    for block in blocks:
        exec(block, names)
    assert len(blocks) == 7
    printed = capsys.readouterr().out
    assert printed.count("The molecule") >= 4
    assert re.search(r"^0\.5\d of the memory$", printed, flags=re.MULTILINE)
