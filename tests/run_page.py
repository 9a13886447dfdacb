"""The Python of documentation pages, as their readers type it; see test_docs.py.

python -m torch.distributed.run --nproc-per-node 2 tests/run_page.py TIMES PAGE…
"""

import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MODEL = """
import biomedgpt_hf
from transformers import AutoModelForMultimodalLM
model = AutoModelForMultimodalLM.from_pretrained(biomedgpt_hf.mini_checkpoint())
"""
GIVEN = {"docs/publishing.md": MODEL}  # what a page takes for granted


def blocks_of(page: str) -> list[str]:
    """The pieces of Python of a page, README.md or one of docs/."""
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text("utf-8"), flags=re.DOTALL)


def run_page(page: str) -> dict:
    """Runs a page's pieces one after another, and returns what they named."""
    names: dict = {}
    for number, block in enumerate([GIVEN.get(page, ""), *blocks_of(page)]):
        exec(compile(block, f"{page}, piece {number}", "exec"), names)
    return names


def main(times: str, *pages: str) -> None:
    import torch

    torch.set_num_threads(1)
    for page in pages:
        for _ in range(int(times)):
            run_page(page)
            torch._dynamo.reset()
        if os.environ.get("RANK", "0") == "0":
            sys.stdout.write(f"{page} ran\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
