"""Preference optimisation with TRL's DPOTrainer: which of two answers is the one about this molecule or protein?

    python examples/sft.py questions --output sft
    python examples/dpo.py questions --model sft --output dpo
    python examples/dpo.py pairs.jsonl --model sft --output dpo

Input    a folder that a `biomedgpt data` command made: an answer is preferred to another row's to the same question, so
         that the model learns to look at the item; or JSON Lines with `messages` (up to the question), `molecules`,
         `proteins`, `chosen` and `rejected`
Writes   a checkpoint that `from_pretrained` loads
"""

import argparse
from collections import defaultdict
from typing import Any

from datasets import Dataset, load_dataset
from transformers import AutoModelForMultimodalLM, AutoProcessor
from trl import DPOConfig

from biomedgpt_hf import mini_checkpoint
from biomedgpt_hf.training.trainers.dpo import BioMedGPTDPOTrainer


def main() -> None:
    """Read the command line, trains, and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="folder or Hub id of rows, or a .jsonl file of pairs")
    parser.add_argument("--output", required=True)
    parser.add_argument("--model", default=str(mini_checkpoint()), help="checkpoint; the embedded one by default")
    parser.add_argument("--epochs", type=float, default=1)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--learning-rate", type=float, default=1e-5)
    parser.add_argument("--beta", type=float, default=0.1)
    parser.add_argument("--max-steps", type=int, default=-1, help="stop early, to try the script")
    parser.add_argument("--cpu", action="store_true", help="train on the CPU, in float32")
    arguments = parser.parse_args()

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
    return Dataset.from_list(make_pairs(load_dataset(data, split="train").to_list()))


def make_pairs(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Pairs each row's answer with the next different one to the same question; a row without one is left out."""
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
    if not pairs:
        raise SystemExit(
            "No question has two different answers, so there is nothing to prefer: give pairs in a .jsonl."
        )
    return pairs


if __name__ == "__main__":
    main()
