"""What a fine-tuned checkpoint inherits from the checkpoint that training started from: name and licence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import ModelCard
from transformers.utils import logging
from yaml import YAMLError

from biomedgpt_hf.publishing.model_card import LICENCE_KEYS, UNKNOWN_LICENCE
from biomedgpt_hf.publishing.model_card_sections import hub_ids

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

logger = logging.get_logger(__name__)
FILE_ON_HUB = "https://huggingface.co/{repository}/blob/main/{file}"


def find_origin(config: PreTrainedConfig) -> dict[str, Any]:
    """Return what the model card of a trained checkpoint says of its origin.

    A checkpoint from the Hub is the `base_model`. For a checkpoint from a folder, it is what the folder's configuration
    or card names.

    Args:
        config: configuration of the trained model, which knows where it was loaded from.

    Returns:
        `base_model`, a Hub id or several, and `license`, `license_name` and `license_link`, as far as they are known.
    """
    name = str(config._name_or_path or "")
    inherited = dict(getattr(config, "fine_tuned_from", None) or {})
    if Path(name, "README.md").is_file():
        card = _metadata(Path(name, "README.md"), name)
        bases = card.get("base_model") or ()
        known = hub_ids(*([bases] if isinstance(bases, str) else bases))
        named = {"base_model": known[0] if len(known) == 1 else known} if known else {}
        if inherited.get("base_model") and not named:  # the card does not know of the origin, so neither of its licence
            return inherited
        return {**inherited, **named, **_licence(card)}
    if hub_ids(name):
        return {"base_model": name, **_licence(_metadata(name, name), name)}
    return inherited


def _metadata(card: str | Path, name: str) -> dict[str, Any]:
    """Return the metadata of a card on the Hub or on the disk; none if there is no card, or it cannot be read."""
    try:
        return ModelCard.load(card, ignore_metadata_errors=True).data.to_dict()
    except (OSError, ValueError, YAMLError) as error:
        reason = " ".join(str(error).split())[:200]
        logger.warning(f"The licence of {name} is unknown, since its card cannot be read: {reason}")
        return {}


def _licence(metadata: dict[str, Any], repository: str | None = None) -> dict[str, Any]:
    """Return the licence that a card names. A link to a file beside the card becomes a link to the Hub."""
    found = {key: metadata[key] for key in LICENCE_KEYS if metadata.get(key)}
    if found == UNKNOWN_LICENCE:
        return {}
    link = str(found.get("license_link", ""))
    if repository and link and "://" not in link:
        found["license_link"] = FILE_ON_HUB.format(repository=repository, file=link.removeprefix("./"))
    return found
