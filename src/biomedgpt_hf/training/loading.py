"""Model and processor as a training starts from them, at a cost in memory that does not grow with the processes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import distributed, nn
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMultimodalLM,
    AutoProcessor,
    AutoTokenizer,
    TrainingArguments,
)

from biomedgpt_hf.checkpoints import find_config
from biomedgpt_hf.mini import mini_checkpoint
from biomedgpt_hf.processors.processing_biomedgpt import BioMedGPTProcessor
from biomedgpt_hf.training.parts import add_lora, train_in_float32, train_only
from biomedgpt_hf.training.recipe.settings import Settings


class Loaded(NamedTuple):
    """A model to train, the processor that prepares its rows, and what is saved with it: that, or a tokenizer."""

    model: Any
    processor: BioMedGPTProcessor
    saved_with: Any


def load_for_training(settings: Settings, arguments: TrainingArguments) -> Loaded:
    """Load what a run starts from: the trained parts in float32 and the others frozen.

    Args:
        settings: `model`, `trainable`, `lora`, `dtype`, `quantization`, `language_model_only`.
        arguments: of the training; they tell whether the model will be sharded.

    Raises:
        OSError: if there is no such checkpoint.
        ValueError: if its model and processor do not fit together, or the settings do not fit it.
    """
    checkpoint = str(mini_checkpoint()) if settings.model == "mini" else str(settings.model)
    config = find_config(checkpoint)
    composite = config.model_type == "biomedgpt"
    if settings.language_model_only and composite:
        raise ValueError(
            f"{checkpoint} is a BioMedGPT, and language_model_only trains a plain language model: take it out with "
            f"`biomedgpt convert language-model {settings.model} --output language-model`, train that, and put it back "
            f"with `biomedgpt init --checkpoint {settings.model}`."
        )
    if not composite and not settings.language_model_only:
        raise ValueError(
            f"{checkpoint} is a {config.model_type!r}, not a BioMedGPT: `biomedgpt init` makes one of it, or pass "
            "language_model_only to train it alone."
        )
    auto_class = AutoModelForMultimodalLM if composite else AutoModelForCausalLM
    remote = starts_empty(arguments)
    if settings.quantization and arguments.fsdp:
        raise ValueError("A quantised model cannot be sharded here: train it on one process, or without fsdp.")
    dtype = settings.frozen_dtype(bool(arguments.bf16))
    if remote:
        model = _load_empty(auto_class, config, getattr(torch, dtype))
    else:
        model = auto_class.from_pretrained(checkpoint, dtype=dtype, **_quantization(settings))
    if composite:
        saved_with = processor = AutoProcessor.from_pretrained(checkpoint)
        processor.check_model(model.config)
    else:
        saved_with = AutoTokenizer.from_pretrained(checkpoint)
        processor = BioMedGPTProcessor.from_parts(
            checkpoint, max_context_length=getattr(config, "max_position_embeddings", None)
        )
    return Loaded(_prepare(model, settings, composite, remote), processor, saved_with)


def starts_empty(arguments: TrainingArguments) -> bool:
    """Whether this process waits for the first one's weights instead of reading them (`cpu_ram_efficient_loading`)."""
    plugin = arguments.fsdp_plugin_args or {}
    wanted = bool(plugin.get("cpu_ram_efficient_loading"))
    return wanted and arguments.world_size > 1 and arguments.process_index > 0


def _prepare(model: Any, settings: Settings, composite: bool, empty: bool) -> Any:
    """Freezes, adds adapters, and sets precisions."""
    if settings.lora is not None:
        model = add_lora(model, settings.lora)
    elif composite:
        train_only(model, settings.trainable)
    train_in_float32(model, empty)
    return model


def _quantization(settings: Settings) -> dict[str, Any]:
    """Return the options that quantise the language model; the model's class keeps encoders and projectors exact."""
    if settings.quantization is None:
        return {}
    from transformers import BitsAndBytesConfig

    quantization = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=settings.quantization,
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16 if torch.cuda.is_available() else torch.float32,
    )
    return {"quantization_config": quantization}


def _load_empty(auto_class: Any, config: Any, dtype: torch.dtype) -> Any:
    """Return the model with memory that is reserved but never touched, to be filled by the first process.

    On the meta device the parameters would all have the address 0, by which accelerate tells them apart.
    """
    with torch.device("meta"):
        model = auto_class.from_config(config, dtype=dtype)
    for module in model.modules():
        for tensors in (module._parameters, module._buffers):
            for name, tensor in tensors.items():
                if tensor is not None:
                    empty = torch.empty_like(tensor, device="cpu")
                    is_parameter = tensors is module._parameters
                    tensors[name] = nn.Parameter(empty, tensor.requires_grad) if is_parameter else empty
    model.tie_weights()
    return model.eval()


@contextmanager
def buffers_shared_apart(model: nn.Module, fsdp_plugin: Any) -> Iterator[None]:
    """Give every process the first one's buffers, and let accelerate shard the parameters alone.

    accelerate's memory-efficient start shares out whatever a `state_dict` has, and fails at buffers, which are not
    sharded: batch normalisation's statistics, ESM's frequencies. So they travel here, and are no part of the
    `state_dict` until the context ends. (Batch normalisation would put a missing count of batches back in.)
    """
    if fsdp_plugin is None or not fsdp_plugin.cpu_ram_efficient_loading or distributed.get_world_size() == 1:
        yield
        return
    persistent: list[tuple[nn.Module, str]] = []
    tracking: list[Any] = [module for module in model.modules() if getattr(module, "track_running_stats", False)]
    for module in tracking:
        module.track_running_stats = False
    for module in model.modules():
        for name, buffer in module._buffers.items():
            if buffer is None:
                continue
            _broadcast(buffer)
            if name not in module._non_persistent_buffers_set:
                persistent.append((module, name))
                module._non_persistent_buffers_set.add(name)
    yield
    for module in tracking:
        module.track_running_stats = True
    for module, name in persistent:
        module._non_persistent_buffers_set.discard(name)


def _broadcast(buffer: torch.Tensor) -> None:
    """Overwrite a buffer with the first process's, wherever it is."""
    device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
    moved = buffer.to(device)
    distributed.broadcast(moved, src=0)
    buffer.copy_(moved)
