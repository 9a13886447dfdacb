"""Batch inference of BioMedGPT: `predict` against what people do without it.

    python benchmarks/batch_inference.py [--items 32] [--repeats 3] [--rows 1000]

Measures  one call for all rows against a question at a time; batches of similar lengths against batches of as many rows
          in the input's order; items encoded once for three questions against once for each question; a run that was
          killed half way and resumed against one that was not; peak memory at ten times the input
Input     molecules of 3 to 100 atoms and proteins of 20 to 400 residues in random order, 16 new tokens, greedy; a
          random Llama of 20M parameters with a GIN of GraphMVP's size and an ESM-2 of 8M parameters' size, in the
          proportion of the paper's 7B and 3B. For the last two lines --rows molecules and `mini`
Asserts   first, that both ways give the same answers
Excludes  loading; but the last two lines are of whole commands
Writes    a table of medians of paired ratios, on one thread, with versions and commit
"""

import argparse
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
import transformers
from comparison import describe_software, ratio
from generation_speed import load

from biomedgpt_hf.inference.prediction.in_memory import requests_of, rows_of
from biomedgpt_hf.inference.prediction.predictor import Predictor

NEW_TOKENS, BATCH_TOKENS = 16, 2048
QUESTIONS = ["What is it?", "What is its function?", "Where is it found?"]


def main() -> None:
    """Assert parity, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1000)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"  # of the commands
    torch.manual_seed(0)
    sizes = {"hidden_size": 384, "intermediate_size": 1024, "num_hidden_layers": 11, "num_attention_heads": 6}
    model, processor = load(None, **sizes)
    predictor = Predictor(model, processor, batch_tokens=BATCH_TOKENS, max_new_tokens=NEW_TOKENS)
    print(f"{describe_software(torch, transformers)}\n\n| path | against | ratio |\n|---|---|---|")
    for modality, items in (("molecule", molecules(arguments.items)), ("protein", proteins(arguments.items))):
        compare(f"{modality}s", predictor, rows_of({modality: items}), arguments)
    resumed(arguments.rows, arguments.repeats)
    memory(arguments.rows)


def molecules(count: int) -> list[str]:
    dice = random.Random(0)
    return ["".join(dice.choice(["C", "N", "C(O)", "C(=O)"]) for _ in range(dice.randint(3, 40))) for _ in range(count)]


def proteins(count: int) -> list[str]:
    dice = random.Random(0)
    return ["".join(dice.choices("ACDEFGHIKLMNPQRSTVWY", k=dice.randint(20, 400))) for _ in range(count)]


def compare(name: str, predictor: Predictor, items: Sequence[Any], arguments: argparse.Namespace) -> None:
    """Print the three ratios of one kind of items."""
    one = list(requests_of(items, QUESTIONS[:1]))
    three = list(requests_of(items, QUESTIONS))

    def answers(requests: Sequence[Any]) -> dict[Any, Any]:
        return {(r.item.row, r.question): p.answer for batch in predictor.answer(requests) for r, p in batch}

    batches = len([batch for batch in predictor.answer(one)])
    size = -(-len(one) // batches)

    def singly() -> dict[Any, Any]:
        return {key: answer for request in one for key, answer in answers([request]).items()}

    def unsorted() -> dict[Any, Any]:
        predictor.batch_tokens = 10**9
        found = [answers(one[start : start + size]) for start in range(0, len(one), size)]
        predictor.batch_tokens = BATCH_TOKENS
        return {key: answer for part in found for key, answer in part.items()}

    def each_question() -> dict[Any, Any]:
        found = [answers(list(requests_of(items, [question]))) for question in QUESTIONS]
        return {key: answer for part in found for key, answer in part.items()}

    expected = answers(one)
    assert expected == singly() == unsorted(), "answers depend on the batch"
    assert answers(three) == each_question(), "answers depend on how often an item is encoded"
    for path, against, run, reference in (
        (f"{len(one)} {name} in one call, {size} a batch", "one at a time", lambda: answers(one), singly),
        ("batches of similar lengths", f"batches of {size} in the input's order", lambda: answers(one), unsorted),
        ("three questions, encoded once", "encoded for each", lambda: answers(three), each_question),
    ):
        print(f"| {path} | {against} | {ratio(run, reference, arguments.repeats):.2f} |", flush=True)


def resumed(rows: int, repeats: int) -> None:
    """Print what a kill half way costs: both runs together against one that was not killed."""
    with tempfile.TemporaryDirectory() as folder:
        command = predict_command(Path(folder), rows)
        whole, resumed = Path(folder, "whole.jsonl"), Path(folder, "resumed.jsonl")
        journal = resumed.with_name(f".{resumed.name}.running") / "rank-0.sqlite"

        def run(output: Path) -> None:
            output.unlink(missing_ok=True)
            subprocess.run([*command, str(output)], check=True, stdout=-1, stderr=-1)

        def killed_and_resumed() -> None:
            resumed.unlink(missing_ok=True)
            process = subprocess.Popen([*command, str(resumed)], stdout=-3, stderr=-3)
            while process.poll() is None and answered(journal) < rows // 2:
                time.sleep(0.1)
            process.send_signal(signal.SIGKILL)
            process.wait()
            run(resumed)

        cost = ratio(killed_and_resumed, lambda: run(whole), repeats)
        assert resumed.read_bytes() == whole.read_bytes(), "the resumed run differs"
    print(f"| {rows} rows, killed half way and resumed | not killed | {cost:.2f} |", flush=True)


def memory(rows: int) -> None:
    """Print the peak resident memory of a whole command at ten times the rows."""
    peaks = []
    with tempfile.TemporaryDirectory() as folder:
        for times in (1, 10):
            command = predict_command(Path(folder), rows * times, new_tokens=1)
            process = subprocess.Popen([*command, f"{folder}/{times}.jsonl"], stdout=-3, stderr=-3)
            _, _, usage = os.wait4(process.pid, 0)
            peaks.append(usage.ru_maxrss)
    print(f"| peak memory, {10 * rows} rows | {rows} rows ({peaks[0] / 1024:.0f} MiB) | {peaks[1] / peaks[0]:.2f} |")


def predict_command(folder: Path, rows: int, new_tokens: int = NEW_TOKENS) -> list[str]:
    """Return the command that asks about so many molecules; its output is to be added."""
    path = folder / f"{rows}.smi"
    path.write_text("\n".join(molecules(rows)))
    settings = ["--question", QUESTIONS[0], "--max-new-tokens", str(new_tokens), "--device", "cpu", "--output"]
    return [sys.executable, "-m", "biomedgpt_hf.cli", "predict", str(path), *settings]


def answered(journal: Path) -> int:
    """How many answers a run's journal holds."""
    if not journal.exists():
        return 0
    with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True, timeout=10)) as base:
        try:
            return base.execute("SELECT COUNT(*) FROM results").fetchone()[0]
        except sqlite3.OperationalError:  # it is just being made
            return 0


if __name__ == "__main__":
    main()
