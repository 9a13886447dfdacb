"""All files that a model is loaded from, checked before anything large is read or made."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from transformers import PreTrainedConfig, PreTrainedModel

from biomedgpt_hf.checkpoints.adapters import check_adapter
from biomedgpt_hf.checkpoints.empty_models import build_empty, compare_shapes, compare_sizes
from biomedgpt_hf.checkpoints.faults import InvalidCheckpointError, blamed_on, read_json_object
from biomedgpt_hf.checkpoints.finding import ADAPTER, CONFIG, adapter_base, check_config_fields, find_config, find_file
from biomedgpt_hf.checkpoints.generation_defaults import GENERATION, check_generation_config
from biomedgpt_hf.checkpoints.stored_weights import find_weights, stored_weights

HUB_OPTIONS = ("cache_dir", "force_download", "local_files_only", "token", "subfolder", "proxies")
# Where transformers reads no weight files, or where its user wants what the files do not hold.
UNCHECKED = ("state_dict", "gguf_file", "ignore_mismatched_sizes", "output_loading_info")


def inspect_checkpoint(model_class: type[PreTrainedModel], checkpoint: Any, options: dict[str, Any]) -> None:
    """Check what `from_pretrained` of one of this package's models is about to read.

    Args:
        model_class: whose `from_pretrained` it is.
        checkpoint: folder or Hub id; anything else is left to transformers.
        options: of `from_pretrained`.

    Raises:
        OSError: if files are absent, damaged or cut off.
        InvalidCheckpointError: if a file holds what cannot be used, or files do not agree.
    """
    if checkpoint is None or Path(checkpoint).is_file() or any(options.get(name) for name in UNCHECKED):
        return
    checkpoint, revision = str(checkpoint), options.get("revision")
    hub = {name: options[name] for name in HUB_OPTIONS if options.get(name) is not None}
    adapter = (options.get("adapter_kwargs") or {}).get("_adapter_model_path")
    if adapter is None and find_file(checkpoint, ADAPTER, revision, **hub) is not None:
        adapter = checkpoint
        if find_file(checkpoint, CONFIG, revision, **hub) is None:
            checkpoint, revision = str(adapter_base(checkpoint, revision)), None
    file = find_file(checkpoint, CONFIG, revision, **hub)
    if file is None:
        return  # transformers has words for it
    content = read_json_object(file)
    check_config_fields(content, file)
    config = options.get("config")
    if not isinstance(config, PreTrainedConfig):
        with blamed_on(file):
            config = model_class.config_class.from_pretrained(checkpoint, revision=revision, **hub)
    if (generation := find_file(checkpoint, GENERATION, revision, **hub)) is not None:
        check_generation_config(generation)
    files = find_weights(checkpoint, content.get("transformers_weights"), revision, options.get("variant"), **hub)
    if files[0].suffix != ".safetensors":
        raise InvalidCheckpointError(
            f"{files[0]} is a pickle, which can run code when it is read: a {model_class.__name__} is loaded from "
            "safetensors only."
        )
    stored = stored_weights(files)
    model = build_empty(lambda: model_class(copy.deepcopy(config)), stored, file)
    if content.get("quantization_config") is None:
        compare_shapes(model, stored, file)
    else:
        compare_sizes(model, stored, file, quantized=True)
    if adapter is not None:
        check_adapter(str(adapter), model, (options.get("adapter_kwargs") or {}).get("revision", revision), **hub)


def check_foreign_model(auto_class: Any, checkpoint: str, revision: str | None = None) -> PreTrainedConfig:
    """Check what an Auto class is about to read of any kind of model, and return its configuration.

    Args:
        auto_class: such as `AutoModelForCausalLM`.
        checkpoint: folder or Hub id.
        revision: branch, tag or commit on the Hub.

    Raises:
        OSError: if files are absent, damaged or cut off.
        InvalidCheckpointError: if a file holds what cannot be used, or describes a model larger than its weights.
    """
    config = find_config(checkpoint, revision)
    file = find_file(checkpoint, CONFIG, revision)
    if file is None:  # an adapter of it
        base = str(adapter_base(checkpoint, revision))
        return check_foreign_model(auto_class, base)
    content = read_json_object(file)
    if (generation := find_file(checkpoint, GENERATION, revision)) is not None:
        check_generation_config(generation)
    stored = stored_weights(find_weights(checkpoint, content.get("transformers_weights"), revision))
    model = build_empty(lambda: auto_class.from_config(copy.deepcopy(config), trust_remote_code=False), stored, file)
    compare_sizes(model, stored, file, quantized=content.get("quantization_config") is not None)
    return config
