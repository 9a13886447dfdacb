"""Padding and cost of batches of similar length, and the time it takes to know the lengths.

    python benchmarks/batching.py [--rows 100000] [--batch-size 16] [--max-tokens 16384] [--repeats 5]

Measures  forward FLOPs of each way to make batches against the same rows without any padding: of the protein encoder,
          and of the encoder and the language model together; then the time of `row_lengths` against the collator's,
          medians of paired ratios, alternating in one process on one thread
Input     lengths drawn like real ones: Swiss-Prot's residues (lognormal, median 300, at most 1,022), ChEBI-20's atoms
          and captions, UniProtQA's four kinds of answers; for the times, 256 rows and the embedded checkpoint
Counts    ESM-2 of 3B parameters and a Llama of 7B, as BioMedGPT-10B has them; graphs have no padding
Checks    first, that `row_lengths` and the collator agree
Writes    tables with versions and commit
"""

import argparse
import os
from collections.abc import Sequence
from typing import NamedTuple

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # one thread, before tokenizers is imported

import numpy as np
import torch
import transformers
from comparison import describe_software, ratio

from biomedgpt_hf import BioMedGPTDataCollator, BioMedGPTProcessor, mini_checkpoint
from biomedgpt_hf.batches.batching import LengthBatchSampler, padding_share
from biomedgpt_hf.rows.schema import question_row

PROMPT = 45  # tokens of the paper's prompt and a question
ANSWERS = {"function": (190, 0.95), "names": (40, 0.6), "family": (15, 0.3), "location": (30, 0.6)}  # median, spread


class Transformer(NamedTuple):
    """What a layer's FLOPs follow from; `mlp` counts the matrices between its two widths."""

    layers: int
    width: int
    inner: int
    mlp: int

    def flops(self, longest: np.ndarray, tokens: np.ndarray) -> float:
        """Return the forward FLOPs of sequences: `tokens` of them in all, each padded to `longest`."""
        weights = 4 * self.width**2 + self.mlp * self.width * self.inner
        return float((self.layers * tokens * (2.0 * weights + 4.0 * longest * self.width)).sum())


ENCODER, LANGUAGE_MODEL = Transformer(36, 2560, 10240, 2), Transformer(32, 4096, 11008, 3)


class Rows(NamedTuple):
    """Tokens of each row's protein, 0 where it has none, and of the whole row."""

    residues: np.ndarray
    total: np.ndarray


def main() -> None:
    """Draws, compares, times, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--max-tokens", type=int, default=16_384)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(describe_software(transformers, np) + "\n")
    random = np.random.default_rng(0)
    molecules, proteins = draw_molecules(random, arguments.rows), draw_proteins(random, arguments.rows)
    half = slice(arguments.rows // 2)
    mixed = Rows(*(np.concatenate([one[half], other[half]]) for one, other in zip(molecules, proteins, strict=True)))
    for name, rows in (("molecules", molecules), ("proteins", proteins), ("molecules and proteins", mixed)):
        compare(name, rows, arguments.batch_size, arguments.max_tokens)
    compare_times(arguments.repeats)


def draw(random: np.random.Generator, count: int, median: float, spread: float, most: int) -> np.ndarray:
    """Return whole numbers from a lognormal distribution."""
    return np.clip(random.lognormal(np.log(median), spread, count), 1, most).astype(int)


def draw_molecules(random: np.random.Generator, count: int) -> Rows:
    atoms, caption = draw(random, count, 25, 0.7, 300), draw(random, count, 90, 0.42, 600)
    return Rows(np.zeros(count, int), PROMPT + atoms + caption)


def draw_proteins(random: np.random.Generator, count: int) -> Rows:
    """Return rows of proteins, each with one of the four questions."""
    residues = draw(random, count, 300, 0.6, 1022) + 2  # start and end
    drawn = np.stack([draw(random, count, median, spread, 1500) for median, spread in ANSWERS.values()])
    answer = np.take_along_axis(drawn, random.integers(len(drawn), size=(1, count)), axis=0)[0]
    return Rows(residues, PROMPT + residues + answer)


def compare(name: str, rows: Rows, batch_size: int, max_tokens: int) -> None:
    """Print what each way to make batches costs."""
    count = len(rows.total)
    order = np.random.default_rng(1).permutation(count)
    ways: dict[str, Sequence[np.ndarray]] = {
        f"random, {batch_size} rows": np.split(order, range(batch_size, count, batch_size)),
        f"by total length, {batch_size} rows": sample(rows.total, max_rows=batch_size),
        f"by total length, {max_tokens:,} tokens": sample(rows.total, max_tokens=max_tokens),
        "the same, without chance": sample(rows.total, max_tokens=max_tokens, shuffle=False),
    }
    if rows.residues.all():
        ways[f"by residues, {batch_size} rows"] = sample(rows.residues, max_rows=batch_size)
        ways[f"by residues, {max_tokens:,} residues"] = sample(rows.residues, max_tokens=max_tokens)
    print(f"| {name}: batches | number | padding | encoder | encoder and language model |\n|---|---|---|---|---|")
    alone = cost(rows, np.arange(count)[:, None])
    for way, batches in ways.items():
        encoder, language_model = cost(rows, batches)
        share = padding_share(rows.total, batches)
        of_encoder = f"{encoder / alone[0]:.3f}" if alone[0] else "none"
        whole = (encoder + language_model) / sum(alone)
        print(f"| {way} | {len(batches):,} | {share:.1%} | {of_encoder} | {whole:.3f} |")
    print("\nThe last two columns: no padding = 1.\n")


def sample(lengths: np.ndarray, **options: int | bool) -> list[np.ndarray]:
    return LengthBatchSampler(lengths, **options).global_batches()


def cost(rows: Rows, batches: Sequence[np.ndarray]) -> tuple[float, float]:
    """Return the FLOPs of encoder and language model."""
    longest = np.array([rows.total[batch].max() for batch in batches])
    sizes = np.array([len(batch) for batch in batches])
    longest_protein = np.array([rows.residues[batch].max() for batch in batches])
    proteins = np.array([np.count_nonzero(rows.residues[batch]) for batch in batches])
    return ENCODER.flops(longest_protein, longest_protein * proteins), LANGUAGE_MODEL.flops(longest, longest * sizes)


def compare_times(repeats: int) -> None:
    """Print how long knowing the lengths takes, of rows of either kind."""
    collator = BioMedGPTDataCollator(BioMedGPTProcessor.from_pretrained(mini_checkpoint()))
    random = np.random.default_rng(2)
    words = "the molecule protein acts as an inhibitor of membrane binding and derives from phenyl acid".split()
    kinds: dict[str, list[dict[str, object]]] = {"molecules": [], "proteins": []}
    for _ in range(256):
        answer = " ".join(random.choice(words, draw(random, 1, 40, 0.4, 150)[0]))
        smiles = "".join(random.choice(["C", "C(O)", "C(=O)", "N", "c1ccccc1", "C(Cl)"], 12))
        sequence = "".join(random.choice(list("ACDEFGHIKLMNPQRSTVWY"), draw(random, 1, 300, 0.6, 1022)[0]))
        for kind, item in (("molecules", smiles), ("proteins", sequence)):
            row = question_row("What is it?", answer, task="t", source="s", id="i", license="l", **{kind: [item]})
            kinds[kind].append(row)
    print("| rows | row_lengths, the collator's batches of 16 = 1 |\n|---|---|")
    for kind, rows in kinds.items():
        batches = [rows[at : at + 16] for at in range(0, len(rows), 16)]
        counted = np.concatenate([collator(batch)["attention_mask"].sum(dim=1).numpy() for batch in batches])
        if not np.array_equal(counted, collator.row_lengths(rows)):
            raise SystemExit("row_lengths and the collator do not agree.")
        share = ratio(
            lambda rows=rows: collator.row_lengths(rows), lambda batches=batches: [*map(collator, batches)], repeats
        )
        print(f"| {kind} | {share:.2f} |")


if __name__ == "__main__":
    main()
