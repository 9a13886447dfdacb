"""Training steps of alignment (paper §3.2) on a GPU, against what the same GPU's matrix products reach.

    python benchmarks/gpu_alignment.py [--batch-size 8] [--layers 32] [--packing] [--repeats 10] [--write] [--small]

Measures  forward, backward and AdamW; language model frozen in bfloat16, encoders and projectors in float32 under
          autocast; sdpa and flash_attention_2, activation checkpointing off and on, the language model's layers
          compiled or not; medians of synchronised steps; first, the peak: square products in bfloat16
Input     one batch of molecules and proteins by turns, as alignment_step.py draws them, padded or packed; random
          weights in layers of the true sizes: Llama-2-7B, ESM-2 of 3B, GraphMVP's GIN; as many layers, 32 to 36, as
          the GPU's memory should hold without checkpointing
Counts    useful FLOPs: for each weight of a linear layer and each token that passes it 4 where it is frozen (forward,
          and backward to the activations) and 6 where it trains; for attention 12 x layers x width x length^2, half of
          it in the language model, which is causal; nothing for what checkpointing computes again, for normalisations,
          embeddings and the optimizer. MFU leaves padding out; the column after it takes padding for tokens
Asserts   before a variant is timed, that its loss is the first one's, to 2e-2 (the learning rate is 0)
Excludes  rows to batches, copies to the GPU, clipping of gradients
Writes    a table with GPU, driver, versions and commit; with --write into results/<date>-<gpu>.md too
"""

import argparse
import gc
import itertools
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch
import transformers
from alignment_step import make_row
from comparison import describe_software, seconds
from torch import nn
from transformers import EsmConfig, LlamaConfig
from transformers.utils import is_flash_attn_2_available

from biomedgpt_hf import (
    BioMedGPTConfig,
    BioMedGPTDataCollator,
    BioMedGPTForConditionalGeneration,
    BioMedGPTProcessor,
    GINConfig,
    mini_checkpoint,
)
from biomedgpt_hf.data.packing import pack
from biomedgpt_hf.modeling.configuration_biomedgpt import ESM2
from biomedgpt_hf.training.memory.activations import logits_bytes, make_stack
from biomedgpt_hf.training.memory.parts import count_parts, model_without_weights
from biomedgpt_hf.training.parts import train_in_float32, train_only
from biomedgpt_hf.training.recipe.settings import ALIGNED_PARTS, Settings

LAYERS, PROTEIN_LAYERS = 32, 36  # of Llama-2-7B and of ESM-2 of 3B parameters
USABLE = 0.9  # of the free memory: the allocator leaves gaps
WARM_UP = 3
HEADER = (
    "attention",
    "checkpointing",
    "compiled",
    "ms",
    "tokens/s",
    "label tokens/s",
    "MFU",
    "with padding",
    "peak GiB",
)


class Lengths(NamedTuple):
    """Tokens of each row, atoms of its molecule and residues of its protein, int64 [B]; label tokens of all rows."""

    tokens: torch.Tensor
    atoms: torch.Tensor
    residues: torch.Tensor
    labels: int

    def padded(self, packing: bool) -> "Lengths":
        """What the layers compute: graphs have no padding, and packed rows have none in the language model."""
        tokens = self.tokens if packing else self.tokens.max().expand_as(self.tokens)
        return self._replace(tokens=tokens, residues=torch.where(self.residues > 0, self.residues.max(), 0))


def main() -> None:
    """Reads the options, prints the report as it comes, and keeps it if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--layers", type=int, help="of the language model, instead of as many as fit")
    parser.add_argument("--packing", action="store_true", help="all rows in one sequence, without padding")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--write", action="store_true", help="into benchmarks/results too")
    parser.add_argument("--small", action="store_true", help="tiny layers on the CPU: does it run at all?")
    arguments = parser.parse_args()
    if arguments.batch_size < 2:
        parser.error("--batch-size must be at least 2: half of the rows are molecules, half proteins.")
    if arguments.write and arguments.small:
        parser.error("--write keeps figures, and those of --small say nothing: leave one of them out.")
    if not arguments.small and not torch.cuda.is_available():
        sys.exit("There is no CUDA device here, and this measures one: --small shows on a CPU that the script works.")
    name = "CPU" if arguments.small else torch.cuda.get_device_name()
    lines = []
    for line in report(arguments, name):
        print(line, flush=True)
        lines.append(line)
    if arguments.write:
        file = Path(__file__).parent / "results" / f"{date.today()}-{re.sub('[^a-z0-9]+', '-', name.lower())}.md"
        file.parent.mkdir(exist_ok=True)
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def report(arguments: argparse.Namespace, name: str) -> Iterator[str]:
    """Measures the peak, then each variant; yields lines."""
    small, packing = arguments.small, arguments.packing
    device = torch.device("cpu" if small else "cuda")
    torch.manual_seed(0)
    yield f"`python benchmarks/gpu_alignment.py {' '.join(sys.argv[1:])}`\n"
    yield f"{name}, driver {driver()}, CUDA {torch.version.cuda}, {describe_software(torch, transformers)}\n"
    peak = matmul_peak(device, [256] if small else [4096, 8192, 16384])
    yield f"Peak, square products in bfloat16: {peak / 1e12:.3g} TFLOP/s."
    mini = BioMedGPTProcessor.from_pretrained(mini_checkpoint())
    processor = BioMedGPTProcessor.from_parts(mini.tokenizer, mini.protein_tokenizer)  # with GraphMVP's features
    batch, lengths = make_batch(processor, arguments.batch_size)
    computed = lengths.padded(packing)
    layers = arguments.layers or (2 if small else layers_that_fit(processor, computed))
    model = make_model(make_config(processor, layers, small), device)
    inputs = {k: v.to(device) if torch.is_tensor(v) else v for k, v in (pack(batch) if packing else batch).items()}
    tokens, useful, done = int(lengths.tokens.sum()), count_flops(model, lengths), count_flops(model, computed)
    protein_layers = model.config.protein_config.num_hidden_layers
    yield f"Layers: {layers} of {LAYERS} of the language model, {protein_layers} of {PROTEIN_LAYERS} of the encoder."
    yield f"Batch: {len(lengths.tokens)} rows, {tokens} tokens ({int(computed.tokens.sum())} with padding), of them"
    yield f"{lengths.labels} labels; {useful / 1e12:.3g} useful TFLOP a step.\n"
    yield f"| {' | '.join(HEADER)} |\n|{'---|' * len(HEADER)}"
    attentions = ["sdpa", *["flash_attention_2"] * is_flash_attn_2_available()]
    expected = None
    for attention, checkpointing, compiled in itertools.product(attentions, (False, True), (False, True)):
        told = f"| {attention} | {'yes' if checkpointing else 'no'} | {'yes' if compiled else 'no'} |"
        set_up(model, attention, checkpointing, ("aot_eager" if small else "inductor") if compiled else None)
        try:
            expected, duration = measure(model, inputs, arguments.repeats, expected)
        except torch.OutOfMemoryError:
            yield f"{told} out of memory |" + " – |" * 5
            continue
        rates = f"{1000 * duration:.1f} | {tokens / duration:,.0f} | {lengths.labels / duration:,.0f}"
        memory = "–" if small else f"{torch.cuda.max_memory_allocated() / 2**30:.1f}"
        yield f"{told} {rates} | {useful / duration / peak:.3f} | {done / duration / peak:.3f} | {memory} |"
    if len(attentions) == 1:
        yield "| flash_attention_2 | – | – | skipped: not installed |" + " – |" * 5


def driver() -> str:
    """Returns the version of the GPU's driver."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.partition("\n")[0]
    except OSError:
        return "unknown"


def matmul_peak(device: torch.device, sizes: list[int]) -> float:
    """Returns the FLOP/s of square products in bfloat16, of the size that does best."""
    rates = []
    for size in sizes:
        matrix = torch.randn(size, size, device=device, dtype=torch.bfloat16)

        def multiply(matrix: torch.Tensor = matrix) -> None:
            for _ in range(10):
                matrix @ matrix
            synchronize()

        multiply()
        rates.append(10 * 2 * size**3 / median(seconds(multiply) for _ in range(5)))
    return max(rates)


def synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def make_batch(processor: BioMedGPTProcessor, size: int) -> tuple[dict[str, torch.Tensor], Lengths]:
    """Returns a padded batch, molecules and proteins by turns, and its lengths."""
    random = np.random.default_rng(0)
    batch = BioMedGPTDataCollator(processor)([make_row(("molecule", "protein")[i % 2], random) for i in range(size)])
    counts = [batch[name].flatten(1).sum(1) for name in ("attention_mask", "atom_mask", "protein_attention_mask")]
    return batch, Lengths(*counts, int((batch["labels"] != -100).sum()))


def make_config(processor: BioMedGPTProcessor, layers: int, small: bool) -> BioMedGPTConfig:
    """Layers of the true sizes, or tiny ones, so many in the language model and in proportion in the encoder."""
    names = ("hidden_size", "intermediate_size", "num_attention_heads")
    text, protein = ((64, 176, 4), (32, 128, 2)) if small else ((4096, 11008, 32), (2560, 10240, 40))
    no_dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    protein_layers = round(layers * PROTEIN_LAYERS / LAYERS)
    return BioMedGPTConfig(
        text_config=LlamaConfig(**dict(zip(names, text, strict=True)), num_hidden_layers=layers),  # 32,000 tokens
        protein_config=EsmConfig(
            **dict(zip(names, protein, strict=True)), **ESM2, **no_dropout, num_hidden_layers=protein_layers
        ),
        molecule_config=GINConfig(),
        molecule_token_id=processor.molecule_token_id,
        protein_token_id=processor.protein_token_id,
    )


def layers_that_fit(processor: BioMedGPTProcessor, lengths: Lengths) -> int:
    """Returns how many layers free memory should hold without checkpointing, counted as by `biomedgpt train --plan`."""
    free = USABLE * torch.cuda.mem_get_info()[0]
    for layers in range(LAYERS, 0, -1):
        config = make_config(processor, layers, small=False)
        parts = count_parts(model_without_weights(config, Settings()), "bfloat16", None, "adamw_torch").values()
        text, protein = make_stack(config.text_config, trained=False), make_stack(config.protein_config, trained=True)
        held = sum(part.total + 2 * part.trained for part in parts)  # autocast holds bfloat16 copies
        held += text.kept(int(lengths.tokens.sum()), bf16=True, checkpointed=False)
        held += protein.kept(int(lengths.residues.sum()), bf16=True, checkpointed=False)
        if held + logits_bytes(lengths.labels, config.text_config.vocab_size, bf16=True) <= free:
            return layers
    return 1


def make_model(config: BioMedGPTConfig, device: torch.device) -> BioMedGPTForConditionalGeneration:
    """A random model in training mode, as alignment trains it."""
    with device:
        model = BioMedGPTForConditionalGeneration._from_config(config, dtype=torch.bfloat16)
    train_only(model, ALIGNED_PARTS)
    train_in_float32(model)
    return model.train()


def count_flops(model: BioMedGPTForConditionalGeneration, lengths: Lengths) -> float:
    """Returns the useful FLOPs of a step, by the formula above."""
    inner, tokens, residues, atoms = model.model, lengths.tokens, lengths.residues, lengths.atoms
    flops = 0.0
    for part, passed in (
        (inner.language_model, tokens.sum()),
        (model.lm_head, lengths.labels),
        *((part, residues.sum()) for part in (inner.protein_encoder.encoder, inner.protein_projector)),
        *((part, atoms.sum()) for part in (inner.molecule_encoder, inner.molecule_projector)),
    ):
        weights = [module.weight for module in part.modules() if isinstance(module, nn.Linear)]
        flops += int(passed) * sum((6 if weight.requires_grad else 4) * weight.numel() for weight in weights)
    for config, rows, share in ((model.config.text_config, tokens, 0.5), (model.config.protein_config, residues, 1)):
        flops += share * 12 * config.num_hidden_layers * config.hidden_size * int((rows**2).sum())
    return flops


def set_up(model: Any, attention: str, checkpointing: bool, backend: str | None) -> None:
    """Makes a model's steps those of a variant; `backend` compiles the language model's layers, None does not."""
    model.set_attn_implementation(attention)
    if checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
    else:
        model.activation_checkpointing_disable()
    torch.compiler.reset()
    layers = [getattr(layer, "_orig_mod", layer) for layer in model.model.language_model.layers]
    model.model.language_model.layers = nn.ModuleList(
        layers if backend is None else [torch.compile(layer, backend=backend) for layer in layers]
    )


def measure(model: nn.Module, inputs: Mapping[str, Any], repeats: int, expected: float | None) -> tuple[float, float]:
    """Returns the loss and the median of seconds of a step; the loss must be the expected one, if there is one."""
    gc.collect()  # what a variant that ran out of memory left
    model.zero_grad()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    device = inputs["input_ids"].device
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.0, fused=True)

    def step() -> torch.Tensor:
        with torch.autocast(device.type, torch.bfloat16):
            loss = model(**inputs).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        synchronize()
        return loss.detach()

    loss = float(step())
    assert expected is None or abs(loss - expected) <= 2e-2, f"losses differ: {loss}, {expected}"
    for _ in range(WARM_UP - 1):
        step()
    return loss, median(seconds(step) for _ in range(repeats))


if __name__ == "__main__":
    main()
