"""Which parts of a BioMedGPT are trained, and in which precision."""

from collections.abc import Collection

import torch
from torch import nn

from biomedgpt_hf.modeling.composition_biomedgpt import freeze_unused

# Where the parts are in a `BioMedGPTForConditionalGeneration`. The order is that of data through the model.
PARTS = {
    "molecule_encoder": ("model.molecule_encoder",),
    "molecule_projector": ("model.molecule_projector",),
    "protein_encoder": ("model.protein_encoder",),
    "protein_projector": ("model.protein_projector",),
    "language_model": ("model.language_model", "lm_head"),
}


def train_only(model: nn.Module, parts: Collection[str]) -> None:
    """Make some parts of a model trainable, and freeze everything else.

    Args:
        model: a `BioMedGPTForConditionalGeneration`.
        parts: names out of `PARTS`.

    Raises:
        ValueError: for a name that is none of them, or for none at all.
    """
    if unknown := sorted(set(parts) - PARTS.keys()):
        raise ValueError(f"trainable names {unknown[0]!r}: choose from {', '.join(PARTS)}.")
    if not parts:
        raise ValueError(f"trainable is empty, so nothing would be trained: choose from {', '.join(PARTS)}.")
    modules = dict(model.named_modules())
    for part in parts:
        if missing := [path for path in PARTS[part] if path not in modules]:
            there = ", ".join(name for name, paths in PARTS.items() if all(path in modules for path in paths))
            raise ValueError(f"trainable has {part!r}, but the model has no {missing[0]}: choose from {there}.")
    model.requires_grad_(False)
    for part in parts:
        for path in PARTS[part]:
            modules[path].requires_grad_(True)
    freeze_unused(model)


def train_in_float32(model: nn.Module, empty: bool = False) -> None:
    """Keep what is trained, with its statistics, in float32: in bfloat16 small updates would be rounded away.

    Args:
        model: parameters that do not need gradients stay as they are.
        empty: whether the values come from another process later, so that none need be copied.
    """
    for module in model.modules():
        trained = [parameter for parameter in module.parameters(recurse=False) if parameter.requires_grad]
        for tensor in [*trained, *(module.buffers(recurse=False) if trained else ())]:
            if tensor.is_floating_point() and tensor.dtype != torch.float32:
                data = tensor.data
                tensor.data = torch.empty_like(data, dtype=torch.float32) if empty else data.float()


def trained_counts(model: nn.Module) -> dict[str, int]:
    """Return how many parameters of each part are trained; parts without any are left out."""
    counts = dict.fromkeys([*PARTS, "adapters"], 0)
    plain = not any(f"{part}." in name for part in PARTS for name, _ in model.named_parameters())
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            named = (part for part, paths in PARTS.items() if any(f"{path}." in f"{name}." for path in paths))
            part = "language_model" if plain else next(named, "adapters")
            counts["adapters" if ".lora_" in name else part] += parameter.numel()
    return {part: count for part, count in counts.items() if count}
