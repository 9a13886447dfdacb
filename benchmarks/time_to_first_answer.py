"""The time from the command to the first answer.

    python benchmarks/time_to_first_answer.py [--repeats 7]

Measures  `biomedgpt ask` about a molecule, about a protein and about none, by the embedded checkpoint, each a process
          of its own, against a process that imports torch and transformers' Auto classes; medians of paired ratios,
          alternating, of elapsed and of processor time, on one thread
Input     ten new tokens, so that the answer itself takes little; `--max-new-tokens` for longer ones
Asserts   first, that each command answers, and that it answers the same each time
Writes    a table with versions and commit
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Sequence
from subprocess import DEVNULL, PIPE

import torch
import transformers
from comparison import describe_software, seconds

IMPORTS = [sys.executable, "-c", "import torch; from transformers import AutoModelForCausalLM, AutoProcessor"]
ASPIRIN = "CC(=O)OC1=CC=CC=C1C(=O)O"
UBIQUITIN = "MQIFVKTLTGKTITLEVEPSDTIENVKAKIQDKEGIPPDQQRLIFAGKQLEDGRTLSDYNIQKESTLHLVLRLRGG"
ASKED = {
    "a molecule": ["--molecule", ASPIRIN],
    "a protein": ["--protein", UBIQUITIN],
    "no item": [],
}


def main() -> None:
    """Ask about each kind of item, in turn with the imports; prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--max-new-tokens", type=int, default=10)
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    ask = [sys.executable, "-m", "biomedgpt_command", "ask", "Please describe it."]
    ask += ["--max-new-tokens", str(arguments.max_new_tokens)]
    print(f"{describe_software(torch, transformers)}\n")
    print("| asked about | elapsed, imports = 1 | processor, imports = 1 |")
    print("|---|---|---|")
    for kind, options in ASKED.items():
        answer = run([*ask, *options])[2]  # the files of both are in the system's cache then
        run(IMPORTS)
        if not answer.strip():
            raise SystemExit(f"There was no answer about {kind}.")
        elapsed, processor = [], []
        for _ in range(arguments.repeats):
            wall, cpu, again = run([*ask, *options])
            if again != answer:
                raise SystemExit(f"The answers about {kind} differ.")
            imports_wall, imports_cpu, _ = run(IMPORTS)
            elapsed.append(wall / imports_wall)
            processor.append(cpu / imports_cpu)
        print(f"| {kind} | {statistics.median(elapsed):.2f} | {statistics.median(processor):.2f} |")


def run(command: Sequence[str]) -> tuple[float, float, str]:
    """Return the elapsed and the processor time of a process in seconds, and what it printed."""
    printed: list[str] = []
    before = processor_time()
    wall = seconds(
        lambda: printed.append(subprocess.run(command, check=True, text=True, stdout=PIPE, stderr=DEVNULL).stdout)
    )
    return wall, processor_time() - before, printed[0]


def processor_time() -> float:
    """Return the processor time of all processes that were started from here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
