"""Whether what is trained still consists of numbers: where it does not, nothing that follows is worth its time."""

import torch
from torch import nn
from transformers import TrainingArguments

from biomedgpt_hf.training.checkpoints.folders import newest_complete
from biomedgpt_hf.training.model.tensor_names import canonical


class WeightsNotFiniteError(ValueError):
    """A training has made weights infinite, or not a number."""


def check_finite(model: nn.Module, arguments: TrainingArguments, step: int) -> None:
    """Raise a WeightsNotFiniteError if a trained weight is infinite, or not a number.

    Args:
        model: whole, or sharded; of a sharded parameter this process's part is looked at.
        arguments: of the training, for the error.
        step: how many steps were taken.
    """
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        values = parameter.detach()
        values = values.to_local() if hasattr(values, "to_local") else values
        if not bool(torch.isfinite(values).all()):
            newest = newest_complete(arguments.output_dir)
            kept = f"{newest.name} is the last good checkpoint" if newest else "there is no checkpoint yet"
            raise WeightsNotFiniteError(
                f"By step {step} the weight {canonical(name)!r} is not a number any more; {kept}. Start again in "
                f"another output_dir with a lower learning_rate than {arguments.learning_rate:g}, or a max_grad_norm."
            )
