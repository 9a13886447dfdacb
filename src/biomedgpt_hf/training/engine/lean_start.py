"""A start at which only the first process reads the weights, so that host memory does not grow with the processes.

`fsdp_config`'s `cpu_ram_efficient_loading` asks for it: the other processes hold memory that they do not touch, until
the first one's parameters and buffers reach them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import distributed, nn

if TYPE_CHECKING:
    from accelerate.utils import FullyShardedDataParallelPlugin
    from transformers import PreTrainedConfig, PreTrainedModel, TrainingArguments
    from transformers.models.auto.auto_factory import _BaseAutoModelClass


def starts_empty(arguments: TrainingArguments) -> bool:
    """Whether this process waits for the first one's weights instead of reading them (`cpu_ram_efficient_loading`)."""
    plugin = arguments.fsdp_plugin_args or {}
    wanted = bool(plugin.get("cpu_ram_efficient_loading"))
    return wanted and arguments.world_size > 1 and arguments.process_index > 0


def load_empty(auto_class: type[_BaseAutoModelClass], config: PreTrainedConfig, dtype: torch.dtype) -> PreTrainedModel:
    """Return the model with memory that is reserved but never touched, to be filled by the first process.

    On the meta device the parameters would all have the address 0, by which accelerate tells them apart.
    """
    with torch.device("meta"):
        model = auto_class.from_config(config, dtype=dtype, trust_remote_code=False)
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
def buffers_shared_apart(model: nn.Module, fsdp_plugin: FullyShardedDataParallelPlugin | None) -> Iterator[None]:
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
