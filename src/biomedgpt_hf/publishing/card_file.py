"""The file of a card, in a folder and in a repository on the Hub."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import HfApi

from biomedgpt_hf.publishing.card_mark import is_untouched
from biomedgpt_hf.publishing.evaluation_results import (
    CONFIG,
    ENTRY,
    drop_of_other_weights,
    merge,
    weights_digest,
    write_whole,
)
from biomedgpt_hf.publishing.model_card import is_untouched_template, model_card, with_scores
from biomedgpt_hf.publishing.model_card_sections import adapter_of

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

CARD = "README.md"


def write_model_card(
    model: PreTrainedModel | PeftModel,
    folder: str | os.PathLike,
    checkpoint: str = ".",
    tags: list[str] | None = None,
    **metadata: Any,
) -> None:
    """Write the card of `model` to `folder/README.md`, unless somebody has edited the card that is there.

    Scores stay in the card and in the configuration only if the weights in the folder are those that were evaluated.
    The arguments are those of `model_card`.
    """
    if adapter_of(model) is None:
        drop_of_other_weights(model.config, Path(folder))
    if may_be_renewed(Path(folder)):
        Path(folder, CARD).write_text(model_card(model, checkpoint, tags, **metadata), encoding="utf-8")


def may_be_renewed(folder: Path) -> bool:
    """Tell whether a folder has no card, or one that nobody has edited."""
    return not (folder / CARD).exists() or is_untouched(_read(folder / CARD))


def why_not_recorded(folder: str | os.PathLike) -> str | None:
    """Return why the card of a checkpoint's folder cannot tell scores, as the end of a sentence; None if it can."""
    card = Path(folder, CARD)
    if not any(Path(folder).glob("*.safetensors")):
        return f"{folder} holds no weights (*.safetensors) that scores could be of"
    if not card.is_file():
        return f"{folder} has no card: load it and save it with this package, which writes one"
    if not is_untouched(_read(card)):
        return f"{card} was edited, and stays as it is: put the scores there yourself"
    return None


def record_scores(folder: str | os.PathLike, records: Sequence[Mapping[str, Any]]) -> str | None:
    """Write the scores of a checkpoint into its configuration and its card. An edited card is not changed.

    Args:
        folder: of the checkpoint or adapter that was evaluated; an adapter has a card only.
        records: what `evaluation.report.card_record` returns, one for each set. They replace those of the same sets.

    Returns:
        Why the card does not tell them; None if it does.
    """
    folder, reason = Path(folder), why_not_recorded(folder)
    weights = weights_digest(folder)
    if weights is None:
        return reason
    path, earlier = folder / CONFIG, None
    if path.is_file():
        config = json.loads(path.read_text("utf-8"))
        earlier = config.get(ENTRY)
    entry = merge(earlier, weights, records)
    if path.is_file():
        write_whole(path, json.dumps({**config, ENTRY: entry}, indent=2, ensure_ascii=False) + "\n")
    if reason is None:
        write_whole(folder / CARD, with_scores(_read(folder / CARD), entry))
    return reason


def gives_way(
    folder: Path, api: HfApi, repo_id: str, revision: str | None = None, repo_type: str | None = None
) -> bool:
    """Tell whether the card in a folder is unedited while a person wrote the one in a repository, which then stays."""
    where: dict[str, Any] = {"revision": revision, "repo_type": repo_type}
    if not is_untouched(_read(folder / CARD)) or not api.file_exists(repo_id, CARD, **where):
        return False
    there = _read(Path(api.hf_hub_download(repo_id, CARD, **where)))
    return not is_untouched(there) and not is_untouched_template(there)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
