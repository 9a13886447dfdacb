"""Speed of the processor on proteins: tokenising their residues, and making room for them in the prompt.

    python benchmarks/protein_tokenizing.py [--tokenizer FOLDER] [--repeats 200]

Measures  the residue table against EsmTokenizer, whole batches, tensors made; a prompt with N placeholders against
          the same prompt without its item, and against expanding the text and tokenising that; medians of paired
          ratios, alternating in one process on one thread
Input     64 random proteins of Swiss-Prot's lengths (lognormal, median 300, at most 1,022); Table 1's protein prompt;
          the language model's tokenizer in FOLDER, or a small one of Llama's kind, trained here
Checks    first, that all ways give the same ids
Excludes  imports, and loading
Writes    tables with versions and commit
"""

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # one thread, before tokenizers is imported

import numpy as np
import tokenizers
import transformers
from comparison import describe_software, ratio, seconds
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, EsmTokenizer, PreTrainedTokenizerFast

from biomedgpt_hf import BioMedGPTProcessor
from biomedgpt_hf.processors.chat_templates import paper_template
from biomedgpt_hf.processors.prompt_segments import cut, tokenize_rows
from biomedgpt_hf.processors.protein_tokenizer import (
    ESM2_VOCABULARY,
    STANDARD_RESIDUES,
    build_protein_tokenizer,
    collate_proteins,
    encode_protein,
    read_residue_table,
)

LENGTHS = (30, 350, 1000, 2000)


def main() -> None:
    """Check parity, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", type=Path, help="folder of a language model's tokenizer")
    parser.add_argument("--repeats", type=int, default=200)
    arguments = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(arguments.tokenizer) if arguments.tokenizer else train_tokenizer()
    print(describe_software(transformers, tokenizers, np) + "\n")
    compare_residues(max(arguments.repeats // 10, 5))
    print()
    compare_placeholders(BioMedGPTProcessor.from_parts(tokenizer, max_protein_length=10_000), arguments.repeats)


def compare_residues(repeats: int) -> None:
    """Print how long reading a batch of proteins takes each way."""
    random = np.random.default_rng(0)
    lengths = np.clip(random.lognormal(np.log(300), 0.6, 64), 30, 1022).astype(int)
    proteins = ["".join(random.choice(list(STANDARD_RESIDUES), length)) for length in lengths]
    with tempfile.TemporaryDirectory() as folder:
        vocabulary = Path(folder, "vocab.txt")
        vocabulary.write_text("\n".join(ESM2_VOCABULARY))
        esm = EsmTokenizer(str(vocabulary))
    fast = build_protein_tokenizer(esm)
    table = read_residue_table(fast)

    def ours() -> np.ndarray:
        return collate_proteins([[encode_protein(p, table)] for p in proteins], table.pad_id)["protein_input_ids"][:, 0]

    def theirs() -> np.ndarray:
        return esm(proteins, padding=True, return_tensors="np")["input_ids"]

    def backend() -> np.ndarray:
        return fast(proteins, padding=True, return_tensors="np")["input_ids"]

    require_equal(ours(), theirs())
    require_equal(backend(), theirs())
    per_residue = min(seconds(theirs) for _ in range(3)) / lengths.sum()
    print(f"EsmTokenizer takes {per_residue * 1e6:.1f} µs per residue ({lengths.sum():,} residues)\n")
    print("| tokenising residues | EsmTokenizer = 1 |\n|---|---|")
    print(f"| the residue table, as the processor does | {ratio(ours, theirs, repeats):.4f} |")
    print(f"| the same vocabulary in `tokenizers` | {ratio(backend, theirs, repeats):.4f} |")


def compare_placeholders(processor: BioMedGPTProcessor, repeats: int) -> None:
    """Print how long a prompt takes with N placeholders."""
    messages = [{"role": "user", "content": [{"type": "protein"}, {"type": "text", "text": "What is its function?"}]}]
    prompt = processor.apply_chat_template(messages, add_generation_prompt=True)
    token, short = processor.protein_token, prompt.replace(processor.protein_token, "")

    def splice(count: int) -> Callable[[], np.ndarray]:
        lengths = {"molecule": [[]], "protein": [[count]]}

        def run() -> np.ndarray:
            pieces = [cut(prompt, processor.placeholders)]
            return np.concatenate(tokenize_rows(processor.tokenizer, pieces, processor.placeholders, lengths)[0].ids)

        return run

    def expand(count: int) -> Callable[[], np.ndarray]:
        return lambda: np.array(processor.tokenizer(prompt.replace(token, token * count))["input_ids"])

    def whole(count: int) -> Callable[[], object]:
        protein = "M" * (count - 2)
        return lambda: processor(prompt, proteins=protein, return_tensors="np")

    def tokenize_short() -> object:
        return processor.tokenizer(short)

    before, after = prompt.split(token)
    for count in LENGTHS:
        parts = [
            processor.tokenizer(before)["input_ids"],
            processor.tokenizer(after, add_special_tokens=False)["input_ids"],
        ]
        expected = [*parts[0], *[processor.protein_token_id] * count, *parts[1]]
        require_equal(splice(count)(), expected)
        require_equal(whole(count)()["input_ids"][0], expected)
    print("| N placeholders | spliced ids | expanded text | spliced, N=30 = 1 | whole call, N=30 = 1 |")
    print("|---|---|---|---|---|")
    for count in LENGTHS:
        cells = (
            ratio(splice(count), tokenize_short, repeats),
            ratio(expand(count), tokenize_short, max(repeats // 10, 5)),
            ratio(splice(count), splice(LENGTHS[0]), repeats),
            ratio(whole(count), whole(LENGTHS[0]), repeats),
        )
        print(f"| {count:,} | " + " | ".join(f"{cell:.2f}" for cell in cells) + " |")
    print("\nThe first two columns: tokenising the prompt without its item = 1.")


def train_tokenizer() -> PreTrainedTokenizerFast:
    """Return a small tokenizer of Llama's kind."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=False)
    trainer = trainers.BpeTrainer(vocab_size=500, special_tokens=["<unk>", "<s>", "</s>"])
    tokenizer.train_from_iterator(paper_template().split(), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def require_equal(ours: object, theirs: object) -> None:
    """Stop where the two ways do not give the same ids."""
    if not np.array_equal(ours, theirs):
        raise SystemExit("The ways that are compared give different ids.")


if __name__ == "__main__":
    main()
