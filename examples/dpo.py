"""Preference optimisation with TRL's DPOTrainer: which of two answers is the one about this molecule or protein?

    python examples/sft.py questions --output sft
    python examples/dpo.py questions --model sft --output dpo
    python examples/dpo.py pairs.jsonl --model sft --output dpo
    python examples/dpo.py questions --write-pairs pairs
    biomedgpt train dpo --model sft --train-data pairs --output-dir runs/dpo

The last line does the same by a recipe, with checkpoints to go on from, a report and a list of unreadable rows; this
script shows the trainer in Python, and makes pairs.

Input    a folder that a `biomedgpt data` command made: an answer is preferred to another row's to the same question, so
         that the model learns to look at the item; or JSON Lines with `messages` (up to the question), `molecules`,
         `proteins`, `chosen` and `rejected`
Writes   a checkpoint that `from_pretrained` loads; with --write-pairs, a folder of JSON Lines, a file for each split
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from datasets import Dataset, load_dataset
from transformers import AutoModelForMultimodalLM, AutoProcessor
from trl import DPOConfig

from biomedgpt_hf import mini_checkpoint
from biomedgpt_hf.training.trainers.dpo import BioMedGPTDPOTrainer

NO_PAIRS = "No question has two different answers, so there is nothing to prefer: give pairs in a .jsonl."


def main() -> None:
    """Read the command line, train, and save; or write pairs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="folder or Hub id of rows, or a .jsonl file of pairs")
    task = parser.add_mutually_exclusive_group(required=True)
    task.add_argument("--output", help="folder of the trained checkpoint")
    task.add_argument("--write-pairs", type=Path, metavar="FOLDER", help="write the pairs of a data set, and stop")
    parser.add_argument("--model", default=str(mini_checkpoint()), help="checkpoint; the embedded one by default")
    parser.add_argument("--epochs", type=float, default=1)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--learning-rate", type=float, default=1e-5)
    parser.add_argument("--beta", type=float, default=0.1)
    parser.add_argument("--max-steps", type=int, default=-1, help="stop early, to try the script")
    parser.add_argument("--cpu", action="store_true", help="train on the CPU, in float32")
    arguments = parser.parse_args()
    if arguments.write_pairs:
        write_pairs(arguments.data, arguments.write_pairs)
        return

    trainer = BioMedGPTDPOTrainer(
        AutoModelForMultimodalLM.from_pretrained(arguments.model, dtype="float32"),
        args=DPOConfig(
            output_dir=arguments.output,
            num_train_epochs=arguments.epochs,
            max_steps=arguments.max_steps,
            per_device_train_batch_size=arguments.batch_size,
            learning_rate=arguments.learning_rate,
            beta=arguments.beta,
            use_cpu=arguments.cpu,
            bf16=not arguments.cpu,
            logging_steps=1,
            save_strategy="no",
            report_to=[],
        ),
        train_dataset=read_pairs(arguments.data),
        processing_class=AutoProcessor.from_pretrained(arguments.model),
    )
    trainer.train()
    trainer.save_model()


def read_pairs(data: str) -> Dataset:
    """Return rows with `chosen` and `rejected`: those of a file, or made of the answers of a data set."""
    if data.endswith(".jsonl"):
        return load_dataset("json", data_files=data, split="train")
    pairs = make_pairs(load_dataset(data, split="train").to_list())
    if not pairs:
        raise SystemExit(NO_PAIRS)
    return Dataset.from_list(pairs)


def write_pairs(data: str, folder: Path) -> None:
    """Write the pairs of each split of a data set to a folder that `biomedgpt train dpo` reads."""
    made = {split: make_pairs(rows.to_list()) for split, rows in load_dataset(data).items()}
    if not made.get("train"):
        raise SystemExit(NO_PAIRS)
    folder.mkdir(parents=True)
    for split, pairs in made.items():
        if pairs:
            lines = (json.dumps(pair, ensure_ascii=False) + "\n" for pair in pairs)
            (folder / f"{split}.jsonl").write_text("".join(lines), "utf-8")
            print(f"Wrote {len(pairs):,} pairs to {folder / split}.jsonl")


def make_pairs(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Pair each row's answer with the next different one to the same question; a row without one is left out."""
    asked: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        *_, question, answer = row["messages"]
        asked[" ".join(block.get("text") or "" for block in question["content"])].append(
            {**row, "messages": row["messages"][:-1], "chosen": " ".join(b["text"] for b in answer["content"])}
        )
    pairs = []
    for alike in asked.values():
        for place, row in enumerate(alike):
            others = (other["chosen"] for other in alike[place + 1 :] + alike[:place])
            rejected = next((other for other in others if other != row["chosen"]), None)
            if rejected is not None:
                pairs.append({**row, "rejected": rejected})
    return pairs


if __name__ == "__main__":
    main()
