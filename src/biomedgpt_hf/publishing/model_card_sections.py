"""The sections of a model card, for each kind of model."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from biomedgpt_hf.publishing.model_card_text import (
    ADAPTER,
    ADAPTER_INSIDE,
    ANSWER,
    BEGINNING,
    BIOMEDGPT_CITATION,
    BIOMEDGPT_INTRODUCTION,
    BIOMEDGPT_LICENCE,
    BIOMEDGPT_LIMITS,
    BIOMEDGPT_SNIPPET,
    BIOMEDGPT_WITHOUT_PACKAGE,
    BLINDNESS,
    FEATURE_SELECT,
    FEATURES,
    GIN_CITATION,
    GIN_INTRODUCTION,
    GIN_LICENCE,
    GIN_LIMITS,
    GIN_SNIPPET,
    GIN_WITHOUT_PACKAGE,
    LANGUAGE_MODEL_INTRODUCTION,
    LANGUAGE_MODEL_LICENCE,
    LANGUAGE_MODEL_LIMITS,
    LANGUAGE_MODEL_SNIPPET,
    LANGUAGE_MODEL_WITHOUT_PACKAGE,
    QUESTION,
)

if TYPE_CHECKING:
    from peft import PeftConfig, PeftModel
    from transformers import PreTrainedModel


class Adapter(NamedTuple):
    """An adapter that PEFT put into a model: its name and its settings."""

    name: str
    settings: PeftConfig


def adapter_of(model: PreTrainedModel | PeftModel) -> Adapter | None:
    """Return the adapter, PEFT's or transformers', that a save of `model` would write instead of the model."""
    if hasattr(model, "get_base_model") or getattr(model, "_hf_peft_config_loaded", False):
        return Adapter(*next(iter(model.peft_config.items())))
    return None


def describe_model(
    model: PreTrainedModel, checkpoint: str, adapter: Adapter | None
) -> tuple[dict[str, str], list[str]]:
    """Sections of a model's card, and the Hub ids that its parts came from.

    Args:
        model: the model without PEFT's wrapper.
        checkpoint: what the snippet loads.
        adapter: the adapter, if only that is saved.
    """
    kinds = {"biomedgpt": _describe_biomedgpt, "biomedgpt_gin": _describe_gin}
    sections, bases = kinds.get(model.config.model_type, _describe_language_model)(model, checkpoint)
    if adapter is not None:
        sections = {**sections, "introduction": sections["introduction"] + ADAPTER, "inside": _inside(model, adapter)}
    return sections, bases


def hub_ids(*names: str | None) -> list[str]:
    """Return the names that are repositories on the Hub. Local folders are left out, since others do not have them."""
    ids = [name for name in names if name and re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", name) and not Path(name).exists()]
    return list(dict.fromkeys(ids))


def _describe_biomedgpt(model: PreTrainedModel, checkpoint: str) -> tuple[dict[str, str], list[str]]:
    config = model.config
    parts = dict(model.base_model.named_children())
    has_head = hasattr(model, "lm_head")
    if has_head and not config.tie_word_embeddings:
        parts["lm_head"] = model.lm_head
    bases = _names_of(config.text_config, config.protein_config, config.molecule_config)
    feature_set = getattr(config.molecule_config, "feature_set", config.molecule_config.model_type)
    modalities = [modality for modality in model.input_modalities if modality != "text"]
    placeholders = [str(getattr(config, f"{modality}_token_id")) for modality in modalities]
    inside = [
        _table(parts),
        "",
        f"- Molecules: feature set `{feature_set}`.",
        f'- Proteins: `protein_feature_select="{config.protein_feature_select}"`, '
        f"{FEATURE_SELECT[config.protein_feature_select]}.",
        f"- Vocabulary: {config.text_config.vocab_size:,} tokens; {len(placeholders)} of them are placeholders "
        f"(ids {' and '.join(placeholders)}) that features take the place of.",
    ]
    sections = {
        "introduction": BIOMEDGPT_INTRODUCTION,
        "snippet": BIOMEDGPT_SNIPPET.format(
            checkpoint=checkpoint,
            question=_question(config),
            auto_class="AutoModelForMultimodalLM" if has_head else "AutoModel",
            last_lines=ANSWER if has_head else FEATURES,
        ),
        "without_package": BIOMEDGPT_WITHOUT_PACKAGE,
        "inside": "\n".join(inside),
        "limits": BIOMEDGPT_LIMITS.format(blindness=BLINDNESS if feature_set == "graphmvp" else ""),
        "licence": BIOMEDGPT_LICENCE.format(bases=f" ({', '.join(bases)})" if bases else ""),
        "citation": BIOMEDGPT_CITATION,
    }
    return sections, bases


def _describe_gin(model: PreTrainedModel, checkpoint: str) -> tuple[dict[str, str], list[str]]:
    config = model.config
    inside = [
        _table({"all": model}),
        "",
        f"- Feature set `{config.feature_set}`: {len(config.atom_vocab_sizes)} features of each atom and "
        f"{len(config.bond_vocab_sizes)} of each bond.",
    ]
    sections = {
        "introduction": GIN_INTRODUCTION,
        "snippet": GIN_SNIPPET.format(checkpoint=checkpoint, feature_set=config.feature_set),
        "without_package": GIN_WITHOUT_PACKAGE,
        "inside": "\n".join(inside),
        "limits": GIN_LIMITS.format(blindness=BLINDNESS if config.feature_set == "graphmvp" else ""),
        "licence": GIN_LICENCE,
        "citation": GIN_CITATION,
    }
    return sections, []


def _describe_language_model(model: PreTrainedModel, checkpoint: str) -> tuple[dict[str, str], list[str]]:
    """Return the sections for a language model that was trained alone, to become part of a BioMedGPT."""
    question = next((block["text"] for block in _example(model.config) if block["type"] == "text"), None)
    sections = {
        "introduction": LANGUAGE_MODEL_INTRODUCTION,
        "snippet": LANGUAGE_MODEL_SNIPPET.format(checkpoint=checkpoint, question=json.dumps(question or BEGINNING)),
        "without_package": LANGUAGE_MODEL_WITHOUT_PACKAGE,
        "inside": _table({"language_model": model}),
        "limits": LANGUAGE_MODEL_LIMITS,
        "licence": LANGUAGE_MODEL_LICENCE,
        "citation": BIOMEDGPT_CITATION,
    }
    return sections, _names_of(model.config)


def _example(config: Any) -> list[dict[str, Any]]:
    """Return the blocks of the checkpoint's own question; none if it has none."""
    return (getattr(config, "card", None) or {}).get("example") or []


def _question(config: Any) -> str:
    """Return the lines that make the content of a message: the checkpoint's own question, or one of every card."""
    blocks = _example(config)
    if not blocks:
        return QUESTION
    return "\n".join(["content = [", *(f"    {json.dumps(block, ensure_ascii=False)}," for block in blocks), "]"])


def _table(parts: dict[str, Any]) -> str:
    """Return a table of the type, layers, width and parameters of each part."""
    rows = ["| part | type | layers | width | parameters |", "|---|---|---|---|---|"]
    total, size, dtypes = 0, 0, set()
    for name, module in parts.items():
        config = getattr(module, "config", None)
        kind, layers = getattr(config, "model_type", "linear"), getattr(config, "num_hidden_layers", 1)
        width = getattr(config, "hidden_size", None) or getattr(module, "out_features", "")
        parameters = list(module.parameters())
        count = sum(parameter.numel() for parameter in parameters)
        total += count
        size += sum(parameter.numel() * parameter.element_size() for parameter in parameters)
        dtypes |= {str(parameter.dtype).removeprefix("torch.") for parameter in parameters}
        rows.append(f"| `{name}` | {kind} | {layers} | {width} | {count:,} |")
    return "\n".join([*rows, "", f"{total:,} parameters, {size / 1e6:,.1f} MB in {', '.join(sorted(dtypes))}."])


def _inside(model: PreTrainedModel, adapter: Adapter) -> str:
    """Return what an adapter's folder holds: matrices that adapt weights, and modules that replace others."""
    parts = [*dict(model.base_model.named_children()), "lm_head"] if model.config.model_type == "biomedgpt" else []
    counts: dict[tuple[str, str], int] = {}
    for name, parameter in model.named_parameters():
        levels = name.split(".")
        if adapter.name not in levels:
            continue
        part = next((part for part in parts if part in levels), "language_model")
        kind = "replaced" if "modules_to_save" in levels else "adapted"
        counts[part, kind] = counts.get((part, kind), 0) + parameter.numel()
    rows = [f"| `{part}` | {kind} | {count:,} |" for (part, kind), count in sorted(counts.items())]
    names = ("r", "lora_alpha", "lora_dropout", "target_modules")
    values = {name: getattr(adapter.settings, name, None) for name in names}
    found = [f"`{name}={sorted(v) if isinstance(v, set) else v}`" for name, v in values.items() if v]
    return ADAPTER_INSIDE.format(rows="\n".join(rows), total=f"{sum(counts.values()):,}", settings=", ".join(found))


def _names_of(*configs: Any) -> list[str]:
    """Return the Hub ids of the repositories that configs were loaded from."""
    return hub_ids(*(getattr(config, "_name_or_path", None) for config in configs))
