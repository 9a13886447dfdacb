"""Measures whether a checkpoint's answers depend on the molecule or protein: its loss with the right item and another.

    python examples/measure_mini.py mini_data [--checkpoint C] [--output measure.json]

Input     the validation splits that examples/mini_data.py holds out by structure key and by protein
Measures  mean loss per answer token with the right item, and with another row's item in its place; their paired
          difference with a 95 % interval (bootstrap over rows, or over proteins, 10,000 resamples)
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import load_dataset
from transformers import AutoModelForMultimodalLM, AutoProcessor

from biomedgpt_hf import BioMedGPTDataCollator, mini_checkpoint


def main() -> None:
    """Read the command line, measure, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with captions/ and proteins/")
    parser.add_argument("--checkpoint", help="folder or Hub id; the embedded one by default")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    checkpoint = arguments.checkpoint or mini_checkpoint()
    processor = AutoProcessor.from_pretrained(checkpoint)
    model = AutoModelForMultimodalLM.from_pretrained(checkpoint, dtype=torch.float32)
    results = measure_sets(model, processor, arguments.data, arguments.seed)
    if arguments.output:
        arguments.output.write_text(json.dumps(results, indent=2) + "\n")


def measure_sets(model: Any, processor: Any, data: Path, seed: int = 0) -> dict[str, dict[str, Any]]:
    """Measures captions and proteins, and prints one line of figures for each."""
    model.eval()
    collator = BioMedGPTDataCollator(processor)
    results = {}
    for name, column in (("captions", "molecules"), ("proteins", "proteins")):
        rows = list(load_dataset(str(data / name), split="validation"))
        results[name] = measure(model, collator, rows, column, seed)
        print(name, json.dumps(results[name]))
    return results


def measure(model: Any, collator: Any, rows: list[dict[str, Any]], column: str, seed: int) -> dict[str, Any]:
    """Losses with the right and with another item, and the interval of their difference."""
    random = np.random.default_rng(seed)
    items = sorted({row[column][0] for row in rows})
    order = random.permutation(len(items))
    other = {items[i]: items[j] for i, j in zip(order, np.roll(order, 1), strict=True)}  # nobody keeps their own
    pairs = [(row, {**row, column: [other[row[column][0]]]}) for row in rows]
    kept = [pair for pair in pairs if all(is_within_limits(row, collator) for row in pair)]
    right, swapped = (losses(model, collator, side) for side in zip(*kept, strict=True))
    # One number for each item, since the questions about it are not independent.
    asked = np.array([row[column][0] for row, _ in kept])
    means = np.array([(swapped - right)[asked == item].mean() for item in np.unique(asked)])
    resampled = means[random.integers(len(means), size=(10_000, len(means)))].mean(1)
    low, high = np.percentile(resampled, [2.5, 97.5])
    return {
        "rows": len(kept),
        "rows_beyond_limits": len(rows) - len(kept),
        "items": len(means),
        "loss_right": round(float(right.mean()), 4),
        "loss_other": round(float(swapped.mean()), 4),
        "difference": round(float(means.mean()), 4),
        "interval_95": [round(float(low), 4), round(float(high), 4)],
        "excludes_zero": bool(low > 0),
    }


def is_within_limits(row: dict[str, Any], collator: Any) -> bool:
    """Whether the processor takes the row's protein and its whole text."""
    try:
        collator([row])
    except ValueError:
        return False
    return True


@torch.inference_mode()
def losses(model: Any, collator: Any, rows: list[dict[str, Any]]) -> np.ndarray:
    """Mean loss per answer token of each row, [rows]."""
    return np.array([model(**collator([row])).loss.item() for row in rows])


if __name__ == "__main__":
    main()
