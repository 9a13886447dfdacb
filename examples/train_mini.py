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
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mini.copying import practise
from mini.model import make_model, make_processor, train_tokenizer
from mini.rows import (
    MOST_NEIGHBOURS,
    SETS,
    DrawnRows,
    Draws,
    Row,
    Sample,
    answer_of,
    drawn_row,
    question_of,
    read_samples,
)
from mini.trainer import EvidenceCollator, MiniTrainer
from transformers import (
    PreTrainedTokenizerFast,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    set_seed,
)
from transformers.trainer_utils import get_last_checkpoint

from biomedgpt_hf import BioMedGPTForConditionalGeneration, BioMedGPTProcessor
from biomedgpt_hf.publishing.card_file import write_model_card
from biomedgpt_hf.publishing.card_mark import mark_card, without_mark

NO_CODE = "This folder holds no code: it needs the package.\n\n"
LICENCE = """\
## Licence

The code is Apache-2.0. The weights started from random numbers. They are under CC BY 4.0, as is what they were trained
on or freer: captions of ChEBI-20 and the ChEBI ontology (ChEBI, EMBL-EBI), annotations of UniProtKB/Swiss-Prot (UniProt
Consortium), descriptions of the Saccharomyces Genome Database, DeepLoc's locations (DTU; from UniProtKB), names and EC
numbers that Prokka's databases have from UniProtKB and NCBI (public domain), IUPAC names of PubChem (public domain).
Whoever passes the weights on names these sources.

"""
LONGEST = 360  # tokens of a row without its evidence, estimated; longer ones are left out and counted
QUESTIONS = 64  # held-out rows of each kind, to choose the best checkpoint by
WORDS_FROM = 300  # first token that is more than one letter, for random words


def main() -> None:
    """Read the data, train tokenizer and model, and write the checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder that examples/mini_data.py has made")
    parser.add_argument("--work", type=Path, required=True, help="folder for checkpoints, outside of the package")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1800, help="optimizer steps of the whole training")
    parser.add_argument("--repetitions", type=int, default=150, help="steps of pure repetition before it")
    parser.add_argument("--stop-after", type=int, help="end after so many steps, with the best checkpoint so far")
    parser.add_argument("--tokens", type=int, default=3500, help="of a batch, with padding")
    parser.add_argument("--batches-of-a-step", type=int, default=3)
    parser.add_argument("--learning-rate", type=float, default=1.5e-3)
    parser.add_argument("--evaluate-every", type=int, default=250, help="steps")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    set_seed(arguments.seed)

    learnt, held_out = read_samples(arguments.data, LONGEST)
    processor = make_processor(open_tokenizer(arguments.work / "tokenizer", learnt))
    model = make_model(processor)
    print({name: f"{sum(p.numel() for p in part.parameters()):,}" for name, part in model.model.named_children()})
    if not get_last_checkpoint(str(arguments.work)):
        tokens = (len(processor.tokenizer.all_special_tokens), len(processor.tokenizer) - 2)  # no placeholders
        right = practise(model.model.language_model, model.lm_head, arguments.repetitions, tokens)
        print(f"{right:.0%} of random tokens are repeated rightly", flush=True)
    trainer = make_trainer(arguments, model, processor, learnt, held_out)
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(arguments.work)))
    model.config.molecule_config.train_batch_norm = False  # its statistics are made: fine-tuning keeps them
    model.config.card = {"title": "BioMedGPT mini"}
    model.config.training = {
        "trained": "from scratch with examples/train_mini.py, all parameters at once; heads that copy were written "
        "into the language model before (examples/mini/copying.py)",
        "data": f"{len(learnt):,} questions and answers, drawn in fixed shares (examples/mini/rows.py)",
        "left out": "every molecule of the ChEBI-20 test split by structure key, stereo and salts ignored; and the "
        f"validation splits, {len(held_out):,} rows",
        "run": f"{trainer.state.global_step:,} of {arguments.steps:,} steps of {arguments.batches_of_a_step} batches "
        f"of at most {arguments.tokens:,} tokens, rate {arguments.learning_rate}, seed {arguments.seed}",
        "weights": f"of {Path(trainer.state.best_model_checkpoint or '').name}, the best by the mean BLEU-2 of "
        f"{QUESTIONS} answers each to held-out captions alone, with evidence, and to held-out facts",
        "purpose": "demonstration; much of what it claims about a molecule or protein is wrong",
    }
    save(model.float(), processor, arguments.output, sources(arguments.data))


def open_tokenizer(folder: Path, learnt: Sequence[Sample]) -> PreTrainedTokenizerFast:
    """Return the tokenizer of a folder, where it is trained first if there is none."""
    if not folder.exists():
        texts = [text for sample in learnt for text in (question_of(sample.row), answer_of(sample.row))]
        known = [f"Known molecule, similarity {number / 100:.2f}: " for number in range(100)]
        train_tokenizer([*texts, *known]).save_pretrained(folder)
    return PreTrainedTokenizerFast.from_pretrained(folder)


def make_trainer(
    arguments: argparse.Namespace,
    model: BioMedGPTForConditionalGeneration,
    processor: BioMedGPTProcessor,
    learnt: Sequence[Sample],
    held_out: Sequence[Sample],
) -> MiniTrainer:
    """Return the trainer of the whole run."""
    tokenizer = processor.tokenizer
    training = TrainingArguments(
        output_dir=str(arguments.work),
        max_steps=arguments.steps,
        gradient_accumulation_steps=arguments.batches_of_a_step,
        learning_rate=arguments.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=100,
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
    )
    words = [tokenizer.decode([number]) for number in range(min(WORDS_FROM, len(tokenizer) // 2), len(tokenizer) - 2)]
    return MiniTrainer(
        Draws(learnt, arguments.steps * arguments.batches_of_a_step, arguments.tokens, arguments.seed),
        held_out_questions(held_out, arguments.seed),
        model=model,
        args=training,
        processing_class=processor,
        data_collator=EvidenceCollator(processor),
        train_dataset=DrawnRows(learnt, words),
        eval_dataset=[],
        callbacks=[StopAfter(arguments.stop_after)] if arguments.stop_after else [],
    )


def held_out_questions(held_out: Sequence[Sample], seed: int) -> dict[str, list[Row]]:
    """Return the rows whose answers choose the best checkpoint: captions of ChEBI-20, both ways, and facts."""
    chance = random.Random(seed)
    captions = [sample for sample in held_out if sample.task == "molecule_caption" and sample.row["id"][:4] == "CID:"]
    facts = [sample for sample in held_out if sample.task == "molecule_fact"]
    captions, facts = (chance.sample(rows, min(QUESTIONS, len(rows))) for rows in (captions, facts))
    asked = {"alone": (captions, 0), "evidence": (captions, MOST_NEIGHBOURS), "facts": (facts, 0)}
    return {name: [drawn_row(one, known) for one in samples] for name, (samples, known) in asked.items() if samples}


class StopAfter(TrainerCallback):
    """Ends the training after some steps, as if it had been cut off there."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_step_end(self, _: Any, state: TrainerState, control: TrainerControl, **__: Any) -> None:
        """Stop where enough steps are done."""
        control.should_training_stop |= state.global_step >= self.steps


def sources(data: Path) -> str:
    """Return the section of the card that tells by their hashes which files were learnt from."""
    hashes = {
        source["file"]: source["sha256"]
        for name in SETS
        for source in json.loads((data / name / "manifest.json").read_text("utf-8"))["sources"]
    }
    lines = "\n".join(f"- `{name}` {digest[:16]}" for name, digest in sorted(hashes.items()))
    return f"## Sources\n\nThe raw files, with the first 16 digits of each SHA-256.\n\n{lines}\n\n"


def save(
    model: BioMedGPTForConditionalGeneration, processor: BioMedGPTProcessor, output: Path, learnt_from: str
) -> None:
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
        words = (before, NO_CODE, inside, learnt_from, LICENCE, "## Citation", citation)
        (folder / "README.md").write_text(mark_card(without_mark("".join(words))))  # `evaluate --update-card` heeds it
        for path in folder.rglob("*"):
            if path.is_file():
                target = output / path.relative_to(folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
    print(f"wrote {output}, {sum(path.stat().st_size for path in output.rglob('*')) / 2**20:.1f} MB")


if __name__ == "__main__":
    main()
