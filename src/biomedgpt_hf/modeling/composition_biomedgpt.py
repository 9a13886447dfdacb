"""Which language models and encoders fit into a BioMedGPT, and how an encoder is made from its configuration."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from torch import nn
from transformers import AutoModel, DynamicCache, PreTrainedConfig, PreTrainedModel

from .configuration_biomedgpt import GINConfig
from .modeling_gin import GINModel

# Config fields by which a language model scales, caps or shifts its logits, with the values that change nothing. Such a
# model cannot be split into a body and an `lm_head`: the step between would be lost without a word.
LOGIT_CHANGING_FIELDS = {
    "final_logit_softcapping": (None,),  # Gemma 2, 3 and 4, NanoChat
    "logits_soft_cap": (None,),  # RecurrentGemma
    "output_logit_soft_cap": (None,),  # xLSTM
    "logit_scale": (None, 1),  # Cohere
    "logits_scaling": (None, 1),  # Granite, HyperCLOVA X
    "lm_head_multiplier": (None, 1),  # Falcon-H1
    "logits_mup_width_multiplier": (None, 1),  # Inkling
    "lm_head_bias": (None, False),  # Phi-MoE, Zaya
}
BIASED_LANGUAGE_MODELS = ("codegen", "ctrl", "gptj", "phi")
UNUSED = ("contact_head",)  # ESM's, which predicts contacts between residues
ADVICE = "choose one whose logits are lm_head(hidden), such as Llama, Mistral or Qwen."


def check_language_model(config: PreTrainedConfig) -> None:
    """Refuses language models whose logits are not `lm_head(hidden)`, or that have no keys and values.

    Raises:
        ValueError: naming the model type and the reason.
    """
    name = f"The language model {config.model_type!r}"
    if config.is_encoder_decoder:
        raise ValueError(f"{name} is an encoder-decoder: {ADVICE}")
    if config.model_type in BIASED_LANGUAGE_MODELS:
        raise ValueError(f"{name} has an lm_head with a bias, which would be lost here: {ADVICE}")
    recurrent = DynamicCache(config=config).is_linear
    if recurrent and all(recurrent):
        raise ValueError(
            f"{name} has no attention layer, and generation with items goes on from keys and values: choose one that "
            "has, such as Llama, Mistral or Qwen."
        )
    for field, harmless in LOGIT_CHANGING_FIELDS.items():
        if (value := getattr(config, field, None)) not in harmless:
            raise ValueError(f"{name} changes its logits ({field}={value}), which would be lost here: {ADVICE}")


def check_arguments(part: PreTrainedModel, role: str, names: Sequence[str]) -> None:
    """Refuses a part whose forward does not take what it would be given here.

    Args:
        part: the language model or an encoder.
        role: what it is for.
        names: of the arguments.

    Raises:
        ValueError: naming the model type and the arguments.
    """
    taken = inspect.signature(part.forward).parameters
    if missing := [name for name in names if name not in taken]:
        raise ValueError(
            f"{part.config.model_type!r} cannot be the {role}: its forward does not take {', '.join(missing)}. "
            f"Choose a model that takes {', '.join(names)}."
        )


def make_encoder(config: PreTrainedConfig) -> PreTrainedModel:
    """Build an encoder with new weights, from its config.

    Raises:
        ValueError: for an encoder-decoder, whose forward wants decoder inputs too.
    """
    check_encoder(config)
    if config.model_type == GINConfig.model_type:
        # Remote code has two copies of this config's module, and the Auto class refuses the other copy's class.
        return GINModel._from_config(config)
    return prepare_encoder(without_pooler(AutoModel.from_config, config, trust_remote_code=False))


def check_encoder(config: PreTrainedConfig) -> None:
    """Raise a ValueError, by name, for an encoder-decoder."""
    if config.is_encoder_decoder:
        raise ValueError(f"The encoder {config.model_type!r} is an encoder-decoder: choose an ESM or BERT type.")


def without_pooler(load: Callable[..., PreTrainedModel], *args: Any, **kwargs: Any) -> PreTrainedModel:
    """Call `load` so that the encoder gets no pooler, if its class has the option."""
    try:
        return load(*args, **kwargs, add_pooling_layer=False)
    except TypeError as error:
        if "add_pooling_layer" not in str(error):
            raise
        return load(*args, **kwargs)


def prepare_encoder(encoder: PreTrainedModel) -> PreTrainedModel:
    """Take off the pooler that nothing here reads, and freeze what is no part of the forward."""
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None
    freeze_unused(encoder)
    return encoder


def freeze_unused(model: nn.Module) -> None:
    """Freeze what no forward uses, wherever it is in a model: a gradient for it would never come.

    Adapters that sit on it are frozen too (LoRA on "all-linear" puts some there). Loading weights and unfreezing a
    whole encoder undo it, so it is done again after either.
    """
    for name, parameter in model.named_parameters():
        if any(part in UNUSED for part in name.split(".")):
            parameter.requires_grad_(False)
