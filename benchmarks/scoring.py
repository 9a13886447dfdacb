"""Time and memory of `biomedgpt score` on a file of many answers, and of its intervals.

    python benchmarks/scoring.py --tokenizer scibert_scivocab_uncased [--entries uniprot.dat …] [--rows 189150]
        [--processes N]

Measures  processor time of this process and of those that it starts, elapsed time, and peak memory, step by step;
          then intervals alone, with few and many kinds of question, and with few and many items
Input     answers to the four questions of UniProtQA, composed as in `text_metrics.py`, four rows a protein
Writes    tables with versions and commit
"""

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from comparison import describe_software
from text_metrics import answer_pairs, entry_answers

from biomedgpt_hf.disk.workers import available_cores
from biomedgpt_hf.evaluation.metrics.registry import all_metrics
from biomedgpt_hf.evaluation.prediction_files import read_predictions
from biomedgpt_hf.evaluation.resampling import break_down
from biomedgpt_hf.evaluation.results import save_results
from biomedgpt_hf.evaluation.scoring import score_table, tabulate
from biomedgpt_hf.sets.uniprotqa.builder import QUESTIONS


def main() -> None:
    """Read the command line and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--entries", type=Path, nargs="*", default=[])
    parser.add_argument("--rows", type=int, default=189_150)
    parser.add_argument("--processes", type=int, default=available_cores())
    arguments = parser.parse_args()
    print(describe_software(np, pyarrow))
    print("\n| step | own processor seconds | of others | elapsed | peak MB |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        path = write_answers(Path(folder) / "answers.jsonl", arguments.rows, arguments.entries)
        with step("read"):
            answers = read_predictions(path).answers
        metrics = all_metrics(tokenizer=arguments.tokenizer, processes=arguments.processes)
        with step("statistics"):
            tables = tabulate(answers, metrics, arguments.processes)
        with step("intervals"):
            scores = {name: score_table(table, resamples=1000) for name, table in tables.items()}
        with step("write"):
            save_results(Path(folder) / "metrics.json", scores, {("model", name): one for name, one in tables.items()})
    print("\n| items | kinds of question | seconds for the intervals of six scores |\n|---|---|---|")
    for items in (arguments.rows // 4, arguments.rows):
        for kinds in (1, 4, 57):
            seconds = intervals(arguments.rows, items, kinds)
            print(f"| {items:,} | {kinds} | {seconds:.1f} |", flush=True)


@contextmanager
def step(name: str) -> Iterator[None]:
    """Print a line about what is done inside."""
    started, own, others = time.perf_counter(), time.process_time(), _others()
    yield
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    spent = time.process_time() - own, _others() - others, time.perf_counter() - started
    print(f"| {name} | {' | '.join(f'{seconds:.1f}' for seconds in spent)} | {peak:,} |", flush=True)


def _others() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def write_answers(path: Path, rows: int, entries: list[Path]) -> Path:
    """Write predictions with their references."""
    predictions, references = answer_pairs(rows, list(entry_answers(entries)) if entries else None)
    with path.open("w", encoding="utf-8") as file:
        for place, (answer, reference) in enumerate(zip(predictions, references, strict=True)):
            question = QUESTIONS[place % len(QUESTIONS)]
            row: dict[str, Any] = {"id": str(place), "answer": answer, "reference": reference, "task": question.task}
            row |= {"question": question.text, "proteins": [f"MKT{place // len(QUESTIONS)}"]}
            file.write(json.dumps(row) + "\n")
    return path


def intervals(rows: int, items: int, kinds: int) -> float:
    """Return the processor time of 1,000 resamples of random statistics."""
    statistics = np.random.default_rng(0).random((rows, 15))

    def scores(sums: np.ndarray) -> dict[str, np.ndarray]:
        return {f"score {place}": sums[..., place] / np.maximum(sums[..., 14], 1e-9) for place in range(6)}

    units, parts = [str(row % items) for row in range(rows)], [str(row % kinds) for row in range(rows)]
    started = time.process_time()
    break_down(statistics, units, parts, scores)
    return time.process_time() - started


if __name__ == "__main__":
    main()
