"""Speed of the look at every row before training.

    python benchmarks/screening.py [FILE] [--rows 2000] [--repeats 7]

Measures  `screen`, which builds only the rows that may be refused, against building each row, as it was; medians of
          paired ratios of processor time, alternating in one process on one thread, and rows per second
Input     a file with a header whose lines are an id, a SMILES and a caption, divided by tabs, such as ChEBI-20's
          test.txt, or molecules and captions that are drawn here; the embedded checkpoint's processor. Once each
          molecule has one question, once five
Asserts   first, that both ways keep and reject the same rows, with the same lengths and reasons
Writes    a table with versions and commit
"""

import argparse
import os
import statistics
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # one thread, before tokenizers is imported

import numpy as np
import rdkit
import tokenizers
import torch
import transformers
from comparison import cpu_seconds, describe_software
from datasets import Dataset
from smiles_to_batch import DRUGS

from biomedgpt_hf import BioMedGPTDataCollator, BioMedGPTProcessor, mini_checkpoint
from biomedgpt_hf.rows.schema import features, question_row
from biomedgpt_hf.training.screening.screening import Screening, screen
from biomedgpt_hf.training.screening.sure_rows import SureRows

WORDS = "the molecule is a member of acids that has been isolated from roots and an amide derived from alkanes".split()


def main() -> None:
    """Read or draw rows, compares, times, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    captions = list(read(arguments.file) if arguments.file else draw(arguments.rows))[: arguments.rows]
    collator = BioMedGPTDataCollator(BioMedGPTProcessor.from_pretrained(mini_checkpoint()))
    print(f"{describe_software(transformers, tokenizers, rdkit)}\n")
    print("| rows | rejected | building each = 1 | rows/s | building each, rows/s |")
    print("|---|---|---|---|---|")
    for questions in (1, 5):
        rows = make_rows(captions[: len(captions) // questions], questions)
        rejected = require_parity(rows, collator)
        ratio, quick, each = measure(rows, collator, arguments.repeats)
        print(f"| {len(rows)}, {questions} for each molecule | {rejected} | {ratio:.2f} | {quick:.0f} | {each:.0f} |")


def read(file: Path) -> Iterator[tuple[str, str]]:
    """Yield the SMILES and captions of a file with a header; ChEBI-20 doubles its backslashes."""
    for line in file.read_text("utf-8").splitlines()[1:]:
        _, smiles, caption = line.split("\t")[:3]
        yield smiles.replace("\\\\", "\\"), caption


def draw(count: int) -> Iterator[tuple[str, str]]:
    """Yield molecules, each of two drugs or of one that is chemically wrong, with captions of 20 to 80 words."""
    random = np.random.default_rng(0)
    drugs = [line.split()[0] for line in DRUGS.split("\n") if line]
    for _ in range(count):
        one, other = random.choice(drugs, 2)
        wrong = random.random() < 0.01
        words = random.choice(WORDS, random.integers(20, 80))
        yield ("CN(C)(C)(C)C" if wrong else f"{one}.{other}"), " ".join(words)


def make_rows(captions: list[tuple[str, str]], questions: int) -> Dataset:
    rows = [
        question_row(
            f"Please describe this molecule, part {part}.",
            caption,
            task="caption",
            source="benchmark",
            id=f"{place}-{part}",
            license="CC0-1.0",
            molecules=[smiles],
        )
        for place, (smiles, caption) in enumerate(captions)
        for part in range(questions)
    ]
    return Dataset.from_list(rows, features=features())


def screen_by_building(rows: Dataset, collator: BioMedGPTDataCollator) -> Screening:
    """Screen rows where none is known to be good before it was built."""
    lengths = SureRows.lengths
    SureRows.lengths = lambda self, rows: [0] * len(rows)
    try:
        return screen(rows, collator, progress=False)
    finally:
        SureRows.lengths = lengths


def require_parity(rows: Dataset, collator: BioMedGPTDataCollator) -> int:
    """Return how many rows are rejected, or stop where the two ways differ."""
    quick, each = screen(rows, collator, progress=False), screen_by_building(rows, collator)
    if quick.lengths.tolist() != each.lengths.tolist() or quick.rejections != each.rejections:
        raise SystemExit("The two ways keep different rows.")
    return len(quick.rejections)


def measure(rows: Dataset, collator: BioMedGPTDataCollator, repeats: int) -> tuple[float, float, float]:
    """Return the median ratio of the two ways, and the rows per second of each."""
    quick, each = [], []
    for _ in range(repeats):
        quick.append(cpu_seconds(lambda: screen(rows, collator, progress=False)))
        each.append(cpu_seconds(lambda: screen_by_building(rows, collator)))
    ratio = statistics.median(one / other for one, other in zip(quick, each, strict=True))
    return ratio, len(rows) / statistics.median(quick), len(rows) / statistics.median(each)


if __name__ == "__main__":
    main()
