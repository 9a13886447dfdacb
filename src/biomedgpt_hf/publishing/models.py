"""The card and the upload that `save_pretrained` and `push_to_hub` of this package's models add."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from huggingface_hub import CommitInfo
    from transformers import PreTrainedModel

PUSH_OPTIONS = ("repo_id", "commit_message", "commit_description", "private", "revision", "create_pr", "tags")


class ModelPublisher:
    """The `publisher` of models (see `SelfContainedCheckpointMixin`).

    Every `import biomedgpt_hf` makes one, so the modules for cards and uploads are imported only when they are used.
    """

    def save(
        self,
        model: PreTrainedModel,
        save_directory: str | os.PathLike,
        is_main_process: bool = True,
        state_dict: dict | None = None,
        push_to_hub: bool = False,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        """Save with code and card, and upload what changed, if asked. A card that somebody edited is not changed."""
        from biomedgpt_hf.publishing.card_file import write_model_card
        from biomedgpt_hf.publishing.uploading import file_times

        folder = Path(save_directory)
        options = {name: kwargs.pop(name) for name in PUSH_OPTIONS if name in kwargs}
        before = file_times(folder)
        model.save_with_code(save_directory, is_main_process, state_dict, False, *args, **kwargs)
        if not model.should_save_on_this_rank(is_main_process):
            return
        write_model_card(model, folder)
        if push_to_hub:
            options.setdefault("repo_id", folder.name)
            self._upload(model, folder, before, token=kwargs.get("token"), **options)

    def push(
        self, model: PreTrainedModel, repo_id: str, *, max_shard_size: int | str = "50GB", **options: Any
    ) -> CommitInfo:
        """Save to a temporary folder and upload that. A card that somebody wrote in the repository stays.

        Args:
            model: any model of this package.
            repo_id: name of the repository, with its owner's name if it is not yours.
            max_shard_size: see `save_pretrained`.
            options: `commit_message`, `commit_description`, `private`, `token`, `revision`, `create_pr`, and `tags` for
                the card.

        Returns:
            `huggingface_hub.CommitInfo`.
        """
        with TemporaryDirectory() as folder:
            model.save_pretrained(folder, max_shard_size=max_shard_size)
            return self._upload(model, Path(folder), {}, repo_id, **options)

    def _upload(
        self,
        model: PreTrainedModel,
        folder: Path,
        before: dict[str, int],
        repo_id: str,
        *,
        private: bool | None = None,
        token: bool | str | None = None,
        tags: str | list[str] | None = None,
        commit_message: str | None = None,
        **options: Any,
    ) -> CommitInfo:
        """Upload the files of `folder` that changed since `before`, with a card that names the repository."""
        from huggingface_hub import HfApi

        from biomedgpt_hf.publishing.card_file import write_model_card
        from biomedgpt_hf.publishing.uploading import file_times, upload

        api = HfApi(token=token)
        repo_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
        tags = [*(getattr(model, "model_tags", None) or []), *([tags] if isinstance(tags, str) else tags or [])]
        write_model_card(model, folder, checkpoint=repo_id, tags=tags)
        names = [name for name, time in file_times(folder).items() if before.get(name) != time]
        return upload(api, repo_id, folder, names, commit_message=commit_message or "Upload model", **options)


def copies_of(module: ModuleType) -> Iterator[ModuleType]:
    """Yield a module, and its copies that remote code loaded into this process before the package was imported."""
    yield module
    name = "." + module.__name__.rpartition(".")[2]
    for other, copy in list(sys.modules.items()):
        if other.startswith("transformers_modules.") and other.endswith(name):
            yield copy
