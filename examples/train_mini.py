"""Trains the embedded mini checkpoint from scratch, with the plain Hugging Face Trainer.

    python examples/mini_data.py RAW_FILES mini_data
    python examples/train_mini.py mini_data --output src/biomedgpt_hf/mini

Model     a small Llama with a BPE tokenizer of its own, a GIN over `ogb` features, a small ESM
Data      the two folders that examples/mini_data.py writes, train split; the validation split picks the best epoch
Takes     under an hour on two cores
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, concatenate_datasets, load_dataset
from measure_mini import measure_sets
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import EsmConfig, LlamaConfig, PreTrainedTokenizerFast, Trainer, TrainingArguments, set_seed

from biomedgpt_hf import BioMedGPTDataCollator, BioMedGPTForConditionalGeneration, BioMedGPTProcessor, GINConfig
from biomedgpt_hf.publishing.card_file import write_model_card

VOCAB_SIZE = 4096
CONTEXT_LENGTH = 2048
NO_CODE = "This folder holds no code: it needs the package.\n\n"
LICENCE = """\
## Licence

The code is Apache-2.0. The weights started from random numbers. They are under CC BY 4.0, as are all rows that they
were trained on: captions of ChEBI-20 and definitions of the ChEBI ontology (ChEBI, EMBL-EBI), and annotations of
UniProtKB/Swiss-Prot (UniProt Consortium). Whoever passes the weights on names these sources.

"""
LONGEST_SAMPLE = 512  # tokens; longer training rows are left out and counted


def main() -> None:
    """Read the data, train tokenizer and model, and write the checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with captions/ and proteins/")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--epochs", type=float, default=10)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--start-from", type=Path, help="go on from the weights of an earlier run on the same data")
    parser.add_argument("--max-steps", type=int, default=-1, help="stop early, to try the script")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    set_seed(arguments.seed)

    sets = {name: load_dataset(str(arguments.data / name)) for name in ("captions", "proteins")}
    train = concatenate_datasets([rows["train"] for rows in sets.values()])
    tokenizer = train_tokenizer(train)
    processor = BioMedGPTProcessor.from_parts(
        tokenizer, molecule_features="ogb", protein_feature_select="residues", max_context_length=CONTEXT_LENGTH
    )
    collator = BioMedGPTDataCollator(processor)
    rows = {"train": keep_short(train, collator)}
    rows |= {name: keep_short(splits["validation"], collator) for name, splits in sets.items()}

    if arguments.start_from:
        model = BioMedGPTForConditionalGeneration.from_pretrained(arguments.start_from)
    else:
        model = make_model(processor)
    print({name: f"{sum(p.numel() for p in part.parameters()):,}" for name, part in model.model.named_children()})
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=model,
            args=TrainingArguments(
                output_dir=folder,
                num_train_epochs=arguments.epochs,
                max_steps=arguments.max_steps,
                per_device_train_batch_size=arguments.batch_size,
                per_device_eval_batch_size=arguments.batch_size,
                learning_rate=arguments.learning_rate,
                lr_scheduler_type="cosine",
                warmup_steps=100,
                weight_decay=0.1,
                train_sampling_strategy="group_by_length",
                length_column_name="length",
                remove_unused_columns=False,
                eval_strategy="epoch",
                save_strategy="epoch",
                save_total_limit=1,
                save_only_model=True,
                load_best_model_at_end=True,
                metric_for_best_model="eval_captions_loss",
                logging_steps=50,
                report_to="none",
                seed=arguments.seed,
                use_cpu=not torch.cuda.is_available(),
            ),
            data_collator=collator,
            train_dataset=rows["train"],
            eval_dataset={"captions": rows["captions"], "proteins": rows["proteins"]},
        )
        trainer.train()
        history = [record for record in trainer.state.log_history if "eval_captions_loss" in record]
    best = min(history, key=lambda record: record["eval_captions_loss"], default={})
    model.config.molecule_config.train_batch_norm = False  # its statistics are made: fine-tuning keeps them
    model.config.card = {"title": "BioMedGPT mini"}
    model.config.training = {
        "trained": "from scratch with examples/train_mini.py, all parameters at once"
        + (", in more than one run" if arguments.start_from else ""),
        "data": f"{len(rows['train']):,} questions and answers: ChEBI-20 validation captions, ChEBI ontology "
        "definitions, Swiss-Prot annotations (all CC BY 4.0)",
        "left out": "every molecule of the ChEBI-20 test split and 500 validation molecules, by structure key",
        "last run": f"{trainer.state.global_step:,} steps of {arguments.batch_size} rows, rate "
        f"{arguments.learning_rate}; weights of epoch {best.get('epoch', 0):.0f}",
        "purpose": "demonstration; most of what it claims about a molecule or protein is wrong",
    }
    save(model, processor, arguments.output)
    measured = measure_sets(model, processor, arguments.data)
    model.config.training |= {f"held-out {name}": describe(result) for name, result in measured.items()}
    save(model, processor, arguments.output)


def train_tokenizer(rows: Dataset) -> PreTrainedTokenizerFast:
    """Return a byte-level BPE over the training texts."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE - 2,  # the two placeholders come on top
        special_tokens=["<pad>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    template = BioMedGPTProcessor.from_parts(PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>"))
    prompts = [template.apply_chat_template(messages, tokenize=False) for messages in example_conversations()]
    texts = (part["text"] for row in rows for message in row["messages"] for part in message["content"] if part["text"])
    tokenizer.train_from_iterator([*prompts, *texts], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", padding_side="left"
    )


def example_conversations() -> list[list[dict[str, Any]]]:
    """One conversation of each kind, so that the prompt's own words become tokens."""
    items = [[{"type": "molecule", "molecule": "C"}], [{"type": "protein", "protein": "M"}], []]
    return [[{"role": "user", "content": [*item, {"type": "text", "text": "?"}]}] for item in items]


def keep_short(rows: Dataset, collator: BioMedGPTDataCollator) -> Dataset:
    """Rows of at most `LONGEST_SAMPLE` tokens, with their lengths."""
    lengths = []
    for row in rows:
        try:
            lengths.append(collator([row])["input_ids"].shape[1])
        except ValueError as error:  # a protein beyond the processor's limit
            print(f"left out {row['id']}: {error}")
            lengths.append(LONGEST_SAMPLE + 1)
    kept = [i for i, length in enumerate(lengths) if length <= LONGEST_SAMPLE]
    print(f"{len(kept)} of {len(rows)} rows have at most {LONGEST_SAMPLE} tokens")
    return rows.add_column("length", lengths).select(kept)


def make_model(processor: BioMedGPTProcessor) -> BioMedGPTForConditionalGeneration:
    """Return the network, with new weights."""
    tokenizer = processor.tokenizer
    model = BioMedGPTForConditionalGeneration.from_encoders(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=192,
            intermediate_size=512,
            num_hidden_layers=4,
            num_attention_heads=6,
            max_position_embeddings=CONTEXT_LENGTH,
            tie_word_embeddings=True,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        ),
        EsmConfig(
            vocab_size=len(processor.protein_tokenizer),
            hidden_size=96,
            intermediate_size=288,
            num_hidden_layers=3,
            num_attention_heads=6,
            position_embedding_type="rotary",
            token_dropout=False,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            layer_norm_eps=1e-5,
            pad_token_id=processor.protein_tokenizer.pad_token_id,
            mask_token_id=processor.protein_tokenizer.mask_token_id,
        ),
        GINConfig(
            feature_set="ogb", hidden_size=128, num_hidden_layers=5, hidden_dropout_prob=0.1, train_batch_norm=True
        ),
        processor=processor,
    )
    processor.check_model(model.config)
    return model


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
