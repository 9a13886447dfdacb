"""Which parts of a BioMedGPT are trained, in which precision, and under which names they are saved."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import torch
from torch import nn

# Where the parts are in a `BioMedGPTForConditionalGeneration`. The order is that of data through the model.
PARTS = {
    "molecule_encoder": ("model.molecule_encoder",),
    "molecule_projector": ("model.molecule_projector",),
    "protein_encoder": ("model.protein_encoder",),
    "protein_projector": ("model.protein_projector",),
    "language_model": ("model.language_model", "lm_head"),
}
NEVER_TRAINED = ("contact_head",)  # ESM's: no part of the forward, so it would wait for a gradient that never comes
WRAPPERS = ("_checkpoint_wrapped_module.", "_orig_mod.")  # what activation checkpointing and compiling put into names


class SavedTensor(NamedTuple):
    """A tensor of a checkpoint: its name in the model, and its whole shape."""

    fqn: str
    shape: torch.Size


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
    model.requires_grad_(False)
    for part in parts:
        for path in PARTS[part]:
            model.get_submodule(path).requires_grad_(True)
    for name, parameter in model.named_parameters():
        if any(f".{never}." in name for never in NEVER_TRAINED):
            parameter.requires_grad_(False)


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


def add_lora(model: nn.Module, settings: Mapping[str, Any]) -> nn.Module:
    """Put low-rank adapters into a model; only they, and the `modules_to_save`, are trained.

    Args:
        model: a `BioMedGPTForConditionalGeneration`, or a causal language model.
        settings: keys of `peft.LoraConfig`.

    Returns:
        A `PeftModel`.
    """
    from peft import LoraConfig, TaskType, get_peft_model

    peft_model = get_peft_model(model, LoraConfig(**{"task_type": TaskType.CAUSAL_LM, **settings}))
    for name, parameter in peft_model.named_parameters():
        if any(f".{never}." in name for never in NEVER_TRAINED):
            parameter.requires_grad_(False)
    return peft_model


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


def is_peft_model(model: nn.Module) -> bool:
    """Whether a model is a `PeftModel`, sharded or not."""
    return hasattr(model, "peft_config") and hasattr(model, "get_base_model")


def saved_names(model: nn.Module) -> dict[str, SavedTensor]:
    """Return what a model's `save_pretrained` writes: for each name in the file the tensor in the model.

    Args:
        model: one with or without adapters, sharded or not, but not wrapped in DDP.
    """
    tied = tied_names(model)
    tensors = {canonical(name): tensor for name, tensor in model.state_dict(keep_vars=True).items()}
    saved = {name: SavedTensor(name, tensor.shape) for name, tensor in tensors.items() if name not in tied}
    if not is_peft_model(model):
        return saved
    from peft import get_peft_model_state_dict

    # What PEFT calls them in its file is known to nothing but this function, so its values say where they come from.
    probes = {name: torch.empty(0, device="meta") for name in saved}
    origin = {id(probe): name for name, probe in probes.items()}
    renamed = get_peft_model_state_dict(model, state_dict=probes, save_embedding_layers=False)
    return {name: saved[origin[id(probe)]] for name, probe in renamed.items()}


def tied_names(model: nn.Module) -> set[str]:
    """Return the further names of parameters that have several, such as a tied `lm_head`."""
    every = {canonical(name) for name, _ in model.named_parameters(remove_duplicate=False)}
    return every - {canonical(name) for name, _ in model.named_parameters()}


def canonical(name: str) -> str:
    """Return a parameter's name without what wrappers have put into it."""
    for wrapper in WRAPPERS:
        name = name.replace(wrapper, "")
    return name
