"""An adapter (PEFT's) against its own weights and the model that it is of."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from biomedgpt_hf.checkpoints.faults import AGAIN, InvalidCheckpointError, blamed_on, read_json_object
from biomedgpt_hf.checkpoints.finding import ADAPTER, find_file
from biomedgpt_hf.checkpoints.stored_weights import stored_weights

WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
NAME = "default"  # PEFT's, of an adapter that is loaded by itself
LORA = ("lora_A", "lora_B", "lora_embedding_A", "lora_embedding_B")


def check_adapter(checkpoint: str, base: PreTrainedModel, revision: str | None = None, **hub: Any) -> None:
    """Check that an adapter fits its model and that its files hold what its configuration describes.

    Args:
        checkpoint: folder or Hub id of the adapter.
        base: the model that it is of, on the meta device; it has the adapter afterwards.
        revision: branch, tag or commit on the Hub.
        hub: further options of `cached_file`.

    Raises:
        OSError: if the weights are absent or damaged.
        InvalidCheckpointError: if the configuration cannot be used, or describes other weights than there are.
    """
    file = find_file(checkpoint, ADAPTER, revision, **hub)
    if file is None:
        raise FileNotFoundError(f"{checkpoint!r} has no {ADAPTER}. {AGAIN}")
    found = (find_file(checkpoint, name, revision, **hub) for name in WEIGHTS)
    weights = next((path for path in found if path is not None), None)
    if weights is None:
        raise FileNotFoundError(f"{checkpoint!r} has no weights: there is no {WEIGHTS[0]}. {AGAIN}")
    stored = stored_weights([weights])
    content = read_json_object(file)
    rank = max([content.get("r"), *_values(content.get("rank_pattern"))], key=lambda value: _size(value))
    if _size(rank) > max((max(shape, default=0) for shape in stored.shapes.values()), default=0):
        raise InvalidCheckpointError(f"{file} says r = {rank}, but {weights} holds nothing as large. {AGAIN}")
    _inject(base, file)
    shapes = {name.removeprefix("base_model.model."): shape for name, shape in stored.shapes.items()}
    added = {name: tensor for name, tensor in base.named_parameters() if f".{NAME}" in name}
    for name, tensor in added.items():
        if not any(part in name.split(".") for part in LORA):
            continue
        shape = shapes.get(name.replace(f".{NAME}", ""))
        if shape != tuple(tensor.shape):
            holds = "lacks it" if shape is None else f"holds {list(shape)}"
            raise InvalidCheckpointError(f"{file} describes {name} as {list(tensor.shape)}, but {weights} {holds}.")
    described = sum(tensor.numel() for tensor in added.values())
    if described > 1.2 * stored.elements + (1 << 20):
        raise InvalidCheckpointError(
            f"{file} describes an adapter of {described:,} elements, but {weights} holds {stored.elements:,}. {AGAIN}"
        )


def _inject(base: PreTrainedModel, file: Path) -> None:
    """Put the adapter that a file describes into a model without memory."""
    from peft import PeftConfig, inject_adapter_in_model

    with blamed_on(file), torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adapter = PeftConfig.from_pretrained(str(file.parent))
        if hasattr(adapter, "init_lora_weights"):
            adapter.init_lora_weights = True  # others compute with the weights that are not here
        inject_adapter_in_model(adapter, base, NAME, low_cpu_mem_usage=True)


def _values(pattern: Any) -> list[Any]:
    return list(pattern.values()) if isinstance(pattern, dict) else []


def _size(value: Any) -> float:
    return value if isinstance(value, int | float) else 0
