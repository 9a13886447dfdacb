"""Configs and tokenizers of an original BioMedGPT's parts: given as a folder or Hub id, or inferred from tensors."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import EsmConfig, LlamaConfig, PreTrainedConfig

from biomedgpt_hf import checkpoints
from biomedgpt_hf.conversion.checkpoint import Checkpoint
from biomedgpt_hf.conversion.errors import ConversionError
from biomedgpt_hf.conversion.fair_esm import ROTARY, esm_config, esm_heads
from biomedgpt_hf.conversion.placing import check_rotary, count_layers, need

PROTEIN_ENCODER = "prot_structure_encoder."
CONFIG_FILE = "config.json"
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.txt", "vocab.json")
LLAMA_ROTARY = r"llm\.model\.layers\.\d+\.self_attn\.rotary_emb\.inv_freq"
# BioMedGPT-LM-7B's config (https://huggingface.co/PharMolix/BioMedGPT-LM-7B), for what no tensor's shape tells.
PUBLISHED_LLAMA = {
    "rms_norm_eps": 1e-6, "max_position_embeddings": 4096, "hidden_act": "silu",
    "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
}  # fmt: skip
PUBLISHED_ESM = ("token_dropout", "layer_norm_eps", "position_embedding_type", "max_position_embeddings")
# Layers and attention heads of Llama 2 (Touvron et al., 2023), by width and inner width.
PUBLISHED_SIZES = {(4096, 11008): (32, 32), (5120, 13824): (40, 40)}


def load_config(name: str | Path, what: str, model_type: str) -> PreTrainedConfig:
    """Config of a local folder or Hub repository.

    Raises:
        ConversionError: if there is none, or of another type.
    """
    config = _load(checkpoints.find_config, name, what, CONFIG_FILE)
    if config.model_type != model_type:
        raise ConversionError(
            f"{name} holds a {config.model_type!r} config, but the {what} of an original BioMedGPT is {model_type!r}."
        )
    config._name_or_path = "" if Path(name).exists() else str(name)  # a local path means nothing to others
    return config


def load_tokenizer(name: str | Path, what: str) -> Any:
    """Tokenizer of a local folder or Hub repository.

    Raises:
        ConversionError: if there is none.
    """
    if Path(name).is_dir() and not has_tokenizer(name):
        raise ConversionError(
            f"The folder {name}, given as {what}, has no tokenizer ({', '.join(TOKENIZER_FILES)}): put it there."
        )
    return _load(checkpoints.load_tokenizer, name, what, "tokenizer")


def has_tokenizer(folder: str | Path) -> bool:
    """Whether a local folder holds any tokenizer's vocabulary."""
    return any((Path(folder) / file).exists() for file in TOKENIZER_FILES)


def _load(load: Callable[[str], Any], name: str | Path, what: str, item: str) -> Any:
    folder = Path(name)
    if folder.is_dir() and item == CONFIG_FILE and not (folder / item).exists():
        raise ConversionError(f"The folder {name}, given as {what}, has no {item}.")
    try:
        return load(os.fspath(name))
    except (OSError, ValueError, ImportError) as error:
        if folder.is_dir():
            reason = " ".join(str(error).split())[:200]
            raise ConversionError(f"Cannot read the {item} in {name}, given as {what}: {reason}") from error
        raise ConversionError(
            f"{name!r}, given as {what}, is no folder here and its {item} cannot be had from the Hub (no such "
            "repository, no access, or no network): download the repository and pass its folder."
        ) from error


def infer_text_config(checkpoint: Checkpoint, assumed: dict[str, Any]) -> LlamaConfig:
    """Config of the Llama under `llm.`, from tensor shapes and BioMedGPT-LM-7B's constants.

    Args:
        checkpoint: an original BioMedGPT.
        assumed: gets the constants that were taken on trust.

    Raises:
        ConversionError: if the number of attention heads cannot be told, or layers of a published size are missing.
    """
    width = need(checkpoint, "llm.model.embed_tokens.weight").shape[1]
    inner = need(checkpoint, "llm.model.layers.0.mlp.gate_proj.weight").shape[0]
    layers = count_layers(checkpoint, r"llm\.model\.layers\.(\d+)\.")
    published_layers, published_heads = PUBLISHED_SIZES.get((width, inner), (layers, None))
    if layers != published_layers:
        need(checkpoint, f"llm.model.layers.{published_layers - 1}.self_attn.q_proj.weight")
    theta = 10000.0
    frequencies = checkpoint.tensors.get("llm.model.layers.0.self_attn.rotary_emb.inv_freq")
    if frequencies is not None:
        head_size = 2 * frequencies.shape[0]
        if head_size > 2:
            theta = float(f"{float(frequencies.tensor()[1]) ** (-head_size / 2):.2g}")
    elif published_heads:
        head_size = width // published_heads
        assumed["text_config.num_attention_heads"] = published_heads
    else:
        raise ConversionError(
            f"{checkpoint.names} does not tell the language model's number of attention heads (no rotary_emb.inv_freq, "
            f"and {width} wide with {inner} inside is no published size): pass language_model, a folder with its "
            "config.json and tokenizer."
        )
    assumed |= {f"text_config.{name}": value for name, value in PUBLISHED_LLAMA.items()}
    return LlamaConfig(
        vocab_size=need(checkpoint, "llm.model.embed_tokens.weight").shape[0],
        hidden_size=width,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=need(checkpoint, "llm.model.layers.0.self_attn.q_proj.weight").shape[0] // head_size,
        num_key_value_heads=need(checkpoint, "llm.model.layers.0.self_attn.k_proj.weight").shape[0] // head_size,
        head_dim=head_size,
        rope_parameters={"rope_type": "default", "rope_theta": theta},
        tie_word_embeddings=False,
        **PUBLISHED_LLAMA,
    )


def infer_protein_config(checkpoint: Checkpoint, assumed: dict[str, Any]) -> EsmConfig:
    """Config of the ESM-2 under `prot_structure_encoder.`, from tensor shapes and the published constants.

    Raises:
        ConversionError: if the number of attention heads cannot be told.
    """
    width = need(checkpoint, f"{PROTEIN_ENCODER}embeddings.word_embeddings.weight").shape[1]
    inner = need(checkpoint, f"{PROTEIN_ENCODER}encoder.layer.0.intermediate.dense.weight").shape[0]
    layers = count_layers(checkpoint, r"prot_structure_encoder\.encoder\.layer\.(\d+)\.")
    heads = esm_heads(checkpoint, PROTEIN_ENCODER, layers, width)
    if heads is None:
        raise ConversionError(
            f"{checkpoint.names} does not tell the protein encoder's number of attention heads (no inv_freq, no "
            f"contact head, and {layers} layers {width} wide are no published ESM-2): pass protein_encoder, a folder "
            "with its config.json and tokenizer."
        )
    config = esm_config(layers, width, heads, inner)
    assumed |= {f"protein_config.{name}": getattr(config, name) for name in PUBLISHED_ESM}
    return config


def check_rotary_frequencies(checkpoint: Checkpoint, text: LlamaConfig, protein: EsmConfig) -> None:
    """Compare the frequencies stored in the checkpoint with what the configs make of them."""
    remedy = "pass the config that belongs to this checkpoint"
    rope = text.rope_parameters
    if rope.get("rope_type", "default") == "default":
        head_size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        check_rotary(checkpoint, LLAMA_ROTARY, head_size, rope["rope_theta"], remedy)
    head_size = protein.hidden_size // protein.num_attention_heads
    check_rotary(checkpoint, r"prot_structure_encoder" + ROTARY, head_size, protein.rope_theta, remedy)
