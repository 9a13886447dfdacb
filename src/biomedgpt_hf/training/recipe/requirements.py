"""Which packages a recipe needs, to be read and to be run: looked for before a missing one is taken for a mistake."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from biomedgpt_hf.extras import require
from biomedgpt_hf.training.trainers.trainer_kinds import NEED_TRL

if TYPE_CHECKING:
    from biomedgpt_hf.training.recipe.settings import Settings

TRAIN, QUANTIZATION = "train", "quantization"
EVERY_RUN = {"datasets": "the rows", "matplotlib": "the report's curve"}
# Optimizers by words in their names, the modules that they need, and the extras that have these.
OPTIMIZERS = {
    "bnb": ("bitsandbytes", QUANTIZATION),
    "8bit": ("bitsandbytes", QUANTIZATION),
    "paged": ("bitsandbytes", QUANTIZATION),
    "ademamix": ("bitsandbytes", QUANTIZATION),
    "torch_4bit": ("torchao", QUANTIZATION),
    "torch_8bit": ("torchao", QUANTIZATION),
    "torch_xla": ("torch_xla", None),
    "torch_npu": ("torch_npu", None),
    "anyprecision": ("torchdistx", None),
    "galore": ("galore_torch", None),
    "apollo": ("apollo_torch", None),
    "lomo": ("lomo_optim", None),
    "grokadamw": ("grokadamw", None),
    "schedule_free": ("schedulefree", None),
    "stable_adamw": ("optimi", None),
}


def check_readable(trainer: str, has_lora: bool) -> None:
    """Raise a MissingPackageError if a package is missing whose keys a recipe has.

    Args:
        trainer: the recipe's.
        has_lora: whether it, or the command line, has keys of LoRA's.
    """
    require("accelerate", TRAIN, "Training")
    for package in ("trl", "datasets") if trainer in NEED_TRL else ():
        require(package, TRAIN, f"trainer {trainer!r}")
    if has_lora:
        require("peft", TRAIN, "lora")


def check_runnable(settings: Settings, arguments: Mapping[str, Any]) -> None:
    """Raise a MissingPackageError if a package is missing that a run would need sooner or later.

    Args:
        settings: our keys.
        arguments: keys of the trainer's `TrainingArguments`, as they were given.
    """
    for package, purpose in EVERY_RUN.items():
        require(package, TRAIN, f"Training, for {purpose},")
    if settings.quantization is not None:
        require("bitsandbytes", QUANTIZATION, f"quantization {settings.quantization!r}")
    optimizer = str(arguments.get("optim", ""))
    named = sorted((word for word in OPTIMIZERS if word in optimizer), key=len)
    if named:
        package, extra = OPTIMIZERS[named[-1]]
        require(package, extra, f"optim {optimizer!r}")
    reports = arguments.get("report_to") or []
    if "tensorboard" in ([reports] if isinstance(reports, str) else reports):
        require("tensorboard", TRAIN, "report_to 'tensorboard'")
    if arguments.get("use_liger_kernel"):
        require("liger_kernel", None, "use_liger_kernel")
