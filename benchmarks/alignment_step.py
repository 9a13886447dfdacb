"""Training steps of alignment (paper §3.2): what batches and logits cost, against what people do without us.

    python benchmarks/alignment_step.py [--batch-size 4] [--repeats 3] [--small]

Measures  forward and backward, the language model frozen, encoders and projectors trained: logits at label positions
          against all logits, without and with the beginning that all rows share kept; an epoch in batches of similar
          length against one in random batches; three questions on one protein, encoded once, and in one sequence,
          against rows of their own; a step against a loop over samples in the original's style; medians of paired
          ratios of CPU time, alternating in one process on one thread
Input     molecules, proteins and answers of lengths drawn like real ones (see batching.py); a random Llama of 52M
          parameters with 32,000 tokens, a GIN of GraphMVP's size and an ESM-2 of 8M parameters' size, without dropout:
          layers in the proportion of the paper's 7B and 3B, but the head has 46 % of the language model's work, where
          the 7B's has 2 %
Asserts   first, that both ways give the same loss and the same gradients
Excludes  the optimizer, RDKit and tokenizing
Writes    a table with versions and commit
"""

import argparse
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from statistics import median
from typing import Any
from unittest.mock import patch

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # one thread, before tokenizers is imported

import numpy as np
import torch
import transformers
from batching import draw
from comparison import cpu_seconds, describe_software
from torch import nn
from transformers import EsmConfig, LlamaConfig

from biomedgpt_hf import (
    BioMedGPTDataCollator,
    BioMedGPTForConditionalGeneration,
    BioMedGPTProcessor,
    GINConfig,
    mini_checkpoint,
)
from biomedgpt_hf.batches.batching import LengthBatchSampler, padding_share
from biomedgpt_hf.modeling import modality_encoders
from biomedgpt_hf.rows.schema import question_row
from biomedgpt_hf.training.model.constant_prefix import ConstantPrefix

WORDS = "the molecule protein acts as an inhibitor of membrane binding and derives from phenyl acid".split()
QUESTIONS = ["What is its function?", "Which family is it of?", "Where in the cell is it found?"]
Batch = Mapping[str, Any]
Loss = Callable[[], torch.Tensor]


def main() -> None:
    """Assert parity, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--small", action="store_true", help="tiny models: does it run at all?")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    processor = BioMedGPTProcessor.from_pretrained(mini_checkpoint())
    processor = BioMedGPTProcessor.from_parts(processor.tokenizer, processor.protein_tokenizer)
    bench = Bench(make_model(processor, arguments.small), arguments.repeats)
    print(f"{describe_software(torch, transformers)}\n\n| step | against | ratio |\n|---|---|---|")
    random, size = np.random.default_rng(0), arguments.batch_size
    collator = BioMedGPTDataCollator(processor)
    for kind, count in (("molecule", size), ("protein", -(-size // 2))):
        batch = collator([make_row(kind, random) for _ in range(count)])
        compare_logits(bench, kind, batch)
        compare_prefix(bench, kind, batch)
        compare_loop(bench, kind, batch)
    compare_questions(bench, processor, random)
    rows = [make_row(kind, random) for kind in ("molecule", "protein") * 2 * size]
    compare_batches(bench, collator, rows, size)


def make_model(processor: BioMedGPTProcessor, small: bool) -> BioMedGPTForConditionalGeneration:
    """Return a random model in training mode, its language model frozen."""
    size, layers, heads = (64, 2, 4) if small else (512, 6, 20)
    text = LlamaConfig(
        vocab_size=len(processor.tokenizer) if small else 32_000,
        hidden_size=size,
        intermediate_size=size * 43 // 16,
        num_hidden_layers=layers,
        num_attention_heads=size // 64,
        initializer_range=0.05,
    )
    protein = EsmConfig(
        vocab_size=len(processor.protein_tokenizer),
        hidden_size=16 * heads,
        intermediate_size=64 * heads,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        position_embedding_type="rotary",
        pad_token_id=processor.protein_tokenizer.pad_token_id,
        mask_token_id=processor.protein_tokenizer.mask_token_id,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    model = BioMedGPTForConditionalGeneration.from_encoders(text, protein, GINConfig(), processor=processor)
    model.model.language_model.requires_grad_(False)
    model.lm_head.requires_grad_(False)
    return model.train()


def make_row(kind: str, random: np.random.Generator) -> dict[str, Any]:
    """Return a question about a molecule or a protein, and an answer of a caption's length."""
    answer = " ".join(random.choice(WORDS, draw(random, 1, 60, 0.45, 300)[0]))
    if kind == "molecule":
        pieces = random.choice(["C", "C(O)", "C(=O)", "N", "c1ccccc1", "C(Cl)"], draw(random, 1, 12, 0.5, 60)[0])
        return about("What is it?", answer, molecules=["".join(pieces)])
    return about("What is it?", answer, proteins=[make_protein(random)])


def make_protein(random: np.random.Generator) -> str:
    return "".join(random.choice(list("ACDEFGHIKLMNPQRSTVWY"), draw(random, 1, 300, 0.6, 1022)[0]))


def about(question: str, answer: str, **items: list[str]) -> dict[str, Any]:
    return question_row(question, answer, task="t", source="s", id="i", license="CC0-1.0", **items)


class Bench:
    """A model, and how two ways to make the same step are compared.

    Args:
        model: in training mode.
        repeats: how many paired ratios.
    """

    def __init__(self, model: BioMedGPTForConditionalGeneration, repeats: int) -> None:
        self.model, self.repeats = model, repeats
        self.prefix = ConstantPrefix(model)

    def loss(self, batch: Batch, **options: Any) -> torch.Tensor:
        return self.model(**batch, **options).loss

    def loss_of_rest(self, batch: Batch) -> torch.Tensor:
        """Return the loss of a batch whose constant beginning was read before."""
        return self.loss(self.prefix.shorten(batch))

    def step(self, losses: Iterable[Loss]) -> tuple[float, dict[str, torch.Tensor]]:
        """Return the sum of losses, and its gradients."""
        self.model.zero_grad()
        total = 0.0
        for loss in losses:
            value = loss()
            value.backward()
            total += float(value.detach())
        return total, {n: p.grad for n, p in self.model.named_parameters() if p.grad is not None and p.grad.any()}

    def compare(self, path: str, against: str, run: Sequence[Loss], reference: Sequence[Loss]) -> None:
        """Assert that both give the same, and prints their ratio."""
        (loss, gradients), (expected, others) = self.step(run), self.step(reference)
        assert abs(loss - expected) <= 1e-5 * abs(expected), f"losses differ: {loss}, {expected}"
        assert gradients.keys() == others.keys() and len(gradients) > 9, "other parameters have gradients"
        for name, gradient in gradients.items():
            difference = float((gradient - others[name]).norm() / others[name].norm())
            # The bias of keys changes no softmax: its gradient is what rounding leaves.
            assert difference <= 1e-3 or name.endswith("key.bias"), f"{name}: gradients differ by {difference:.1e}"
        times = [[cpu_seconds(partial(self.step, way)) for way in (run, reference)] for _ in range(self.repeats)]
        print(f"| {path} | {against} | {median(ours / theirs for ours, theirs in times):.2f} |", flush=True)


def compare_logits(bench: Bench, kind: str, batch: Batch) -> None:
    """Logits at label positions against all logits."""
    labels = int((batch["labels"] != -100).sum()) / int(batch["attention_mask"].sum())
    path = f"{len(batch['labels'])} {kind}s, logits at label positions ({labels:.0%} of the tokens)"
    bench.compare(path, "all logits", [lambda: bench.loss(batch)], [lambda: bench.loss(batch, skip_logits=False)])


def compare_prefix(bench: Bench, kind: str, batch: Batch) -> None:
    """Compare a step that keeps the constant beginning, with logits at label positions, with all tokens and logits."""
    whole, rest = batch["labels"].shape[1], bench.prefix.shorten(batch)["labels"].shape[1]
    path = f"{len(batch['labels'])} {kind}s, the same with a kept beginning ({whole - rest} of {whole} tokens)"
    bench.compare(
        path, "all logits", [lambda: bench.loss_of_rest(batch)], [lambda: bench.loss(batch, skip_logits=False)]
    )


def compare_loop(bench: Bench, kind: str, batch: Batch) -> None:
    """Compare a step with a loop over samples: each encoded by itself, embedded piece by piece, padded; all logits."""
    path, loop = f"{len(batch['labels'])} {kind}s, one batch throughout", [lambda: loss_of_loop(bench.model, batch)]
    bench.compare(path, "a loop over samples", [lambda: bench.loss(batch)], loop)
    bench.compare(f"{path}, kept beginning", "a loop over samples", [lambda: bench.loss_of_rest(batch)], loop)


def loss_of_loop(model: BioMedGPTForConditionalGeneration, batch: Batch) -> torch.Tensor:
    """Return the loss as a loop over samples makes it."""
    inner, embeddings, labels = model.model, [], []
    for row, mask in enumerate(batch["attention_mask"].bool()):
        ids = batch["input_ids"][row][mask]
        one = {name: tensor[row : row + 1] for name, tensor in batch.items()}
        features = {
            modality: getattr(inner, f"get_{modality}_features")(**{name: one[name] for name in names}).pooler_output[0]
            for modality, names in inner.modality_tensors.items()
            if names[0] in one
        }
        pieces = []
        placeholders = {getattr(model.config, f"{modality}_token_id"): modality for modality in features}
        items = torch.isin(ids, torch.tensor(list(placeholders)))
        for piece in torch.tensor_split(ids, (items.diff().nonzero() + 1).flatten()):
            modality = placeholders.get(int(piece[0]))
            pieces.append(features[modality] if modality else model.get_input_embeddings()(piece))
        embeddings.append(torch.cat(pieces))
        labels.append(batch["labels"][row][mask])
    mask = nn.utils.rnn.pad_sequence([torch.ones(len(of)) for of in labels], batch_first=True).long()
    outputs = inner.language_model(
        inputs_embeds=nn.utils.rnn.pad_sequence(embeddings, batch_first=True), attention_mask=mask, use_cache=False
    )
    logits = model.project_to_vocabulary(outputs.last_hidden_state)[:, :-1]
    targets = nn.utils.rnn.pad_sequence(labels, batch_first=True, padding_value=-100)[:, 1:]
    return nn.functional.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())


def compare_questions(bench: Bench, processor: BioMedGPTProcessor, random: np.random.Generator) -> None:
    """Three questions on one protein: in rows of their own, encoded once, and in one sequence."""
    protein = make_protein(random)
    answers = [" ".join(random.choice(WORDS, draw(random, 1, median, 0.5, 300)[0])) for median in (60, 10, 20)]
    rows = [about(*pair, proteins=[protein]) for pair in zip(QUESTIONS, answers, strict=True)]
    batch = BioMedGPTDataCollator(processor)(rows)
    shared = BioMedGPTDataCollator(processor, share_prefix=True)(rows)

    def encoded_for_each() -> torch.Tensor:
        with patch.object(modality_encoders, "find_copies", lambda ids, keep: None):
            return bench.loss(batch)

    name = f"three questions on a protein of {len(protein)}"
    bench.compare(f"{name}, encoded once", "encoded for each", [lambda: bench.loss(batch)], [encoded_for_each])
    against = "in three, encoded for each"
    bench.compare(f"{name}, in one sequence", against, [lambda: bench.loss(shared)], [encoded_for_each])


def compare_batches(bench: Bench, collator: BioMedGPTDataCollator, rows: Sequence[Any], size: int) -> None:
    """Return an epoch of molecules and proteins in batches of similar length against random ones."""
    lengths = collator.row_lengths(rows)
    count = sum(int((collator([row])["labels"] != -100).sum()) for row in rows)

    def losses(batches: Iterable[Sequence[int]]) -> list[Loss]:
        collated = [collator([rows[row] for row in batch]) for batch in batches]
        return [lambda batch=batch: bench.loss(batch, num_items_in_batch=count) for batch in collated]

    at_random = np.random.default_rng(1).permutation(len(rows)).reshape(-1, size).tolist()
    ordered = list(LengthBatchSampler(lengths, max_rows=size, pool_rows=len(rows)))  # by default, it halves so few
    ours, theirs = (f"{padding_share(lengths, batches):.0%} padding" for batches in (ordered, at_random))
    path = f"{len(rows)} rows in batches of {size} of similar length ({ours})"
    bench.compare(path, f"random batches ({theirs})", losses(ordered), losses(at_random))


if __name__ == "__main__":
    main()
