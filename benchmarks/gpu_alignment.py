"""Training steps of alignment (paper §3.2) on a GPU, against what the same GPU's matrix products reach.

    python benchmarks/gpu_alignment.py [--batch-size 8] [--layers 32] [--packing] [--repeats 10] [--write] [--small]

Measures  a step: forward, backward and AdamW; language model frozen in bfloat16, encoders and projectors in float32
          under autocast; sdpa and flash_attention_2, activation checkpointing off and on, the language model's layers
          compiled or not; medians of synchronised steps; the peak is that of square bfloat16 products just before
Input     one batch, half molecules, half proteins, lengths drawn like real ones (see batching.py), padded or packed;
          random weights in layers of the true sizes: Llama-2-7B, ESM-2 of 3B, GraphMVP's GIN; as many layers, 32 to 36,
          as the GPU should hold without checkpointing
Counts    useful FLOPs: for each weight of a linear layer and each token that passes it 4 where it is frozen (forward,
          and backward to the activations) and 6 where it trains; for attention 12 x width x layers x length^2, half of
          it in the language model, which is causal; nothing for what checkpointing computes again, for normalisations,
          embeddings and the optimizer. MFU leaves padding out; the column after it takes padding for tokens
Asserts   before each variant is timed, that its loss is the first one's, to 2e-2; the learning rate is 0
Excludes  reading rows, clipping of gradients, copies to the GPU
Writes    a table with GPU, driver, versions and commit; with --write into results/<date>-<gpu>.md too
"""

import argparse
import gc
import itertools
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch
import transformers
from batching import PROMPT, draw, draw_proteins
from comparison import describe_software, seconds
from torch import nn
from transformers import EsmConfig, LlamaConfig
from transformers.utils import is_flash_attn_2_available

from biomedgpt_hf import BioMedGPTConfig, BioMedGPTForConditionalGeneration, GINConfig
from biomedgpt_hf.data.packing import IGNORE_INDEX, pack
from biomedgpt_hf.modeling.configuration_biomedgpt import ESM2
from biomedgpt_hf.training.activations import logits_bytes, make_stack
from biomedgpt_hf.training.memory_parts import count_parts, model_without_weights
from biomedgpt_hf.training.memory_plan import CONTEXT
from biomedgpt_hf.training.parts import train_in_float32, train_only
from biomedgpt_hf.training.settings import ALIGNED_PARTS, Settings

LAYERS, PROTEIN_LAYERS = 32, 36  # of Llama-2-7B and of ESM-2 of 3B parameters
USABLE = 0.9  # of the free memory: the allocator leaves gaps
MAX_LENGTH = 2048  # of recipes/align.yaml
WARM_UP = 3
ATTENTIONS = ("sdpa", "flash_attention_2")
HEADER = "attention", "checkpointing", "compiled", "ms", "tokens/s", "label tokens/s", "MFU", "with padding", "peak GiB"


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
    """Measures the peak, then each variant, and prints as it goes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--layers", type=int, help="of the language model, instead of as many as fit")
    parser.add_argument("--packing", action="store_true", help="all rows in one sequence, without padding")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--write", action="store_true", help="into benchmarks/results too")
    parser.add_argument("--small", action="store_true", help="tiny layers on the CPU: does it run at all?")
    arguments = parser.parse_args()
    if arguments.batch_size < 2:
        parser.error("--batch-size must be 2 or more: half of the rows are molecules, half proteins.")
    if arguments.write and arguments.small:
        parser.error("--write keeps figures, and those of --small say nothing: leave one of them out.")
    if not arguments.small and not torch.cuda.is_available():
        sys.exit("There is no CUDA device here, and this measures one: use --small to see whether the script runs.")
    device = torch.device("cpu" if arguments.small else "cuda")
    torch.manual_seed(0)
    name = "CPU" if arguments.small else torch.cuda.get_device_name()
    lines: list[str] = []

    def say(line: str) -> None:
        print(line, flush=True)
        lines.append(line)

    run(arguments, device, name, say)
    if arguments.write:
        file = Path(__file__).parent / "results" / f"{date.today()}-{re.sub('[^a-z0-9]+', '-', name.lower())}.md"
        file.parent.mkdir(exist_ok=True)
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def run(arguments: argparse.Namespace, device: torch.device, name: str, say: Callable[[str], None]) -> None:
    """Says the whole report, line by line."""
    small, packing = arguments.small, arguments.packing
    say(f"`python benchmarks/gpu_alignment.py {' '.join(sys.argv[1:])}`\n")
    say(f"{name}, driver {driver()}, CUDA {torch.version.cuda}, {describe_software(torch, transformers)}\n")
    peak = matmul_peak(device, [256] if small else [4096, 8192, 16384])
    say(f"The peak, square products in bfloat16: {peak / 1e12:.2f} TFLOP/s")
    batch, lengths = make_batch(make_config(1, small), arguments.batch_size, np.random.default_rng(0))
    computed = lengths.padded(packing)
    model = make_model(make_config(arguments.layers or (2 if small else layers_that_fit(computed)), small), device)
    inputs = {k: v.to(device) if torch.is_tensor(v) else v for k, v in (pack(batch) if packing else batch).items()}
    tokens, useful, done = int(lengths.tokens.sum()), count_flops(model, lengths), count_flops(model, computed)
    text, protein = model.config.text_config, model.config.protein_config
    say(f"Layers: {text.num_hidden_layers} of the language model, {protein.num_hidden_layers} of the protein encoder")
    say(f"Batch: {arguments.batch_size} rows, {tokens} tokens ({int(computed.tokens.sum())} with padding), ")
    say(f"{lengths.labels} of them labels; {useful / 1e12:.3f} useful TFLOP a step\n")
    say(f"| {' | '.join(HEADER)} |\n|{'---|' * len(HEADER)}")
    expected = None
    for attention, checkpointing, compiled in itertools.product(ATTENTIONS, (False, True), (False, True)):
        told = f"| {attention} | {'yes' if checkpointing else 'no'} | {'yes' if compiled else 'no'} |"
        if attention == "flash_attention_2" and not is_flash_attn_2_available():
            say(f"{told} skipped: not installed |" + " – |" * 5)
            continue
        set_up(model, attention, checkpointing, ("aot_eager" if small else "inductor") if compiled else None)
        try:
            expected, duration = measure(model, inputs, arguments.repeats, expected)
        except torch.OutOfMemoryError:
            say(f"{told} out of memory |" + " – |" * 5)
            continue
        rates = f"{1000 * duration:.1f} | {tokens / duration:,.0f} | {lengths.labels / duration:,.0f}"
        memory = "–" if small else f"{torch.cuda.max_memory_allocated() / 2**30:.1f}"
        say(f"{told} {rates} | {useful / duration / peak:.3f} | {done / duration / peak:.3f} | {memory} |")


def set_up(model: Any, attention: str, checkpointing: bool, backend: str | None) -> None:
    """Makes a model's steps those of a variant; `backend` compiles the language model's layers, None does not."""
    model.set_attn_implementation(attention)
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    else:
        model.gradient_checkpointing_disable()
    torch.compiler.reset()
    language_model = model.model.language_model
    layers = [getattr(layer, "_orig_mod", layer) for layer in language_model.layers]
    compiled = layers if backend is None else [torch.compile(layer, backend=backend) for layer in layers]
    language_model.layers = nn.ModuleList(compiled)


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


def driver() -> str:
    """Returns the version of the GPU's driver."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return (
            subprocess.run(command, capture_output=True, text=True, check=False).stdout.partition("\n")[0] or "unknown"
        )
    except OSError:
        return "unknown"


def matmul_peak(device: torch.device, sizes: list[int]) -> float:
    """Returns the FLOP/s of the best of several square products in bfloat16."""
    best = 0.0
    for size in sizes:
        matrix, product = torch.randn(2, size, size, device=device, dtype=torch.bfloat16)

        def multiply(matrix: torch.Tensor = matrix, product: torch.Tensor = product) -> None:
            for _ in range(10):
                torch.mm(matrix, matrix, out=product)
            synchronize()

        multiply()
        best = max(best, 10 * 2 * size**3 / median(seconds(multiply) for _ in range(5)))
    return best


def synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def make_config(layers: int, small: bool) -> BioMedGPTConfig:
    """Layers of the true sizes, or tiny ones, so many in the language model and in proportion in the encoder."""
    text, protein = ((64, 176, 4), (32, 128, 2)) if small else ((4096, 11008, 32), (2560, 10240, 40))
    names = ("hidden_size", "intermediate_size", "num_attention_heads")
    return BioMedGPTConfig(
        text_config=LlamaConfig(**dict(zip(names, text, strict=True)), num_hidden_layers=layers),  # 32,000 tokens
        protein_config=EsmConfig(
            **dict(zip(names, protein, strict=True)),
            **ESM2,
            num_hidden_layers=round(layers * PROTEIN_LAYERS / LAYERS),
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        ),
        molecule_config=GINConfig(),
    )


def make_batch(config: BioMedGPTConfig, size: int, random: np.random.Generator) -> tuple[dict[str, Any], Lengths]:
    """Returns a padded batch, the first half of its rows about molecules, as the collator makes it, and its lengths.

    Molecules are chains of random atoms, proteins random residues; of a row come prompt, item and answer.
    """
    half = size // 2
    atoms, caption = draw(random, half, 25, 0.7, 300), draw(random, half, 90, 0.42, 600)  # as batching.py's
    proteins = draw_proteins(random, size - half)
    totals = np.concatenate([PROMPT + atoms + caption, proteins.total])
    tokens = torch.from_numpy(totals).clamp(max=MAX_LENGTH)
    atoms_of, residues_of = torch.zeros(2, size, dtype=torch.long)
    atoms_of[:half], residues_of[half:] = torch.from_numpy(atoms), torch.from_numpy(proteins.residues)
    answer = (PROMPT + atoms_of + residues_of)[:, None]
    column, real = count_to(tokens)
    item = (column >= PROMPT) & (column < answer)
    ids = torch.randint(3, config.molecule_token_id, real.shape)
    ids[:half][item[:half]], ids[half:][item[half:]] = config.molecule_token_id, config.protein_token_id
    labels = ids.masked_fill(~real | (column < answer), IGNORE_INDEX)
    place, atom_mask = count_to(atoms_of)
    bonds, bond_mask = count_to((atoms_of - 1).clamp(min=0))
    forth = torch.stack([bonds, bonds + 1])
    residue_mask = count_to(residues_of)[1][:, None]
    batch = {
        "input_ids": ids.masked_fill(~real, 0),
        "attention_mask": real.long(),
        "labels": labels,
        "atom_features": torch.randint(3, (*place.expand_as(atom_mask).shape, 2)),
        "atom_mask": atom_mask.long(),
        "atom_molecule": torch.zeros_like(atom_mask, dtype=torch.long),
        "bond_index": torch.cat([forth, forth.flip(0)], dim=1).expand(size, -1, -1),
        "bond_features": torch.randint(3, (size, 2 * len(bonds), 2)),
        "bond_mask": bond_mask.repeat(1, 2).long(),
        "protein_input_ids": torch.randint(4, 24, residue_mask.shape).masked_fill(~residue_mask, ESM2["pad_token_id"]),
        "protein_attention_mask": residue_mask.long(),
    }
    return batch, Lengths(tokens, atoms_of, residues_of, int((labels != IGNORE_INDEX).sum()))


def count_to(lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the columns of the longest row, [N], and which of them each row has, [B, N]."""
    columns = torch.arange(int(lengths.max()))
    return columns, columns < lengths[:, None]


def layers_that_fit(lengths: Lengths) -> int:
    """Returns for how many layers free memory should do, by the arithmetic of `biomedgpt train --plan`."""
    free = USABLE * torch.cuda.mem_get_info()[0]
    return next((n for n in range(LAYERS, 1, -1) if bytes_needed(make_config(n, False), lengths) <= free), 1)


def bytes_needed(config: BioMedGPTConfig, lengths: Lengths) -> int:
    """Returns bytes of weights, gradients, optimizer, bfloat16 copies, and activations without checkpointing."""
    parts = count_parts(model_without_weights(config, Settings()), "bfloat16", None, "adamw_torch")
    held = sum(part.total + 2 * part.trained for part in parts.values())
    for of, tokens, trained in (
        (config.text_config, lengths.tokens, False),
        (config.protein_config, lengths.residues, True),
    ):
        held += make_stack(of, trained).kept(int(tokens.sum()), bf16=True, checkpointed=False)
    return held + logits_bytes(lengths.labels, config.text_config.vocab_size, bf16=True) + CONTEXT


def make_model(config: BioMedGPTConfig, device: torch.device) -> BioMedGPTForConditionalGeneration:
    """A random model in training mode, as alignment trains it."""
    with device:
        model = BioMedGPTForConditionalGeneration._from_config(config, dtype=torch.bfloat16)
    train_only(model, ALIGNED_PARTS)
    train_in_float32(model)
    return model.train()


def count_flops(model: BioMedGPTForConditionalGeneration, lengths: Lengths) -> float:
    """Returns the useful FLOPs of a step, by the formula above."""
    inner, labels = model.model, torch.tensor(lengths.labels)
    flops = 0.0
    for part, passed in (
        (inner.language_model, lengths.tokens),
        (model.lm_head, labels),
        (inner.protein_encoder.encoder, lengths.residues),
        (inner.protein_projector, lengths.residues),
        (inner.molecule_encoder, lengths.atoms),
        (inner.molecule_projector, lengths.atoms),
    ):
        weights = [module.weight for module in part.modules() if isinstance(module, nn.Linear)]
        flops += sum((6 if weight.requires_grad else 4) * weight.numel() for weight in weights) * int(passed.sum())
    for config, rows, share in (
        (model.config.text_config, lengths.tokens, 0.5),
        (model.config.protein_config, lengths.residues, 1.0),
    ):
        flops += share * 12 * config.hidden_size * config.num_hidden_layers * float((rows**2).sum())
    return flops


if __name__ == "__main__":
    main()
