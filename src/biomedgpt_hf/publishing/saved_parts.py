"""Checks on PEFT's saving: everything trained must be saved, and PEFT must not change our card."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from biomedgpt_hf.publishing.model_card_sections import adapter_of

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


def check_trained_parts_are_saved(model: PreTrainedModel | PeftModel) -> None:
    """Refuses a model with an adapter whose saved folder would lack something that was trained.

    An adapter's folder holds the adapter and the modules of `modules_to_save`. PEFT does not save other parameters
    that were unfrozen by hand, and does not warn of it.

    Args:
        model: any model. A model without an adapter is saved completely, so nothing is lost.

    Raises:
        ValueError: trained parameters would be lost. The error names them and says what to do.
    """
    if adapter_of(model) is None:
        return
    adapters = model.peft_config
    biases = {getattr(settings, "bias", "none") for settings in adapters.values()}
    lost = []
    for name, parameter in model.named_parameters():
        kept = not adapters.keys().isdisjoint(name.split("."))
        bias = ("all" in biases and name.endswith("bias")) or ("lora_only" in biases and name.endswith("layer.bias"))
        if parameter.requires_grad and not kept and not bias:
            lost.append(name.removeprefix("base_model.model."))
    if lost:
        parts = list(dict.fromkeys(name.rsplit(".", 1)[0] for name in lost))
        more = f" and {len(lost) - 3} more" if len(lost) > 3 else ""
        raise ValueError(
            f"{len(lost)} trained parameters would be lost, since saving an adapter leaves them out: "
            f"{', '.join(lost[:3])}{more}. Name their modules in LoraConfig(modules_to_save=[...]), such as "
            f"{parts[0]!r}, or freeze them."
        )


@contextmanager
def without_pefts_card(model: PreTrainedModel | PeftModel) -> Iterator[None]:
    """Keep PEFT from writing its card, or from adding to ours, which would then look as if edited by hand."""
    if not hasattr(model, "create_or_update_model_card"):
        yield
        return
    model.create_or_update_model_card = lambda folder: None
    try:
        yield
    finally:
        del model.create_or_update_model_card
