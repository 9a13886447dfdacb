"""Making a new checkpoint out of separate parts, as `biomedgpt init` does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoModel, AutoModelForCausalLM

from biomedgpt_hf.checkpoints import (
    check_foreign_model,
    find_config,
    load_foreign_model,
    load_model,
    load_processor,
    load_tokenizer,
)
from biomedgpt_hf.disk.paths import require_free
from biomedgpt_hf.modeling.modeling_biomedgpt import BioMedGPTForConditionalGeneration
from biomedgpt_hf.processors.processing_biomedgpt import BioMedGPTProcessor
from biomedgpt_hf.processors.processor_agreement import protein_positions

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

MAX_PROTEIN_LENGTH = 1024  # ESM-2's training length in tokens (Lin et al., 2022), and the original's limit


def assemble(
    language_model: str,
    protein_encoder: str,
    molecule_encoder: str,
    output: Path,
    chat_template: str = "paper",
    molecule_features: str | None = None,
    **settings: Any,
) -> None:
    """Join parts by new, untrained projectors and save model and processor in one folder.

    Args:
        language_model: folder or Hub id. Its tokenizer gets two placeholders.
        protein_encoder: folder or Hub id, with its tokenizer.
        molecule_encoder: folder or Hub id, or "random" for a new GIN.
        output: folder to write. It must be empty or not exist.
        chat_template: "paper", "language-model" for the language model's own, or a file.
        molecule_features: the feature set that a new GIN reads, "graphmvp" by default. A trained encoder has its own.
        settings: other arguments of `BioMedGPTProcessor`.

    Raises:
        FileExistsError: if the folder holds something.
        OSError: naming the part, if one cannot be found.
        ValueError: if the parts do not fit together.
    """
    require_free(output)
    if molecule_encoder != "random":
        config = check_foreign_model(AutoModel, molecule_encoder)
        molecule_features = getattr(config, "feature_set", molecule_features)
    positions = protein_positions(check_foreign_model(AutoModel, protein_encoder))
    text = check_foreign_model(AutoModelForCausalLM, language_model)
    processor = BioMedGPTProcessor.from_parts(
        load_tokenizer(language_model),
        load_tokenizer(protein_encoder),
        chat_template,
        molecule_features=molecule_features or "graphmvp",
        max_protein_length=min(MAX_PROTEIN_LENGTH, positions or MAX_PROTEIN_LENGTH),
        max_context_length=getattr(text, "max_position_embeddings", None),
        **settings,
    )
    model = BioMedGPTForConditionalGeneration.from_encoders(
        language_model, protein_encoder, molecule_encoder, processor=processor
    )
    processor.check_model(model.config)
    model.save_pretrained(output)
    processor.save_pretrained(output)


def exchange_language_model(checkpoint: str, language_model: str, output: Path) -> None:
    """Put another language model of the same width and tokens into a BioMedGPT, such as its own, trained further.

    Encoders, projectors, processor, the placeholders' rows and the dtype stay those of the checkpoint. Everything else
    of the language model comes from the new one, also its depth and its positions.

    Args:
        checkpoint: folder or Hub id of a BioMedGPT.
        language_model: folder or Hub id, for example what `export_language_model` wrote and a training changed.
        output: folder to write. It must be empty or not exist.

    Raises:
        FileExistsError: if the folder holds something.
        OSError: naming the part, if one cannot be found.
        ValueError: if the parts do not fit together.
    """
    require_free(output)
    config, text = find_config(checkpoint), _find_language_model(language_model)
    if config.model_type != "biomedgpt":
        raise ValueError(
            f"{checkpoint} holds a {config.model_type!r} model, not a BioMedGPT. Give a BioMedGPT as --checkpoint."
        )
    processor = load_processor(checkpoint)
    placeholders = [placeholder.token_id for placeholder in processor.placeholders]
    _check_sizes(checkpoint, config.text_config, language_model, text, min(placeholders))
    _check_tokens(processor, language_model)
    whole = load_model(checkpoint)
    model = BioMedGPTForConditionalGeneration.from_encoders(
        load_foreign_model(AutoModelForCausalLM, language_model),
        processor=processor,
        dtype=whole.dtype,
        training=config.training,
        **{f"{name}_encoder": getattr(whole.model, f"{name}_encoder") for name in config.modalities},
    )
    for name in config.modalities:
        setattr(model.model, f"{name}_projector", getattr(whole.model, f"{name}_projector"))
    with torch.no_grad():
        for rows in ("get_input_embeddings", "get_output_embeddings"):
            getattr(model, rows)().weight[placeholders] = getattr(whole, rows)().weight[placeholders]
    processor.check_model(model.config)
    model.save_pretrained(output)
    processor.save_pretrained(output)


def _find_language_model(language_model: str) -> PreTrainedConfig:
    """Return the configuration of a causal language model whose weights are complete."""
    if (Path(language_model) / "adapter_config.json").is_file():
        raise ValueError(
            f"{language_model} holds only adapters. Merge them into their language model with "
            "PeftModel.merge_and_unload, save the result, and pass that."
        )
    config = find_config(language_model)
    if config.model_type == "biomedgpt":
        raise ValueError(
            f"{language_model} holds a BioMedGPT. Take its language model out first, with "
            "`biomedgpt convert language-model`."
        )
    return config


def _check_sizes(
    checkpoint: str, ours: PreTrainedConfig, language_model: str, theirs: PreTrainedConfig, first_placeholder: int
) -> None:
    """Raise a ValueError, with both numbers, unless two language models have the same width and vocabulary."""
    if theirs.hidden_size != ours.hidden_size:
        raise ValueError(
            f"The language model {language_model} is {theirs.hidden_size} wide, but the projectors of {checkpoint} "
            f"make rows of {ours.hidden_size}. Take one of that width, or put a new model together and align it."
        )
    if not first_placeholder <= theirs.vocab_size <= ours.vocab_size:
        raise ValueError(
            f"The language model {language_model} has {theirs.vocab_size} rows of embeddings, but {checkpoint} has "
            f"{ours.vocab_size} with its two placeholders. Take one with the same vocabulary."
        )


def _check_tokens(processor: BioMedGPTProcessor, language_model: str) -> None:
    """Raise a ValueError unless a language model's tokenizer has the processor's tokens under the same ids."""
    special = {processor.molecule_token, processor.protein_token}
    ours, theirs = (
        {token: number for token, number in tokenizer.get_vocab().items() if token not in special}
        for tokenizer in (processor.tokenizer, load_tokenizer(language_model))
    )
    if ours == theirs:
        return
    token = min(token for token in ours.keys() | theirs.keys() if ours.get(token) != theirs.get(token))
    raise ValueError(
        f"The language model {language_model} has other tokens than the checkpoint: {token!r} has the "
        f"id {theirs.get(token, 'none')} there and {ours.get(token, 'none')} in the checkpoint. Take one with the same "
        "tokenizer, or put a new model together and align it."
    )
