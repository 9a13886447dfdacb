"""Whether a run fits its devices: arithmetic from the configuration, before any weight is there.

biomedgpt train qlora_24gb --plan --model CHECKPOINT
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn
from transformers import PreTrainedConfig

from biomedgpt_hf.checkpoints import find_config
from biomedgpt_hf.mini import mini_checkpoint
from biomedgpt_hf.training.memory.activations import BatchSize, logits_bytes, make_stack
from biomedgpt_hf.training.memory.fsdp_memory import fsdp_memory
from biomedgpt_hf.training.memory.part_memory import ADAPTERS, PartMemory, count_parts, model_without_weights
from biomedgpt_hf.training.recipe.recipe import Recipe

GIB = 2**30
CONTEXT = 3 * GIB // 2  # a guess: CUDA's context, libraries' workspaces, what the allocator cannot use


@dataclass
class MemoryPlan:
    """What one device holds at most.

    Attributes:
        title: of what.
        parts: bytes of each part on all devices together.
        shards: over how many devices the parts are divided.
        activations: bytes of what the forward keeps, with and without checkpointing.
        checkpointed: which of the two the run does.
        others: bytes of everything else, by name.
        batch: the largest batch.
        budget: bytes of one device, if the recipe tells.
    """

    title: str
    parts: dict[str, PartMemory]
    shards: int
    activations: dict[bool, int]
    checkpointed: bool
    others: dict[str, int]
    batch: BatchSize
    budget: float | None

    @property
    def total(self) -> int:
        """Bytes on one device."""
        parts = sum(part.total for part in self.parts.values()) // self.shards
        return parts + self.activations[self.checkpointed] + sum(self.others.values())

    @property
    def fits(self) -> bool | None:
        """Whether that is within the budget; None without one."""
        return None if self.budget is None else self.total <= self.budget

    def lines(self) -> Iterator[str]:
        """Return the plan as a table, and the sentence that it comes to."""
        shared = f", divided over {self.shards} devices" if self.shards > 1 else ""
        yield f"{self.title}: memory of one device. Arithmetic from the configuration; nothing was measured."
        yield ""
        yield f"{'part' + shared:34}{'parameters':>16}{'trained':>16}{'weights':>12}{'gradients':>12}{'optimizer':>12}"
        for name, part in self.parts.items():
            sizes = (part.weights, part.gradients, part.states)
            counts = f"{part.parameters:>16,}{part.trained:>16,}"
            yield f"{name:34}{counts}" + "".join(f"{size(n / self.shards):>12}" for n in sizes)
        kept, other = self.activations[self.checkpointed], self.activations[not self.checkpointed]
        batch = f"{self.batch.rows} rows, {self.batch.tokens:,} tokens, {self.batch.residues:,} of residues"
        yield f"{'activations of the largest batch':90}{size(kept):>12}"
        yield f"  {batch}; {'without' if self.checkpointed else 'with'} checkpointing {size(other)}"
        for name, number in self.others.items():
            yield f"{name:90}{size(number):>12}"
        yield ""
        yield self.verdict()

    def verdict(self) -> str:
        """One sentence: the total, and whether it fits."""
        if self.budget is None:
            return f"In all {size(self.total)}; give memory_budget_gib to compare it with a device."
        budget = f"the {self.budget / GIB:g} GiB of memory_budget_gib"
        if self.fits:
            return f"In all {size(self.total)}, which fits {budget} and leaves {size(self.budget - self.total)}."
        return (
            f"In all {size(self.total)}, which does not fit {budget}: fewer rows a device, a smaller max_length, "
            "fsdp on more devices, lora or quantization need less."
        )


def plan_memory(recipe: Recipe, processes: int = 1) -> MemoryPlan:
    """Add up what one device holds at most.

    Args:
        recipe: with a model, of which the configuration alone is read.
        processes: how many devices the run has.

    Raises:
        OSError: if there is no such model, or a set to evaluate on, or what its scores need.
        ValueError: if the recipe has no model or one of another kind, or its batch cannot be divided.
    """
    recipe.require("model")
    recipe.check_evaluations()
    settings = recipe.settings
    arguments, _ = recipe.adapted(processes, on_cpu=bool(recipe.arguments.get("use_cpu")))
    recipe.check_start(arguments)
    config = find_config(str(mini_checkpoint()) if settings.model == "mini" else str(settings.model))
    if settings.language_model_only == (config.model_type == "biomedgpt"):
        wanted = (
            "language model alone (`biomedgpt convert language-model`)" if settings.language_model_only else "BioMedGPT"
        )
        raise ValueError(f"{recipe.name!r} trains a {wanted}, and {settings.model} is a {config.model_type!r}.")
    bf16, sharded = bool(arguments.get("bf16")), bool(arguments.get("fsdp"))
    model = model_without_weights(config, settings, arguments)
    parts = count_parts(
        model, settings.frozen_dtype(bf16), settings.quantization, str(arguments.get("optim", "adamw_torch"))
    )
    batch = _largest_batch(recipe, config, arguments)
    logits = logits_bytes(batch.tokens, _text(config).vocab_size, bf16)
    others = {"logits and their gradients, if every token were a label": logits}
    if recipe.trainer.keeps_reference and settings.lora is None:
        others["frozen copy of the model, as the reference"] = sum(part.weights for part in parts.values())
    others |= fsdp_memory(model, arguments, bf16) if sharded else _copies(parts, bf16, processes)
    if not arguments.get("use_cpu"):
        others["CUDA's context, workspaces, unusable remainders (a guess)"] = CONTEXT
    return MemoryPlan(
        title=f"{recipe.name} on {processes} {'process' if processes == 1 else 'processes'}",
        parts=parts,
        shards=processes if sharded else 1,
        activations={kept: _activations(model, config, parts, batch, bf16, kept) for kept in (True, False)},
        checkpointed=_is_checkpointed(arguments),
        others=others,
        batch=batch,
        budget=settings.memory_budget_gib and settings.memory_budget_gib * GIB,
    )


def size(count: float) -> str:
    """Return bytes in the unit that suits them."""
    for unit, factor in (("GiB", GIB), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= factor:
            return f"{count / factor:.2f} {unit}"
    return f"{round(count)} B"


def _text(config: PreTrainedConfig) -> PreTrainedConfig:
    return getattr(config, "text_config", config)


def _largest_batch(recipe: Recipe, config: PreTrainedConfig, arguments: dict[str, Any]) -> BatchSize:
    """Return rows of `max_length` tokens, or as long as the language model reads, with a protein in each if any.

    A row with two answers counts as two.
    """
    context = getattr(_text(config), "max_position_embeddings", None) or 2048
    length = min(recipe.settings.max_length or context, context)
    rows = arguments.get("per_device_train_batch_size", 8) * recipe.trainer.sequences_per_row
    if recipe.settings.max_tokens_per_batch:
        rows = max(1, recipe.settings.max_tokens_per_batch // length)
    protein = getattr(config, "protein_config", None)
    longest = getattr(protein, "max_position_embeddings", 0) if protein is not None else 0
    return BatchSize(rows, rows * length, rows * min(longest, length))


def _is_checkpointed(arguments: dict[str, Any]) -> bool:
    """Whether activations are computed again, by the Trainer's way or by FSDP's."""
    fsdp_config = arguments.get("fsdp_config")
    by_fsdp = isinstance(fsdp_config, dict) and fsdp_config.get("activation_checkpointing")
    return bool(arguments.get("activation_checkpointing") or arguments.get("gradient_checkpointing") or by_fsdp)


def _activations(
    model: nn.Module,
    config: PreTrainedConfig,
    parts: dict[str, PartMemory],
    batch: BatchSize,
    bf16: bool,
    checkpointed: bool,
) -> int:
    """Bytes kept by the language model, and by the protein encoder where it trains; a GIN's are small."""
    text = make_stack(_text(config), parts["language_model"].trained > 0)
    if ADAPTERS in parts:
        adapted = sum(name.endswith("lora_A.default") for name, _ in model.named_modules())
        text = make_stack(_text(config), False, adapted / text.layers)
    kept = text.kept(batch.tokens, bf16, checkpointed)
    if "protein_encoder" in parts and parts["protein_encoder"].trained:
        kept += make_stack(config.protein_config, True).kept(batch.residues, bf16, checkpointed)
    return kept


def _copies(parts: dict[str, PartMemory], bf16: bool, processes: int) -> dict[str, int]:
    """Return what is held twice without FSDP: trained weights in bfloat16, and gradients on their way elsewhere."""
    trained = sum(part.trained for part in parts.values())
    copies = {}
    if bf16:
        copies["bfloat16 copies of trained weights"] = 2 * trained
    if processes > 1:
        copies["gradients in the buckets of DDP"] = 4 * trained
    return copies
