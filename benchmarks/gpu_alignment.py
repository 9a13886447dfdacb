"""Training steps of alignment (paper §3.2) on a GPU, against what the same GPU's matrix products reach.

    python benchmarks/gpu_alignment.py [--batch-size 4] [--accumulation 8] [--layers 32] [--packing] [--write] [--small]

Measures  the peak, square products in bfloat16; then steps, each forward and backward of some batches and one AdamW:
          language model frozen in bfloat16, encoders and projectors in float32 under autocast; activation checkpointing
          off and on, the language model's layers compiled or not; medians of synchronised steps
Input     one batch, molecules and proteins drawn as in alignment_step.py, padded or packed; random weights in shapes of
          Llama-2-7B, ESM-2 of 3B and GraphMVP's GIN; as many layers, 32 to 36, as should fit without checkpointing
Counts    useful FLOPs: for each weight of a linear layer and each token that passes it 4 where it is frozen (forward,
          and backward to the activations), 6 where it trains; for attention 12 x layers x width x length^2, half of it
          in the language model, which is causal; nothing for recomputing, normalisations, embeddings, the optimizer
          or, in MFU, padding; the column after it takes padding for tokens
Asserts   first, that a variant's loss is the first one's, to 2e-2 (the learning rate is 0)
Excludes  rows to batches, copies to the GPU, clipping of gradients
Writes    a table with GPU, driver, versions and commit; with --write into results/<date>-<gpu>.md too
"""

import gc
import itertools
import subprocess
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch
import transformers
from alignment_step import Batch, make_row
from comparison import describe_software, seconds
from torch.utils.benchmark import Timer
from transformers.utils import is_flash_attn_2_available

from biomedgpt_hf import (
    BioMedGPTConfig,
    BioMedGPTDataCollator,
    BioMedGPTForConditionalGeneration,
    BioMedGPTProcessor,
    mini_checkpoint,
)
from biomedgpt_hf.batches.packing import pack
from biomedgpt_hf.modeling.configuration_biomedgpt import ESM2
from biomedgpt_hf.training.memory.activations import logits_bytes, make_stack
from biomedgpt_hf.training.memory.part_memory import count_parts
from biomedgpt_hf.training.model.model_parts import train_in_float32, train_only
from biomedgpt_hf.training.recipe.settings import ALIGNED_PARTS

LAYERS, PROTEIN_LAYERS = 32, 36  # of Llama-2-7B and of ESM-2 of 3B parameters
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
USABLE = 0.9  # of the free memory: the allocator leaves gaps
DRIVER = "nvidia-smi --id=0 --query-gpu=driver_version --format=csv,noheader"
HEADER = "attention | checkpointing | compiled | ms | tokens/s | label tokens/s | MFU | with padding | peak GiB"


class Lengths(NamedTuple):
    """Tokens of each row, atoms of its molecule and residues of its protein, int64 [B]; label tokens of all rows."""

    tokens: torch.Tensor
    atoms: torch.Tensor
    residues: torch.Tensor
    labels: int

    def padded(self, packing: bool) -> "Lengths":
        """Return what the layers compute: graphs have no padding, and packed rows have none in the language model."""
        tokens = self.tokens if packing else self.tokens.max().expand_as(self.tokens)
        return self._replace(tokens=tokens, residues=torch.where(self.residues > 0, self.residues.max(), 0))


def main() -> None:
    """Read the options, prints the report as it comes, and keep it if asked to."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--accumulation", type=int, default=8, help="batches of a step; 1 with --small")
    parser.add_argument("--layers", type=int, help="of the language model, instead of as many as fit")
    parser.add_argument("--packing", action="store_true", help="all rows in one sequence, without padding")
    parser.add_argument("--repeats", type=int, default=5, help="timed steps; 1 with --small")
    parser.add_argument("--write", action="store_true", help="into benchmarks/results too")
    parser.add_argument("--small", action="store_true", help="tiny layers on the CPU: does it run at all?")
    arguments = parser.parse_args()
    if arguments.batch_size < 2 or (arguments.write and arguments.small):
        parser.error("--batch-size is at least 2, a molecule and a protein; --write keeps no figures of --small.")
    if not arguments.small and not torch.cuda.is_available():
        sys.exit("There is no CUDA device here, and this measures one: --small shows on a CPU that the script works.")
    if arguments.small:
        arguments.accumulation = arguments.repeats = 1
    name = "CPU" if arguments.small else torch.cuda.get_device_name()
    text = ""
    for line in report(arguments, name):
        print(line, flush=True)
        text += line + "\n"
    if arguments.write:
        file = Path(__file__).parent / "results" / f"{date.today()}-{name.lower().replace(' ', '-')}.md"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")


def report(arguments: Namespace, name: str) -> Iterator[str]:
    """Yield lines: where the figures come from, the peak, what is measured, the table."""
    small, device = arguments.small, torch.device("cpu" if arguments.small else "cuda")
    torch.manual_seed(0)
    driver = "none" if small else subprocess.getoutput(DRIVER)
    yield f"`python benchmarks/gpu_alignment.py {' '.join(sys.argv[1:])}`\n"
    yield f"{name}, driver {driver}, CUDA {torch.version.cuda}, {describe_software(torch, transformers)}\n"
    peak = matmul_peak(device, [256] if small else [4096, 8192, 16384])
    yield f"Peak, square products in bfloat16: {peak / 1e12:.3g} TFLOP/s."
    mini = BioMedGPTProcessor.from_pretrained(mini_checkpoint())
    processor = BioMedGPTProcessor.from_parts(mini.tokenizer, mini.protein_tokenizer)  # with GraphMVP's features
    batch, real = make_batch(processor, arguments.batch_size)
    padded = real.padded(arguments.packing)
    layers = arguments.layers or (2 if small else layers_that_fit(processor, padded))
    model = make_model(make_config(processor, layers, small), device)
    inputs = {k: v.to(device) for k, v in (pack(batch) if arguments.packing else batch).items() if torch.is_tensor(v)}
    tokens, useful, encoder = int(real.tokens.sum()), count_flops(model, real), model.config.protein_config
    yield f"Layers: {layers} of {LAYERS} (language model), {encoder.num_hidden_layers} of {PROTEIN_LAYERS} (encoder)."
    yield f"Batch: {len(real.tokens)} rows, {tokens} tokens ({int(padded.tokens.sum())} with padding), {real.labels} of"
    yield f"them labels, {useful / 1e12:.3g} useful TFLOP; {arguments.accumulation} batches a step.\n"
    yield f"| {HEADER} |\n{'|---' * len(HEADER.split('|'))}|"
    yield from table(model, inputs, real, arguments, peak)


def table(model: Any, inputs: Batch, real: Lengths, arguments: Namespace, peak: float) -> Iterator[str]:
    """Yield a row for each variant."""
    attentions = ["sdpa", *["flash_attention_2"] * is_flash_attn_2_available()]
    useful, done = (count_flops(model, lengths) for lengths in (real, real.padded(arguments.packing)))
    expected = None
    for attention, checkpointing, compiled in itertools.product(attentions, (False, True), (False, True)):
        told = f"| {attention} | {'yes' if checkpointing else 'no'} | {'yes' if compiled else 'no'} |"
        set_up(model, attention, checkpointing, ("aot_eager" if arguments.small else "inductor") if compiled else None)
        try:
            expected, step = measure(model, inputs, arguments, expected)
        except torch.OutOfMemoryError:
            yield f"{told} out of memory |" + " – |" * 5
            continue
        each = step / arguments.accumulation
        rates = f"{1000 * step:.1f} | {int(real.tokens.sum()) / each:,.0f} | {real.labels / each:,.0f}"
        shares, memory = f"{useful / each / peak:.3f} | {done / each / peak:.3f}", torch.cuda.max_memory_allocated()
        yield f"{told} {rates} | {shares} | {memory / 2**30:.1f} |"
    if len(attentions) == 1:
        yield "| flash_attention_2 | – | – | skipped: not installed |" + " – |" * 5


def matmul_peak(device: torch.device, sizes: list[int]) -> float:
    """Return the FLOP/s of square products in bfloat16, of the size that does best; torch's timer synchronises."""
    matrices = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for size in sizes)
    return max(2 * len(m) ** 3 / Timer("m @ m", globals={"m": m}).blocked_autorange().median for m in matrices)


def make_batch(processor: BioMedGPTProcessor, size: int) -> tuple[dict[str, torch.Tensor], Lengths]:
    """Return a padded batch, molecules and proteins by turns, and its lengths."""
    random = np.random.default_rng(0)
    batch = BioMedGPTDataCollator(processor)([make_row(("molecule", "protein")[i % 2], random) for i in range(size)])
    masks = (batch[name].flatten(1) for name in ("attention_mask", "atom_mask", "protein_attention_mask"))
    tokens, atoms, residues = (mask.sum(1) for mask in masks)
    return batch, Lengths(tokens, atoms, residues, int((batch["labels"] != -100).sum()))


def make_config(processor: BioMedGPTProcessor, layers: int, small: bool) -> BioMedGPTConfig:
    """Layers of the true sizes, or tiny ones, so many in the language model and in proportion in the encoder."""
    names = ("hidden_size", "intermediate_size", "num_attention_heads", "num_hidden_layers")
    text, protein = ((64, 176, 4), (32, 128, 2)) if small else ((4096, 11008, 32), (2560, 10240, 40))
    protein_sizes = zip(names, (*protein, round(layers * PROTEIN_LAYERS / LAYERS)), strict=True)
    return BioMedGPTConfig(
        text_config=dict(zip(names, (*text, layers), strict=True)),  # Llama's defaults are Llama-2's: 32,000 tokens
        protein_config={"model_type": "esm", **ESM2, **NO_DROPOUT, **dict(protein_sizes)},
        molecule_token_id=processor.molecule_token_id,
        protein_token_id=processor.protein_token_id,
    )


def layers_that_fit(processor: BioMedGPTProcessor, lengths: Lengths) -> int:
    """Return how many layers free memory should hold without checkpointing, counted as by `biomedgpt train --plan`."""
    torch.cuda.empty_cache()
    free = USABLE * torch.cuda.mem_get_info()[0]
    for layers in range(LAYERS, 0, -1):
        config = make_config(processor, layers, small=False)
        parts = count_parts(make_model(config, torch.device("meta")), "bfloat16", None, "adamw_torch").values()
        text, protein = make_stack(config.text_config, trained=False), make_stack(config.protein_config, trained=True)
        held = sum(part.total + 2 * part.trained for part in parts)  # autocast holds bfloat16 copies
        held += text.kept(int(lengths.tokens.sum()), bf16=True, checkpointed=False)
        held += protein.kept(int(lengths.residues.sum()), bf16=True, checkpointed=False)
        if held + logits_bytes(lengths.labels, config.text_config.vocab_size, bf16=True) <= free:
            break
    return layers


def make_model(config: BioMedGPTConfig, device: torch.device) -> BioMedGPTForConditionalGeneration:
    """Return a random model in training mode, as alignment trains it."""
    with device:
        model = BioMedGPTForConditionalGeneration._from_config(config, dtype=torch.bfloat16)
    train_only(model, ALIGNED_PARTS)
    train_in_float32(model)
    return model.train()


def count_flops(model: Any, lengths: Lengths) -> float:
    """Return the useful FLOPs of a step, by the formula above."""
    tokens, residues, atoms = lengths.tokens, lengths.residues, lengths.atoms
    parts: list[Any] = [(model.model.language_model, tokens.sum()), (model.lm_head, lengths.labels)]
    parts += [(part, residues.sum()) for part in (model.model.protein_encoder.encoder, model.model.protein_projector)]
    parts += [(part, atoms.sum()) for part in (model.model.molecule_encoder, model.model.molecule_projector)]
    flops = 0.0
    for part, passed in parts:
        weights = [module.weight for module in part.modules() if isinstance(module, torch.nn.Linear)]
        flops += int(passed) * sum((6 if weight.requires_grad else 4) * weight.numel() for weight in weights)
    for config, rows, share in ((model.config.text_config, tokens, 0.5), (model.config.protein_config, residues, 1)):
        flops += share * 12 * config.num_hidden_layers * config.hidden_size * int((rows**2).sum())
    return flops


def set_up(model: Any, attention: str, checkpointing: bool, backend: str | None) -> None:
    """Make a model's steps those of a variant; `backend` compiles the language model's layers, None does not."""
    model.set_attn_implementation(attention)
    (model.activation_checkpointing_enable if checkpointing else model.activation_checkpointing_disable)()
    torch.compiler.reset()
    layers = [getattr(layer, "_orig_mod", layer) for layer in model.model.language_model.layers]
    compiled: list[Any] = [torch.compile(layer, backend=backend) if backend else layer for layer in layers]
    model.model.language_model.layers = torch.nn.ModuleList(compiled)


def measure(model: Any, inputs: Batch, arguments: Namespace, expected: float | None) -> tuple[float, float]:
    """Return the loss, which must be the expected one if there is one, and the median of seconds of a step."""
    model.zero_grad()
    gc.collect(), torch.cuda.empty_cache()  # what a variant that ran out of memory left
    device = inputs["input_ids"].device
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.0, fused=True)

    def step(batches: int = arguments.accumulation) -> torch.Tensor:
        for _ in range(batches):
            with torch.autocast(device.type, torch.bfloat16):
                loss = model(**inputs).loss
            loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        torch.get_device_module(device).synchronize()
        return loss.detach()

    loss = float(step(1))
    assert expected is None or abs(loss - expected) <= 2e-2, f"losses differ: {loss}, {expected}"
    return loss, median(seconds(step) for _ in range(arguments.repeats))


if __name__ == "__main__":
    main()
