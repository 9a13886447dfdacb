"""The model card that goes with every saved checkpoint."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import yaml
from huggingface_hub import ModelCard, ModelCardData

from biomedgpt_hf.publishing.card_mark import mark_card, without_mark
from biomedgpt_hf.publishing.evaluation_results import ENTRY, RESULTS, model_index, results_section
from biomedgpt_hf.publishing.model_card_sections import Adapter, adapter_of, describe_model, hub_ids
from biomedgpt_hf.publishing.model_card_text import FRAME, NO_TRAINING
from biomedgpt_hf.publishing.use_restriction import USE_RESTRICTION

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

LICENCE_KEYS = ("license", "license_name", "license_link")
UNKNOWN_LICENCE = {"license": "other", "license_name": "inherited-from-the-parts"}


def model_card(
    model: PreTrainedModel | PeftModel, checkpoint: str = ".", tags: list[str] | None = None, **metadata: Any
) -> str:
    """Text of a model's card: metadata, snippet, sizes, training facts, scores, limits, licence, citation.

    Args:
        model: a `BioMedGPTModel`, with or without its head, a `GINModel`, a language model alone, or PEFT's wrapper
            around one of them. In its config, `training` holds the facts to repeat, `evaluation` the scores of these
            weights, `fine_tuned_from` what the card inherits from the checkpoint that training started from, and
            `card` its "title" and its "example", the blocks of a question to ask.
        checkpoint: what the snippet loads; "." is the card's own folder.
        tags: more tags for the Hub.
        **metadata: more of the card's metadata, or other values for it, such as `license`.
    """
    whole = model.get_base_model() if hasattr(model, "get_base_model") else model
    adapter = adapter_of(model)
    sections, parts = describe_model(whole, checkpoint, adapter)
    data = _metadata(whole, adapter, parts, {key: value for key, value in metadata.items() if value})
    title = _title(whole, adapter) if checkpoint == "." else checkpoint.split("/")[-1]
    # An adapter's configuration is that of its base, whose scores are not the adapter's.
    scores = getattr(whole.config, ENTRY, None) if adapter is None else None
    found: dict[str, Any] = {"eval_results": model_index(scores), "model_name": title} if scores else {}
    text = FRAME.format(
        metadata=ModelCardData(**data, tags=_tags(whole, adapter, tags), **found).to_yaml(),
        title=title,
        results=results_section(scores),
        training=_facts(getattr(whole.config, "training", None) or {}) or NO_TRAINING,
        use_restriction=USE_RESTRICTION,
        inherited=_inherited(data),
        **sections,
    )
    return mark_card(text)


def with_scores(text: str, scores: Mapping[str, Any]) -> str:
    """Return a card that nobody has edited with other scores: in its metadata, and as its section on results.

    Args:
        text: the card, as `model_card` wrote it.
        scores: see `evaluation_results.merge`.
    """
    head, metadata, body = re.split(r"^---\n", without_mark(text), maxsplit=2, flags=re.MULTILINE)
    title = re.search(r"^# (.*)$", body, re.MULTILINE)
    told = {key: value for key, value in yaml.safe_load(metadata).items() if key != "model-index"}
    data = ModelCardData(**told, eval_results=model_index(scores), model_name=title[1] if title else "model")
    body = re.sub(rf"{RESULTS}.*?(?=\n## Limits\n)", "", body, count=1, flags=re.DOTALL)
    body = body.replace("\n## Limits\n", f"{results_section(scores)}\n## Limits\n", 1)
    return mark_card(f"{head}---\n{data.to_yaml()}\n---\n{body}")


def is_untouched_template(text: str) -> bool:
    """Tell whether a card is the unedited template of transformers, which pushing only a processor writes."""
    empty = ModelCard.from_template(ModelCardData(), model_description="\0").text
    before, after = (part.strip() for part in empty.split("\0"))
    body = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL).strip()
    description = body.removeprefix(before).removesuffix(after).strip()
    return body.startswith(before) and body.endswith(after) and description.endswith("automatically generated.")


def _metadata(
    model: PreTrainedModel, adapter: Adapter | None, parts: list[str], given: dict[str, Any]
) -> dict[str, Any]:
    """Return the metadata that the Hub reads, without the tags.

    Args:
        model: the model without PEFT's wrapper.
        adapter: the adapter, if only that is saved.
        parts: Hub ids of the parts that the model was composed of.
        given: metadata that replaces everything found.
    """
    origin = getattr(model.config, "fine_tuned_from", None) or {}
    bases = origin.get("base_model") or parts
    if adapter is not None:
        configured = getattr(adapter.settings, "base_model_name_or_path", None)
        bases = next(iter(hub_ids(configured or model.config._name_or_path)), bases)
    found = {key: origin[key] for key in LICENCE_KEYS if origin.get(key)}
    licence = {key: given[key] for key in LICENCE_KEYS if key in given} or found or UNKNOWN_LICENCE
    biomedgpt = str(model.config.model_type).startswith("biomedgpt")
    task = ("any-to-any" if biomedgpt else "text-generation") if model.can_generate() else None
    library = "transformers" if adapter is None else "peft"
    data = {"library_name": library, "pipeline_tag": task, "base_model": bases or None, **given}
    return {**{key: value for key, value in data.items() if key not in LICENCE_KEYS}, **licence}


def _tags(model: PreTrainedModel, adapter: Adapter | None, more: list[str] | None) -> list[str]:
    subject = ["chemistry", "molecule"] if str(model.config.model_type).startswith("biomedgpt") else ["biology"]
    kind = getattr(adapter.settings, "peft_type", None) if adapter is not None else None
    adapters = [str(getattr(kind, "value", kind)).lower()] if kind else []
    return list(dict.fromkeys(["biomedgpt", *subject, *adapters, *(more or [])]))


def _title(model: PreTrainedModel, adapter: Adapter | None) -> str:
    if title := (getattr(model.config, "card", None) or {}).get("title"):
        return str(title)
    return type(model).__name__.removeprefix("FSDP") + (" adapter" if adapter is not None else "")


def _facts(facts: dict[str, Any], indent: str = "") -> str:
    """Return facts as a list. Those of a nested dictionary are below its name."""
    lines = []
    for name, value in facts.items():
        below = isinstance(value, dict)
        lines.append(f"{indent}- {name}:" + ("\n" + _facts(value, indent + "  ") if below else f" {value}"))
    return "\n".join(lines)


def _inherited(metadata: dict[str, Any]) -> str:
    """Return a sentence on the licence, if the checkpoint that training started from has one."""
    if metadata["license"] == UNKNOWN_LICENCE["license"] and metadata.get("license_name") in (
        None,
        UNKNOWN_LICENCE["license_name"],
    ):
        return ""
    name = metadata.get("license_name") or metadata["license"]
    link = f" ({metadata['license_link']})" if metadata.get("license_link") else ""
    return f"\n\nThe metadata of this card names the licence that these weights come under: `{name}`{link}."
