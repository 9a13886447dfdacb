"""What FSDP2 holds whole on each device while it computes, beside the shards: parameters, and gradients.

Parameters of a layer are gathered for its forward and again for its backward, the next layer's meanwhile. Gradients
come out of a layer's backward whole, in the dtype of the computation, and are divided when they are reduced, in
float32. What is in no layer is one more group, whose gradients wait for the end of the backward.

Where several batches make up a step, accelerate reduces the last one's alone (`set_requires_gradient_sync(False)`
before), and every device keeps all gradients whole and in float32 until then. `sync_each_batch` has each batch's
reduced, which a recipe gets under FSDP unless it says otherwise (see `Recipe.adapted`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn


def fsdp_memory(model: nn.Module, arguments: Mapping[str, Any], bf16: bool) -> dict[str, int]:
    """Return bytes by name, of one device.

    Args:
        model: as it trains, on any device.
        arguments: keys of `TrainingArguments`, as `Recipe.adapted` returns them.
        bf16: whether it computes in bfloat16.
    """
    width = 2 if bf16 else 4
    config = arguments.get("fsdp_config")
    config = config if isinstance(config, Mapping) else {}
    layer, outside, in_all = _sizes(model, config, trained=False)
    if config.get("reshard_after_forward") is False:
        gathered = {"parameters gathered by FSDP, all of them: reshard_after_forward is false": width * in_all}
    else:
        gathered = {"parameters gathered by FSDP: two layers, and what is in none": width * (2 * layer + outside)}
    layer, outside, in_all = _sizes(model, config, trained=True)
    batches = int(arguments.get("gradient_accumulation_steps") or 1)
    if batches > 1 and not _reduces_each_batch(arguments):
        name = f"gradients that FSDP keeps unsharded, all of them, until the last of {batches} batches"
        return gathered | {name: 4 * in_all + width * (layer + outside)}
    return gathered | {
        "unsharded gradients under FSDP: a layer's, and what is in none": (width + 4) * (layer + outside)
    }


def _sizes(model: nn.Module, config: Mapping[str, Any], trained: bool) -> tuple[int, int, int]:
    """Return how many parameters the largest layer has, how many are in no layer, and how many there are.

    Args:
        model: likewise.
        config: FSDP's, which says what a layer is.
        trained: whether to count only those that train.
    """
    kinds = config.get("transformer_layer_cls_to_wrap") or getattr(model, "_no_split_modules", None) or ()
    if config.get("auto_wrap_policy", "TRANSFORMER_BASED_WRAP") == "NO_WRAP":
        kinds = ()
    layers = [_count(module, trained) for module in model.modules() if type(module).__name__ in kinds]
    in_all = _count(model, trained)
    return max(layers, default=0), in_all - sum(layers), in_all


def _count(module: nn.Module, trained: bool) -> int:
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad or not trained)


def _reduces_each_batch(arguments: Mapping[str, Any]) -> bool:
    config = arguments.get("accelerator_config")
    accumulation = config.get("gradient_accumulation_kwargs") if isinstance(config, Mapping) else None
    return bool((accumulation or {}).get("sync_each_batch"))
