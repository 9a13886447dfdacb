"""The model card that goes with every saved checkpoint."""

import hashlib
import re
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, ModelCardData

from .model_card_text import (
    ADAPTER,
    ANSWER,
    BIOMEDGPT_CITATION,
    BIOMEDGPT_INTRODUCTION,
    BIOMEDGPT_LICENCE,
    BIOMEDGPT_LIMITS,
    BIOMEDGPT_SNIPPET,
    BIOMEDGPT_WITHOUT_PACKAGE,
    BLINDNESS,
    FEATURE_SELECT,
    FEATURES,
    FRAME,
    GIN_CITATION,
    GIN_INTRODUCTION,
    GIN_LICENCE,
    GIN_LIMITS,
    GIN_SNIPPET,
    GIN_WITHOUT_PACKAGE,
    NO_TRAINING,
)

# Tells a card that a save may renew from one that somebody has edited: the digest is of everything else in the card.
MARK = "<!-- Written by biomedgpt_hf and renewed by every save until somebody edits it. {digest} -->\n"
MARK_PATTERN = MARK.format(digest="([0-9a-f]{16})")


def model_card(model: Any, checkpoint: str = ".", tags: list[str] | None = None) -> str:
    """Text of a model's card: metadata, snippet, sizes, training facts, limits, licence, citation.

    Args:
        model: a `BioMedGPTModel`, with or without its head, or a `GINModel`. `training` in its config holds the facts
            to repeat.
        checkpoint: what the snippet loads; "." is the folder that the card lies in.
        tags: more tags for the Hub.
    """
    config = model.config
    describe = _describe_gin if config.model_type == "biomedgpt_gin" else _describe_biomedgpt
    sections, bases = describe(model, checkpoint)
    training = getattr(config, "training", None) or {}
    metadata = ModelCardData(
        license="other",
        license_name="inherited-from-the-parts",
        library_name="transformers",
        pipeline_tag="any-to-any" if model.can_generate() else None,
        base_model=bases or None,
        tags=["biomedgpt", "chemistry", "molecule", *(tags or [])],
    )
    text = FRAME.format(
        metadata=metadata.to_yaml(),
        mark="",
        title=type(model).__name__.removeprefix("FSDP") if checkpoint == "." else checkpoint.split("/")[-1],
        training="\n".join(f"- {name}: {value}" for name, value in training.items()) or NO_TRAINING,
        **sections,
    )
    return text.replace("\n---\n", f"\n---\n{MARK.format(digest=_digest(text))}", 1)


def is_untouched(text: str) -> bool:
    """Whether a card is as `model_card` wrote it, so that a newer one may take its place."""
    mark = re.search(MARK_PATTERN, text)
    return mark is not None and _digest(text.replace(mark[0], "", 1)) == mark[1]


def is_untouched_template(text: str) -> bool:
    """Whether a card is transformers' own template, filled in by nobody (a processor pushed by itself leaves one)."""
    empty = ModelCard.from_template(ModelCardData(), model_description="\0").text
    before, after = (part.strip() for part in empty.split("\0"))
    body = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL).strip()
    description = body.removeprefix(before).removesuffix(after).strip()
    return body.startswith(before) and body.endswith(after) and description.endswith("automatically generated.")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def _describe_biomedgpt(model: Any, checkpoint: str) -> tuple[dict[str, str], list[str]]:
    """Sections of the card, and the Hub ids that the parts came from."""
    config = model.config
    parts = dict(model.base_model.named_children())
    has_head = hasattr(model, "lm_head")
    if has_head and not config.tie_word_embeddings:
        parts["lm_head"] = model.lm_head
    bases = _hub_ids(config.text_config, config.protein_config, config.molecule_config)
    feature_set = getattr(config.molecule_config, "feature_set", config.molecule_config.model_type)
    inside = [
        _table(parts),
        "",
        f"- Molecules: feature set `{feature_set}`.",
        f'- Proteins: `protein_feature_select="{config.protein_feature_select}"`, '
        f"{FEATURE_SELECT[config.protein_feature_select]}.",
        f"- Vocabulary: {config.text_config.vocab_size:,} tokens; two of them are placeholders "
        f"(ids {config.molecule_token_id} and {config.protein_token_id}) that features take the place of.",
    ]
    sections = {
        "introduction": BIOMEDGPT_INTRODUCTION + (ADAPTER if getattr(model, "_hf_peft_config_loaded", False) else ""),
        "snippet": BIOMEDGPT_SNIPPET.format(
            checkpoint=checkpoint,
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


def _describe_gin(model: Any, checkpoint: str) -> tuple[dict[str, str], list[str]]:
    """Sections of the card; it has no Hub ids."""
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


def _table(parts: dict[str, Any]) -> str:
    """Type, layers, width and parameters of each part."""
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


def _hub_ids(*configs: Any) -> list[str]:
    """Names of the repositories that sub-configs were loaded from; local folders are nobody else's business."""
    names = [getattr(config, "_name_or_path", "") or "" for config in configs]
    ids = [name for name in names if re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", name) and not Path(name).exists()]
    return list(dict.fromkeys(ids))
