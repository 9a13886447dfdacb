"""Checkpoints that explain themselves, load anywhere, and load whole or not at all."""

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from huggingface_hub import HfApi
from safetensors import SafetensorError
from transformers.dynamic_module_utils import get_relative_import_files

from .model_card import is_untouched, is_untouched_template, model_card
from .quantization_biomedgpt import exempt

# Which class of which file each Auto class takes, by model type; `module.Class`, as in a config's `auto_map`.
AUTO_MAPS = {
    "biomedgpt": {
        "AutoConfig": "configuration_biomedgpt.BioMedGPTConfig",
        "AutoModel": "modeling_biomedgpt.BioMedGPTModel",
        "AutoModelForCausalLM": "modeling_biomedgpt.BioMedGPTForConditionalGeneration",
        "AutoModelForMultimodalLM": "modeling_biomedgpt.BioMedGPTForConditionalGeneration",
    },
    "biomedgpt_gin": {
        "AutoConfig": "configuration_biomedgpt.GINConfig",
        "AutoModel": "modeling_gin.GINModel",
    },
}
PUSH_OPTIONS = ("repo_id", "commit_message", "commit_description", "private", "revision", "create_pr", "tags")
CARD = "README.md"


class SelfContainedCheckpointMixin:
    """`save_pretrained` and `push_to_hub` with code and model card; `from_pretrained` that misses nothing."""

    @classmethod
    def modules_kept_exact(cls) -> list[str]:
        """Return the names of modules that quantisation leaves alone."""
        return []

    @classmethod
    def is_remote_code(cls) -> bool:
        """As transformers', but not for the class that FSDP2 makes of this one.

        transformers would take torch's own files for its code. `save_pretrained` copies the right ones in any case.
        """
        return super().is_remote_code() and not cls.__module__.startswith("torch.")

    def save_pretrained(
        self,
        save_directory: str | os.PathLike,
        is_main_process: bool = True,
        state_dict: dict | None = None,
        push_to_hub: bool = False,
        *args: Any,
        save_original_format: bool = False,
        **kwargs: Any,
    ) -> None:
        """As transformers', plus a model card (one edited by hand is left alone) and the code for remote loading.

        `save_original_format` is off: transformers would rename ESM's LayerNorm weights, and a training that resumes
        from such a file skips them silently.
        """
        push_options = {name: kwargs.pop(name) for name in PUSH_OPTIONS if name in kwargs}
        before = _file_times(save_directory)
        # By itself a save maps one Auto class, and copies the code only if the class is registered for it.
        self.config.auto_map = dict(AUTO_MAPS[self.config.model_type])
        super().save_pretrained(
            save_directory,
            is_main_process,
            state_dict,
            False,
            *args,
            save_original_format=save_original_format,
            **kwargs,
        )
        if not self.should_save_on_this_rank(is_main_process):
            return
        copy_code(self.config.model_type, save_directory)
        write_model_card(self, save_directory)
        if push_to_hub:
            push_options.setdefault("repo_id", Path(save_directory).name)
            self._upload(save_directory, before, token=kwargs.get("token"), **push_options)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        max_shard_size: int | str = "50GB",
        **options: Any,
    ) -> Any:
        """As transformers', but with this package's model card; a card that somebody wrote in the repository stays.

        Push the processor to the same repository: `processor.push_to_hub(repo_id)`.

        Args:
            repo_id: name of the repository, with the owner's if it is not yours.
            max_shard_size: see `save_pretrained`.
            options: `commit_message`, `commit_description`, `private`, `token`, `revision`, `create_pr`, and `tags` for
                the card.

        Returns:
            `huggingface_hub.CommitInfo`.
        """
        with TemporaryDirectory() as folder:
            self.save_pretrained(folder, max_shard_size=max_shard_size)
            return self._upload(folder, {}, repo_id, **options)

    def _upload(
        self,
        folder: str | os.PathLike,
        before: dict[str, int],
        repo_id: str,
        *,
        private: bool | None = None,
        token: bool | str | None = None,
        revision: str | None = None,
        tags: str | list[str] | None = None,
        commit_message: str | None = None,
        **commit_options: Any,
    ) -> Any:
        """Upload the files of `folder` that changed since `before`, with a card that names the repository."""
        api = HfApi(token=token)
        repo_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
        if revision is not None and not revision.startswith("refs/"):
            api.create_branch(repo_id, branch=revision, exist_ok=True)
        tags = [*(getattr(self, "model_tags", None) or []), *([tags] if isinstance(tags, str) else tags or [])]
        write_model_card(self, folder, checkpoint=repo_id, tags=tags)
        names = [name for name, time in _file_times(folder).items() if before.get(name) != time]
        if CARD in names and is_untouched(_read(Path(folder, CARD))) and is_own_card_on_hub(api, repo_id, revision):
            names.remove(CARD)
        return api.upload_folder(
            repo_id=repo_id,
            folder_path=Path(folder),
            allow_patterns=names,
            revision=revision,
            commit_message=commit_message or "Upload model",
            **commit_options,
        )

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike | None,
        *args: Any,
        output_loading_info: bool = False,
        **kwargs: Any,
    ) -> Any:
        """As transformers', but a checkpoint that lacks weights is an error, where transformers makes up random ones.

        With `output_loading_info=True` it loads all the same, and the list of what is missing is returned as well.
        A `quantization_config` never reaches the modules that `modules_kept_exact` names.

        Raises:
            ValueError: if tensors are missing; names them.
            OSError: if there is no such checkpoint, or its weights are damaged.
        """
        if (exact := cls.modules_kept_exact()) and kwargs.get("quantization_config") is not None:
            kwargs["quantization_config"] = exempt(kwargs["quantization_config"], exact)
        try:
            model, info = super().from_pretrained(
                pretrained_model_name_or_path, *args, output_loading_info=True, **kwargs
            )
        except SafetensorError as error:
            raise OSError(
                f"The weights of {str(pretrained_model_name_or_path)!r} are damaged or cut off ({error}): copy or "
                "download the checkpoint again."
            ) from error
        if output_loading_info:
            return model, info
        if missing := sorted(info["missing_keys"]):
            more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            raise ValueError(
                f"The checkpoint {str(pretrained_model_name_or_path)!r} lacks weights of {cls.__name__}: "
                f"{', '.join(missing[:3])}{more}. Copy or download it again, or pass output_loading_info=True to fill "
                "them with random numbers."
            )
        return model


def copy_code(model_type: str, folder: str | os.PathLike) -> None:
    """Copy the files that the Auto classes need in a process without this package, next to the weights."""
    for module in {reference.split(".")[0] for reference in AUTO_MAPS[model_type].values()}:
        file = Path(__file__).with_name(f"{module}.py")
        for source in (file, *get_relative_import_files(file)):
            shutil.copyfile(source, Path(folder, Path(source).name))


def write_model_card(
    model: Any, folder: str | os.PathLike, checkpoint: str = ".", tags: list[str] | None = None, **metadata: Any
) -> None:
    """Write the card of `model` to `folder/README.md`, unless somebody has edited it or written another there.

    Arguments as `model_card`.
    """
    path = Path(folder, CARD)
    if not path.exists() or is_untouched(_read(path)):
        path.write_text(model_card(model, checkpoint, tags, **metadata), encoding="utf-8")


def is_own_card_on_hub(api: HfApi, repo_id: str, revision: str | None = None) -> bool:
    """Whether the card in a repository is one that somebody wrote, which an upload leaves alone."""
    if not api.file_exists(repo_id, CARD, revision=revision):
        return False
    there = _read(Path(api.hf_hub_download(repo_id, CARD, revision=revision)))
    return not is_untouched(there) and not is_untouched_template(there)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _file_times(folder: str | os.PathLike) -> dict[str, int]:
    """Modification times of the files in a folder, by name; none if there is no folder."""
    folder = Path(folder)
    if not folder.is_dir():
        return {}
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.is_file()}
