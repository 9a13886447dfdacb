"""A model as a configuration describes it, without memory, against the tensors that are stored for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.nn.modules.module import (
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)
from transformers import PreTrainedModel

from biomedgpt_hf.checkpoints.faults import AGAIN, InvalidCheckpointError, blamed_on
from biomedgpt_hf.checkpoints.stored_weights import StoredWeights

# What may lack before it is refused here, and not by the class that loads, which names it: names in an older spelling.
MISSING_SHARE, MISSING_ELEMENTS = 0.1, 1 << 20
# A model of another kind may have, beside its weights, a head that its file lacks.
OTHER_KIND_SHARE, OTHER_KIND_ELEMENTS = 1.2, 1 << 22
PACKED = 8  # elements of a quantised model in a stored byte, at most
BUFFER_BYTES = 64 << 20  # tables that are computed anew, such as masks and positions
REGISTRATIONS, LEAST_REGISTRATIONS = 20, 10_000  # modules and parameters for each stored tensor, and in any case


def build_empty(make: Callable[[], PreTrainedModel], stored: StoredWeights, file: Path) -> PreTrainedModel:
    """Return a model on the meta device, stopped where it gets far more parts than there are stored tensors.

    Args:
        make: makes it.
        stored: its weights.
        file: its configuration, for messages.

    Raises:
        InvalidCheckpointError: if the configuration describes no model, or one that is too large for the weights.
    """
    with blamed_on(file), torch.device("meta"), _limited_parts(stored, file):
        model = make()
    tables = sum(buffer.nbytes for buffer in model.buffers())
    if tables > max(stored.bytes, BUFFER_BYTES):
        raise InvalidCheckpointError(
            f"{file} describes tables of {tables:,} bytes, more than the {stored.bytes:,} bytes of {stored.files[0]}: "
            f"its sizes, such as max_position_embeddings, are wrong. {AGAIN}"
        )
    return model


@contextmanager
def _limited_parts(stored: StoredWeights, file: Path) -> Iterator[None]:
    """Raise an InvalidCheckpointError as soon as this thread's modules get too many parts."""
    limit = LEAST_REGISTRATIONS + REGISTRATIONS * len(stored.shapes)
    own, parts = threading.get_ident(), 0

    def count(*_: Any) -> None:
        nonlocal parts
        parts += threading.get_ident() == own
        if parts > limit:
            raise InvalidCheckpointError(
                f"{file} describes a model of more than {limit:,} parts, but {stored.files[0]} holds "
                f"{len(stored.shapes)} tensors: its number of layers is wrong. {AGAIN}"
            )

    hooks = [register_module_module_registration_hook(count), register_module_parameter_registration_hook(count)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def compare_shapes(model: PreTrainedModel, stored: StoredWeights, file: Path) -> None:
    """Compare a model of this package with the tensors that are stored for it, name by name.

    A model with a head reads the weights of one without, and the other way round.

    Raises:
        InvalidCheckpointError: if a shape differs, or much is missing; names the tensors.
    """
    tied = getattr(model, "all_tied_weights_keys", {})
    prefix, missing, elements = f"{model.base_model_prefix}.", [], 0
    for name, tensor in model.state_dict().items():
        names = (name, prefix + name, name.removeprefix(prefix))
        shape = next((stored.shapes[other] for other in names if other in stored.shapes), None)
        if shape is None:
            if name not in tied:
                missing.append(name)
                elements += tensor.numel()
        elif shape != tuple(tensor.shape):
            raise InvalidCheckpointError(
                f"{file} describes {name} as {list(tensor.shape)}, but {_names(stored)} holds {list(shape)}: the two "
                f"do not belong together. {AGAIN}"
            )
    if elements > max(MISSING_SHARE * stored.elements, MISSING_ELEMENTS):
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise InvalidCheckpointError(
            f"{_names(stored)} lacks weights of {type(model).__name__}, as {file} describes it: "
            f"{', '.join(sorted(missing)[:3])}{more}. {AGAIN}"
        )


def compare_sizes(model: PreTrainedModel, stored: StoredWeights, file: Path, quantized: bool) -> None:
    """Compare the number of a model's elements with that of the stored ones, where names can be spelt otherwise.

    Raises:
        InvalidCheckpointError: if the model is much larger.
    """
    described = sum(parameter.numel() for parameter in model.parameters())
    limit = OTHER_KIND_ELEMENTS + (PACKED * stored.bytes if quantized else OTHER_KIND_SHARE * stored.elements)
    if described > limit:
        raise InvalidCheckpointError(
            f"{file} describes a model of {described:,} elements, but {_names(stored)} holds {stored.elements:,}: the "
            f"two do not belong together. {AGAIN}"
        )


def _names(stored: StoredWeights) -> str:
    more = f" (and {len(stored.files) - 1} more)" if len(stored.files) > 1 else ""
    return f"{stored.files[0]}{more}"
