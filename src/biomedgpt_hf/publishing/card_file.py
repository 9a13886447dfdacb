"""The file of a card, in a folder and in a repository on the Hub."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import HfApi

from biomedgpt_hf.publishing.card_mark import is_untouched
from biomedgpt_hf.publishing.model_card import is_untouched_template, model_card

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

    The arguments are those of `model_card`.
    """
    if may_be_renewed(Path(folder)):
        Path(folder, CARD).write_text(model_card(model, checkpoint, tags, **metadata), encoding="utf-8")


def may_be_renewed(folder: Path) -> bool:
    """Tell whether a folder has no card, or one that nobody has edited."""
    return not (folder / CARD).exists() or is_untouched(_read(folder / CARD))


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
