"""A BioMedGPT checkpoint's language model alone → a plain folder that loads without this package."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from transformers import AutoModelForCausalLM, GenerationConfig, PreTrainedConfig

from biomedgpt_hf.checkpoints import find_config, inspect_checkpoint, load_tokenizer, shard_names
from biomedgpt_hf.conversion.checkpoint import Checkpoint, open_checkpoint
from biomedgpt_hf.conversion.errors import ConversionError
from biomedgpt_hf.conversion.placing import place_tensors
from biomedgpt_hf.conversion.writing import ConversionReport, NewTensor, count_elements, make_report, write_weights
from biomedgpt_hf.disk.folders import staged_folder
from biomedgpt_hf.disk.replacing import write_json
from biomedgpt_hf.modeling.modeling_biomedgpt import BioMedGPTForConditionalGeneration

BODY, HEAD = "model.language_model.", "lm_head.weight"
OTHER_PARTS = r"model\.(molecule|protein)_(encoder|projector)\..*"
PROBE = "The molecule CC(=O)O is an acid; its pKa is 4.76."
WEIGHTS = ["*.safetensors", "*.safetensors.index.json"]


def export_language_model(
    checkpoint: str | Path, output: str | Path, max_shard_size: int | str = "5GB"
) -> ConversionReport:
    """Take the language model out of a BioMedGPT: config, weights and tokenizer without the placeholders.

    The vocabulary's rows end before the placeholders again, so on text the logits equal the composite's.

    Args:
        checkpoint: folder or Hub id of a checkpoint of this package.
        output: folder to write; `AutoModelForCausalLM` loads it in any process.
        max_shard_size: longest weight file.

    Raises:
        FileExistsError: for a folder that is not empty.
        ConversionError: if there is no BioMedGPT, or its placeholders are not the last rows of the vocabulary.
    """
    source = _local_folder(checkpoint)
    config = _load(find_config, source, "config.json")
    if config.model_type != "biomedgpt":
        raise ConversionError(
            f"{checkpoint} holds a {config.model_type!r} model, not a BioMedGPT: nothing to take out."
        )
    text = config.text_config
    placeholders = sorted(config.placeholder_ids.values())
    rows = text.vocab_size - len(placeholders)
    if placeholders != list(range(rows, text.vocab_size)):
        raise ConversionError(
            f"The placeholders of {checkpoint} have the ids {placeholders}, not the last of {text.vocab_size} rows: "
            "tokens were added after them, or the vocabulary is padded, and taking them out would move what follows."
        )
    inspect_checkpoint(BioMedGPTForConditionalGeneration, source, {})
    with staged_folder(output) as folder, open_checkpoint(_weight_files(source)) as weights:
        text.tie_word_embeddings = config.tie_word_embeddings
        text.vocab_size = rows
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(text, trust_remote_code=False)
        tensors, dropped = _cut_tensors(weights, model, rows)
        write_weights(folder, tensors, max_shard_size)
        counts = count_elements(tensors)
        text.dtype = max(counts, key=lambda dtype: counts[dtype])
        text.architectures = [type(model).__name__]
        text.save_pretrained(folder)
        _generation_config(source, placeholders).save_pretrained(folder)
        notes = _save_tokenizer(source, folder, config)
        facts = {"sources": weights.sources, "dropped": dropped, "notes": notes}
        report = make_report(output, "language-model", model, tensors, **facts)
        report.save(folder)
    return report


def _local_folder(checkpoint: str | Path) -> Path:
    if Path(checkpoint).is_dir():
        return Path(checkpoint)
    try:
        patterns = [*WEIGHTS, "*.json", "*.jinja", "*.model"]
        return Path(snapshot_download(os.fspath(checkpoint), allow_patterns=patterns))
    except (OSError, ValueError) as error:
        raise ConversionError(
            f"{checkpoint} is no folder here and cannot be had from the Hub (no such repository, no access, or no "
            "network): pass the folder of a checkpoint."
        ) from error


def _load(load: Callable[[str], Any], folder: Path, item: str) -> Any:
    try:
        return load(str(folder))
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ConversionError(f"{folder} is no BioMedGPT checkpoint: its {item} cannot be read ({reason}).") from error


def _weight_files(folder: Path) -> list[Path]:
    index = folder / "model.safetensors.index.json"
    if index.exists():
        return [folder / name for name in shard_names(index)]
    return [folder / "model.safetensors"]


def _cut_tensors(weights: Checkpoint, model: torch.nn.Module, rows: int) -> tuple[list[NewTensor], dict[str, str]]:
    """Return the language model's tensors, the vocabulary's cut to its first rows."""
    expected = dict(model.state_dict())
    embeddings = model.get_input_embeddings().weight  # type: ignore[operator]
    vocabulary = {key for key, tensor in model.state_dict(keep_vars=True).items() if tensor is embeddings} | {HEAD}
    if model.config.tie_word_embeddings and HEAD not in weights.tensors:  # type: ignore[union-attr]
        del expected[HEAD]
    body = f"{model.base_model_prefix}."

    def original_key(key: str) -> str:
        return BODY + key.removeprefix(body) if key.startswith(body) else key

    shapes = {
        key: tensor.new_empty(rows + 2, *tensor.shape[1:]) if key in vocabulary else tensor
        for key, tensor in expected.items()
    }
    reason = "encoders and projectors are no part of the language model"
    placed, dropped = place_tensors(weights, shapes, original_key, {OTHER_PARTS: reason})
    tensors = [
        NewTensor(key, (stored.first_rows(rows) if key in vocabulary else stored,), stored.dtype)
        for key, stored in placed.items()
    ]
    return tensors, dropped


def _generation_config(folder: Path, placeholders: list[int]) -> GenerationConfig:
    """Return the checkpoint's, without the ids that are gone."""
    if not (folder / "generation_config.json").exists():
        return GenerationConfig()
    generation = GenerationConfig.from_pretrained(folder)
    suppressed = [token for token in generation.suppress_tokens or [] if token not in placeholders]
    generation.suppress_tokens = suppressed or None
    return generation


def _save_tokenizer(source: Path, folder: Path, config: PreTrainedConfig) -> list[str]:
    """Save the tokenizer, take the placeholders out of its files, and note if it reads text otherwise then."""
    tokenizer = _load(load_tokenizer, source, "tokenizer")
    ids = set(config.placeholder_ids.values())
    tokens = {token for token, number in tokenizer.get_vocab().items() if number in ids}
    tokenizer.chat_template = None  # it speaks of molecules and proteins
    tokenizer.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"):
        path = folder / name
        if path.exists():
            content = _without(json.loads(path.read_text("utf-8")), tokens)
            for key in ("auto_map", "processor_class"):  # of the composite's processor
                content.pop(key, None)
            write_json(path, content)
    exported = load_tokenizer(str(folder))
    left = set(exported.get_vocab()) & tokens
    if left:
        raise ConversionError(f"The tokenizer {type(tokenizer).__name__} keeps {', '.join(sorted(left))}: report this.")
    if exported(PROBE)["input_ids"] == tokenizer(PROBE)["input_ids"]:
        return []
    kinds = type(exported).__name__, type(tokenizer).__name__  # transformers goes by the type of some language models
    return [f"AutoTokenizer reads this tokenizer as {kinds[0]} and gives other ids: load it as {kinds[1]}."]


def _without(content: Any, tokens: set[str]) -> Any:
    """JSON content without the entries of some tokens: their names, and objects whose "content" they are."""

    def belongs(value: Any) -> bool:
        return (isinstance(value, str) and value in tokens) or (
            isinstance(value, dict) and value.get("content") in tokens
        )

    if isinstance(content, dict):
        return {
            key: _without(value, tokens) for key, value in content.items() if key not in tokens and not belongs(value)
        }
    if isinstance(content, list):
        return [_without(value, tokens) for value in content if not belongs(value)]
    return content
