"""Giving every tensor of a checkpoint its place in the new model, or the reason why it has none."""

import re
from collections.abc import Callable, Mapping

import torch

from biomedgpt_hf.conversion.checkpoint import Checkpoint, StoredTensor
from biomedgpt_hf.conversion.errors import ConversionError

SHOWN = 4  # names in a message before "…"


def place_tensors(
    checkpoint: Checkpoint,
    expected: Mapping[str, torch.Tensor],
    original_key: Callable[[str], str],
    homeless: Mapping[str, str],
    may_lack: str = r"$^",
) -> tuple[dict[str, StoredTensor], dict[str, str]]:
    """Find the tensor of each key of the new model.

    Args:
        checkpoint: the source.
        expected: the new model's state dict; its tensors may be on the meta device.
        original_key: gives the source's key for a new one.
        homeless: why tensors are left out, by a regular expression for the source's key.
        may_lack: regular expression for keys of the new model that the source need not have.

    Returns:
        Tensors by new key, in the new model's order, and the reasons by source key.

    Raises:
        ConversionError: naming tensors that are unknown, missing or of another shape.
    """
    placed = {}
    missing = []
    rest = dict(checkpoint.tensors)
    for key, tensor in expected.items():
        source = original_key(key)
        if source not in rest:
            if not re.fullmatch(may_lack, key):
                missing.append(source)
            continue
        stored = rest.pop(source)
        if stored.shape != tuple(tensor.shape):
            raise ConversionError(
                f"{stored.name} has the shape {list(stored.shape)}, but {list(tensor.shape)} follows from the config "
                "or from the other tensors: the files or the config belong to another model."
            )
        if stored.dtype.is_floating_point != tensor.dtype.is_floating_point:
            raise ConversionError(f"{stored.name} is {stored.dtype}, not floating point like its place in the model.")
        placed[key] = stored
    reasons = {key: reason for key in rest for pattern, reason in homeless.items() if re.fullmatch(pattern, key)}
    unknown = [key for key in rest if key not in reasons]
    if missing or unknown:
        raise ConversionError(_misfit(checkpoint, missing, unknown))
    return placed, reasons


def need(checkpoint: Checkpoint, key: str) -> StoredTensor:
    """Return a tensor that the shape of the model is read from.

    Raises:
        ConversionError: if it is missing.
    """
    if key not in checkpoint.tensors:
        raise ConversionError(_misfit(checkpoint, [key], []))
    return checkpoint.tensors[key]


def count_layers(checkpoint: Checkpoint, pattern: str) -> int:
    """How many layers there are: one more than the highest number in a pattern's first group."""
    numbers = [int(match.group(1)) for key in checkpoint.tensors if (match := re.match(pattern, key))]
    return max(numbers, default=-1) + 1


def check_rotary(checkpoint: Checkpoint, pattern: str, head_size: int, theta: float, remedy: str) -> None:
    """Compare stored rotary frequencies, which the new model computes, with what it will compute.

    Raises:
        ConversionError: if they differ by more than rounding to their data type.
    """
    frequencies = rotary_frequencies(head_size, theta)
    for key, stored in checkpoint.tensors.items():
        if not re.fullmatch(pattern, key):
            continue
        tolerance = max(1e-5, 2 * torch.finfo(stored.dtype).eps)
        values = stored.tensor().double()
        if values.shape != frequencies.shape or not torch.allclose(
            values, frequencies.double(), rtol=tolerance, atol=1e-6 if stored.dtype == torch.float16 else 0
        ):
            raise ConversionError(
                f"{stored.name} holds {values.numel()} rotary frequencies that differ from those of attention heads "
                f"of width {head_size} with theta {theta:g}: {remedy}."
            )


def rotary_frequencies(head_size: int, theta: float = 10000.0) -> torch.Tensor:
    """Angle per position of each pair of a head's dimensions, float32 [head_size / 2] (Su et al., 2021, §3.2.2)."""
    return 1.0 / (theta ** (torch.arange(0, head_size, 2, dtype=torch.float) / head_size))


def _misfit(checkpoint: Checkpoint, missing: list[str], unknown: list[str]) -> str:
    """One line that names what does not fit."""
    parts = []
    if missing:
        parts.append(f"{len(missing)} tensor{'s are' if len(missing) > 1 else ' is'} missing ({_some(missing)})")
    if unknown:
        parts.append(f"{len(unknown)} tensor{'s are' if len(unknown) > 1 else ' is'} unknown ({_some(unknown)})")
    remedy = "a foreign or incomplete checkpoint is not converted"
    if checkpoint.absent_parts and missing:
        remedy = f"give {_some(checkpoint.absent_parts)} too"
    return f"{checkpoint.names}: {' and '.join(parts)}: {remedy}."


def _some(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
