"""Checkpoints that load anywhere, since their code lies beside the weights, and that load whole or not at all."""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from safetensors import SafetensorError
from transformers.dynamic_module_utils import get_relative_import_files

from .quantization_biomedgpt import exempt

if TYPE_CHECKING:  # what the models that use this mixin are besides
    from transformers import PreTrainedModel as ModelBase
else:
    ModelBase = object

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


class Publisher(Protocol):
    """What takes part in saving and pushing where the package is at work, and only there: see `publisher` below."""

    def save(self, model: Any, save_directory: str | os.PathLike, *args: Any, **kwargs: Any) -> None:
        """Do what `save_pretrained` is asked for, by way of `save_with_code`."""

    def push(self, model: Any, repo_id: str, **options: Any) -> Any:
        """Do what `push_to_hub` is asked for."""


class Inspector(Protocol):
    """What looks at a checkpoint's files before they are loaded, where the package is at work, and only there."""

    def __call__(self, model_class: Any, checkpoint: Any, options: dict[str, Any]) -> None:
        """Raise an OSError or a ValueError for files that cannot be loaded, or that take more memory than they hold."""


class SelfContainedCheckpointMixin(ModelBase):
    """`save_pretrained` with the code, and `from_pretrained` that misses nothing.

    Attributes:
        publisher: the package's part in saving and pushing, which it sets when it registers its classes. A checkpoint's
            own code, in a process without the package, has none: there transformers pushes.
        inspector: likewise its part in loading.
    """

    publisher: Publisher | None = None
    inspector: Inspector | None = None

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

    def save_pretrained(self, save_directory: str | os.PathLike, *args: Any, **kwargs: Any) -> None:
        """As transformers', plus the code for remote loading; arguments as `save_with_code`."""
        if self.publisher is None:
            self.save_with_code(save_directory, *args, **kwargs)
        else:
            self.publisher.save(self, save_directory, *args, **kwargs)

    def push_to_hub(self, repo_id: str, **options: Any) -> Any:
        """As transformers'; push the processor to the same repository: `processor.push_to_hub(repo_id)`."""
        if self.publisher is None:
            return super().push_to_hub(repo_id, **options)
        return self.publisher.push(self, repo_id, **options)

    def save_with_code(
        self,
        save_directory: str | os.PathLike,
        is_main_process: bool = True,
        *args: Any,
        save_original_format: bool = False,
        **kwargs: Any,
    ) -> None:
        """Save as transformers does, and copy the code next to the weights.

        `save_original_format` is off: transformers would rename ESM's LayerNorm weights, and a training that resumes
        from such a file skips them silently.
        """
        # By itself a save maps one Auto class, and copies the code only if the class is registered for it.
        self.config.auto_map = dict(AUTO_MAPS[self.config.model_type])
        super().save_pretrained(
            save_directory, is_main_process, *args, save_original_format=save_original_format, **kwargs
        )
        if self.should_save_on_this_rank(is_main_process):
            copy_code(self.config.model_type, save_directory)

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
            ValueError: if tensors are missing or of other shapes, or a file cannot be used; names them.
            OSError: if there is no such checkpoint, or its weights are damaged.
        """
        if cls.inspector is not None:
            cls.inspector(cls, pretrained_model_name_or_path, {**kwargs, "output_loading_info": output_loading_info})
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
