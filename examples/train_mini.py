"""Trains the embedded mini checkpoint from scratch, with the plain Hugging Face Trainer.

    python examples/mini_data.py RAW_FILES mini_data
    python examples/train_mini.py mini_data --work runs/mini --output src/biomedgpt_hf/mini

Model     examples/mini/model.py: a small Llama with a BPE tokenizer of its own and heads that copy, a GIN over `ogb`
          features, a small ESM
Data      examples/mini/rows.py: the sets that examples/mini_data.py writes, in fixed shares, with and without evidence
Chooses   the checkpoint whose answers to held-out questions have the highest BLEU-2
Resumes   from --work, where its checkpoints are, when the same command is given again
Takes     an hour and a half on two cores
"""

import argparse
import json
import random
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from measure_mini import measure_sets
from mini.model import make_model, make_processor, train_tokenizer
from mini.rows import MOST_NEIGHBOURS, DrawnRows, Draws, answer_of, drawn_row, question_of, read_samples
from mini.trainer import MiniTrainer
from transformers import (
    PreTrainedTokenizerFast,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    set_seed,
)
from transformers.trainer_utils import get_last_checkpoint

from biomedgpt_hf import BioMedGPTDataCollator, BioMedGPTForConditionalGeneration, BioMedGPTProcessor
from biomedgpt_hf.publishing.card_file import write_model_card

NO_CODE = "This folder holds no code: it needs the package.\n\n"
LICENCE = """\
## Licence

The code is Apache-2.0. The weights started from random numbers. They are under CC BY 4.0, as are all rows that they
were trained on: captions of ChEBI-20 and definitions of the ChEBI ontology (ChEBI, EMBL-EBI), and annotations of
UniProtKB/Swiss-Prot (UniProt Consortium). Whoever passes the weights on names these sources.

"""
LONGEST = 480  # tokens of a row without its evidence, estimated; longer ones are left out and counted
QUESTIONS = 64  # held-out rows of each kind, to choose the best checkpoint by


def main() -> None:
    """Read the data, train tokenizer and model, and write the checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder that examples/mini_data.py has made")
    parser.add_argument("--work", type=Path, required=True, help="folder for checkpoints, outside of the package")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=2000, help="optimizer steps of the whole training")
    parser.add_argument("--stop-after", type=int, help="end after so many steps, to try the script")
    parser.add_argument("--tokens", type=int, default=3500, help="of a batch, with padding")
    parser.add_argument("--batches-of-a-step", type=int, default=3)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--evaluate-every", type=int, default=250, help="steps")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    set_seed(arguments.seed)

    learnt, held_out = read_samples(arguments.data, LONGEST)
    arguments.work.mkdir(parents=True, exist_ok=True)
    vocabulary = arguments.work / "tokenizer"
    if not vocabulary.exists():
        texts = [text for sample in learnt for text in (question_of(sample.row), answer_of(sample.row))]
        known = [f"Known molecule, similarity {number / 100:.2f}: " for number in range(100)]
        train_tokenizer([*texts, *known]).save_pretrained(vocabulary)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(vocabulary)
    processor = make_processor(tokenizer)
    model = make_model(processor)
    print({name: f"{sum(p.numel() for p in part.parameters()):,}" for name, part in model.model.named_children()})

    chance = random.Random(arguments.seed)
    captions = [sample for sample in held_out if sample.task == "molecule_caption" and sample.row["id"][:4] == "CID:"]
    facts = [sample for sample in held_out if sample.task == "molecule_fact"]
    captions, facts = (chance.sample(rows, min(QUESTIONS, len(rows))) for rows in (captions, facts))
    questions = {
        "alone": [drawn_row(sample, 0) for sample in captions],
        "evidence": [drawn_row(sample, MOST_NEIGHBOURS - 1) for sample in captions],
        "facts": [drawn_row(sample, 0) for sample in facts],
    }
    words = [tokenizer.decode([number]) for number in range(300, len(tokenizer) - 2)]
    trainer = MiniTrainer(
        Draws(learnt, arguments.steps * arguments.batches_of_a_step, arguments.tokens, arguments.seed),
        questions,
        model=model,
        args=TrainingArguments(
            output_dir=str(arguments.work),
            max_steps=arguments.steps,
            gradient_accumulation_steps=arguments.batches_of_a_step,
            learning_rate=arguments.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=50,
            weight_decay=0.05,
            adam_beta2=0.98,
            bf16=True,
            remove_unused_columns=False,
            eval_strategy="steps",
            eval_steps=arguments.evaluate_every,
            save_strategy="steps",
            save_steps=arguments.evaluate_every,
            save_total_limit=3,
            load_best_model_at_end=True,
            metric_for_best_model="eval_bleu2",
            greater_is_better=True,
            logging_steps=20,
            logging_first_step=True,
            report_to="none",
            seed=arguments.seed,
            use_cpu=not torch.cuda.is_available(),
        ),
        processing_class=processor,
        data_collator=BioMedGPTDataCollator(processor),
        train_dataset=DrawnRows(learnt, words),
        eval_dataset=[],
        callbacks=[StopAfter(arguments.stop_after)] if arguments.stop_after else [],
    )
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(arguments.work)))


class StopAfter(TrainerCallback):
    """Ends the training after some steps, as if it had been cut off there."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_step_end(self, _: Any, state: TrainerState, control: TrainerControl, **__: Any) -> None:
        """Stop where enough steps are done."""
        control.should_training_stop |= state.global_step >= self.steps


def describe(result: dict[str, Any]) -> str:
    """Return the figures of `measure` in a sentence for the model card."""
    low, high = result["interval_95"]
    verdict = "the answer depends on the item" if result["excludes_zero"] else "no effect of the item is shown"
    return (
        f"loss per answer token {result['loss_right']} with the right item and {result['loss_other']} with another's "
        f"({result['rows']} rows, {result['items']} items; difference {result['difference']}, 95 % interval {low} to "
        f"{high}): {verdict}"
    )


def save(model: BioMedGPTForConditionalGeneration, processor: BioMedGPTProcessor, output: Path) -> None:
    """Write the checkpoint without the code, which the package around it has anyway."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        model.save_pretrained(folder)
        processor.save_pretrained(folder)
        for path in folder.glob("*.py"):
            path.unlink()
        for name in ("config.json", "processor_config.json"):
            settings = json.loads((folder / name).read_text())
            del settings["auto_map"]
            (folder / name).write_text(json.dumps(settings, indent=2) + "\n")
        write_model_card(model, folder, license="cc-by-4.0")
        before, _, after = (folder / "README.md").read_text().partition("In a process without the package")
        inside = after.partition("\n\n")[2].partition("## Licence")[0]
        citation = after.partition("## Citation")[2]
        words = (before, NO_CODE, inside, LICENCE, "## Citation", citation)
        (folder / "README.md").write_text("".join(words))
        for path in folder.rglob("*"):
            if path.is_file():
                target = output / path.relative_to(folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
    print(f"wrote {output}, {sum(path.stat().st_size for path in output.rglob('*')) / 2**20:.1f} MB")


if __name__ == "__main__":
    main()
