"""Under which names the tensors of a model are saved."""

from typing import NamedTuple

import torch
from torch import nn

from biomedgpt_hf.training.model.adapters import is_peft_model

WRAPPERS = ("_checkpoint_wrapped_module.", "_orig_mod.")  # what activation checkpointing and compiling put into names


class SavedTensor(NamedTuple):
    """A tensor of a checkpoint: its name in the model, and its whole shape."""

    fqn: str
    shape: torch.Size


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
