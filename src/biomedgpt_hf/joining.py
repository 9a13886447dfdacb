"""Separate parts as one model: `BioMedGPTForConditionalGeneration.from_encoders`, which the package adds to the class.

A checkpoint's own code, in a process without the package, loads and runs models and does not join them.
"""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel

from biomedgpt_hf.modeling.composition_biomedgpt import (
    ADVICE,
    check_encoder,
    check_language_model,
    make_encoder,
    prepare_encoder,
    without_pooler,
)
from biomedgpt_hf.modeling.configuration_biomedgpt import GINConfig
from biomedgpt_hf.modeling.modality_encoders import MODALITY_ENCODERS
from biomedgpt_hf.modeling.modeling_biomedgpt import BioMedGPTForConditionalGeneration

# A folder, a Hub id, a model (taken over, not copied) or a config (new weights).
ModelPart: TypeAlias = str | Path | PreTrainedModel | PreTrainedConfig


def from_encoders(
    cls: type[BioMedGPTForConditionalGeneration],
    language_model: ModelPart,
    protein_encoder: ModelPart,
    molecule_encoder: ModelPart = "random",
    *,
    processor: Any = None,
    protein_feature_select: str = "full",
    dtype: str | torch.dtype = "auto",
    **arguments: Any,
) -> BioMedGPTForConditionalGeneration:
    """Join a language model and encoders by new projectors, ready for alignment (paper §3.2).

    Args:
        language_model: causal language model: a folder, a Hub id, a model (taken over, not copied) or a config
            (new weights).
        protein_encoder: likewise, any bidirectional encoder.
        molecule_encoder: likewise, any registered graph encoder; "random" is a new GIN.
        processor: the checkpoint's processor, which knows the placeholders' ids and the feature sets. Without it
            the placeholders follow the language model's last id, and `protein_feature_select` counts.
        protein_feature_select: see [`BioMedGPTConfig`].
        dtype: of every part; "auto" is the language model's own.
        arguments: `cell_encoder=…` for a registered modality "cell", as for the others; and more fields of
            [`BioMedGPTConfig`].

    Raises:
        ValueError: if the language model's logits are not `lm_head(hidden)`, or an encoder does not fit.
    """
    language_model = _load_language_model(language_model, dtype)
    if dtype == "auto":
        dtype = language_model.dtype
    if isinstance(molecule_encoder, str) and molecule_encoder == "random":
        molecule_encoder = GINConfig(feature_set=getattr(processor, "molecule_features", "graphmvp"))
    parts = {"molecule": molecule_encoder, "protein": protein_encoder}
    for name in MODALITY_ENCODERS:
        if f"{name}_encoder" in arguments:
            parts[name] = arguments.pop(f"{name}_encoder")
    encoders = {name: _load_encoder(part, dtype) for name, part in parts.items()}
    first = language_model.config.vocab_size
    token_ids = {
        name: getattr(processor, f"{name}_token_id", number) for number, name in enumerate(encoders, start=first)
    }
    _make_placeholder_rows(language_model, list(token_ids.values()))
    config = cls.config_class(
        text_config=language_model.config,
        protein_feature_select=getattr(processor, "protein_feature_select", protein_feature_select),
        **{f"{name}_config": encoder.config for name, encoder in encoders.items()},
        **{f"{name}_token_id": token_id for name, token_id in token_ids.items()},
        **arguments,
    )
    with torch.device("meta"):
        model = cls(config)
    _replace(model.model, "language_model", language_model.base_model)
    model.lm_head = language_model.get_output_embeddings()
    for modality, encoder in encoders.items():
        _replace(model.model, f"{modality}_encoder", encoder)
        projector = nn.Linear(encoder.config.hidden_size, config.text_config.hidden_size)
        model._init_weights(projector)
        setattr(model.model, f"{modality}_projector", projector)
    suppressed = model.generation_config.suppress_tokens
    model.generation_config = deepcopy(language_model.generation_config)
    model.generation_config.suppress_tokens = suppressed
    model.tie_weights()
    return model.to(device=language_model.device, dtype=dtype).eval()


@torch.no_grad()
def check_logits(language_model: PreTrainedModel) -> None:
    """Refuses a language model whose logits on a few tokens are not `lm_head(hidden)`.

    Raises:
        ValueError: naming the model type and the difference.
    """
    head, name = language_model.get_output_embeddings(), f"The language model {language_model.config.model_type!r}"
    if head is None:
        raise ValueError(f"{name} has no lm_head: pass what AutoModelForCausalLM loads.")
    if getattr(head, "bias", None) is not None:
        raise ValueError(f"{name} has an lm_head with a bias, which would be lost here: {ADVICE}")
    training = language_model.training
    language_model.eval()
    ids = torch.arange(min(8, language_model.config.vocab_size), device=language_model.device)[None]
    whole = language_model(input_ids=ids).logits
    split = nn.functional.linear(language_model.base_model(input_ids=ids).last_hidden_state, head.weight)
    language_model.train(training)
    if not torch.allclose(whole, split, atol=1e-4, rtol=1e-3):
        difference = (whole - split).abs().max()
        raise ValueError(f"{name} computes other logits than lm_head(hidden), by {difference:.2g}: {ADVICE}")


def _load_language_model(part: ModelPart, dtype: str | torch.dtype) -> PreTrainedModel:
    """Return a causal language model that passes the checks above."""
    if isinstance(part, (str, Path)):
        config = AutoConfig.from_pretrained(part, trust_remote_code=False)
    else:
        config = part.config if isinstance(part, PreTrainedModel) else deepcopy(part)
    check_language_model(config)  # before anything large is read
    if isinstance(part, (str, Path)):
        part = AutoModelForCausalLM.from_pretrained(part, dtype=dtype, trust_remote_code=False)
    elif not isinstance(part, PreTrainedModel):
        part = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    check_logits(part)
    return part


def _load_encoder(part: ModelPart, dtype: str | torch.dtype) -> PreTrainedModel:
    """Return an encoder without head and pooler."""
    if isinstance(part, PreTrainedModel):
        part = part.base_model
    elif isinstance(part, PreTrainedConfig):
        return make_encoder(part)
    else:
        check_encoder(AutoConfig.from_pretrained(part, trust_remote_code=False))
        part = without_pooler(AutoModel.from_pretrained, part, dtype=dtype, trust_remote_code=False)
    check_encoder(part.config)
    return prepare_encoder(part)


def _replace(model: PreTrainedModel, name: str, part: PreTrainedModel) -> None:
    """Put a part in the place of the one that its config gives, which must be the same when the model is loaded."""
    expected = type(getattr(model, name)).__name__  # by name: remote code has classes twice
    if type(part).__name__ != expected:
        raise ValueError(
            f"The {name} is a {type(part).__name__}, but its config {part.config.model_type!r} makes a {expected}, so "
            f"a saved checkpoint could not be loaded: pass a {expected}."
        )
    setattr(model, name, part)


@torch.no_grad()
def _make_placeholder_rows(language_model: PreTrainedModel, token_ids: list[int]) -> None:
    """Give the placeholders embeddings of their own, for prompts given as embeddings are told by these rows.

    Rows past the end are appended; rows there are (Qwen pads its vocabulary with rows that are all alike) are renewed.
    """
    if max(token_ids) >= language_model.config.vocab_size:
        language_model.resize_token_embeddings(max(token_ids) + 1, mean_resizing=False)
    weight = language_model.get_input_embeddings().weight
    std = getattr(language_model.config, "initializer_range", 0.02)
    weight[token_ids] = torch.empty(len(token_ids), weight.shape[1]).normal_(std=std).to(weight)
