"""The file of a model's card, in a folder and in a repository on the Hub."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import HfApi

from biomedgpt_hf.publishing.model_card import is_untouched, is_untouched_template, model_card

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
    path = Path(folder, CARD)
    if not path.exists() or is_untouched(_read(path)):
        path.write_text(model_card(model, checkpoint, tags, **metadata), encoding="utf-8")


def gives_way(folder: Path, api: HfApi, repo_id: str, revision: str | None = None) -> bool:
    """Tell whether the card in a folder is unedited while a person wrote the one in a repository, which then stays."""
    if not is_untouched(_read(folder / CARD)) or not api.file_exists(repo_id, CARD, revision=revision):
        return False
    there = _read(Path(api.hf_hub_download(repo_id, CARD, revision=revision)))
    return not is_untouched(there) and not is_untouched_template(there)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
