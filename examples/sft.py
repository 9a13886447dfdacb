"""Supervised fine-tuning with TRL's SFTTrainer, on questions with molecules, with proteins, with both or with neither.

    biomedgpt data table questions.csv --molecule-column smiles --question "Is it toxic?" --answer-column answer \
        --output questions
    python examples/sft.py questions --output sft
    python examples/sft.py questions --output sft-lora --model CHECKPOINT --lora

`biomedgpt train sft` does the same by a recipe, with checkpoints to go on from, a report and a list of unreadable rows;
this script shows the trainer in Python.

Input    a folder that a `biomedgpt data` command made, or a data set of the same columns on the Hub
Writes   a checkpoint, or an adapter with --lora, which `from_pretrained` loads
"""

import argparse

from datasets import load_dataset
from peft import LoraConfig
from transformers import AutoModelForMultimodalLM, AutoProcessor
from trl import SFTConfig

from biomedgpt_hf import mini_checkpoint
from biomedgpt_hf.training.trainers.sft import BioMedGPTSFTTrainer

LORA = LoraConfig(
    r=16,
    task_type="CAUSAL_LM",
    target_modules=r".*language_model\..*\.(q_proj|k_proj|v_proj|o_proj)",  # "all-linear" would adapt the encoders too
    modules_to_save=["molecule_projector", "protein_projector", "molecule_encoder"],
)


def main() -> None:
    """Read the command line, train, and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="folder or Hub id of rows")
    parser.add_argument("--output", required=True)
    parser.add_argument("--model", default=str(mini_checkpoint()), help="checkpoint; the embedded one by default")
    parser.add_argument("--lora", action="store_true", help="train adapters, projectors and the molecule encoder only")
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=2e-4)
    parser.add_argument("--max-steps", type=int, default=-1, help="stop early, to try the script")
    parser.add_argument("--cpu", action="store_true", help="train on the CPU, in float32")
    arguments = parser.parse_args()

    rows = load_dataset(arguments.data)
    trainer = BioMedGPTSFTTrainer(
        AutoModelForMultimodalLM.from_pretrained(arguments.model, dtype="float32"),
        SFTConfig(
            output_dir=arguments.output,
            num_train_epochs=arguments.epochs,
            max_steps=arguments.max_steps,
            per_device_train_batch_size=arguments.batch_size,
            learning_rate=arguments.learning_rate,
            use_cpu=arguments.cpu,
            bf16=not arguments.cpu,
            logging_steps=1,
            save_strategy="no",
            report_to=[],
        ),
        train_dataset=rows["train"],
        eval_dataset=rows.get("validation"),
        processing_class=AutoProcessor.from_pretrained(arguments.model),
        peft_config=LORA if arguments.lora else None,
    )
    trainer.train()
    if "validation" in rows:
        print(trainer.evaluate())
    trainer.save_model()


if __name__ == "__main__":
    main()
