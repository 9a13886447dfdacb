"""A recipe: a YAML file and the words of a command line, read, checked and made into `TrainingArguments`.

Keys are exactly those of the trainer's `TrainingArguments`, of `Settings`, and, below `lora`, of `peft.LoraConfig`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any

from biomedgpt_hf.training.recipe.agreement import check_arguments, check_output
from biomedgpt_hf.training.recipe.evaluations import (
    ANSWERS,
    answers_of,
    check_evaluations,
    evaluation_of,
    scores_of,
    watch,
)
from biomedgpt_hf.training.recipe.files import find_recipe, read_mapping, recipe_names
from biomedgpt_hf.training.recipe.keys import (
    LORA,
    MEANT,
    NESTED,
    annotation_of,
    argument_keys,
    check_name,
    check_top_key,
    our_keys,
)
from biomedgpt_hf.training.recipe.machine import adapt
from biomedgpt_hf.training.recipe.overrides import last_words_of, names_lora, read_words
from biomedgpt_hf.training.recipe.ranges import check_range
from biomedgpt_hf.training.recipe.refusals import check_device, check_heeded, check_together
from biomedgpt_hf.training.recipe.requirements import check_readable, check_runnable
from biomedgpt_hf.training.recipe.settings import Settings
from biomedgpt_hf.training.recipe.values import fit, members
from biomedgpt_hf.training.trainers.answer_metrics import AnswerOptions
from biomedgpt_hf.training.trainers.trainer_kinds import SUPERVISED, TrainerKind, check_trainer_name, find_trainer

if TYPE_CHECKING:
    from transformers import TrainingArguments

    from biomedgpt_hf.evaluation.metrics.metric import Metric

__all__ = ["Recipe", "read_recipe", "recipe_names"]
logger = logging.getLogger(__name__)

REQUIRED = {"model": "C", "train_data": "DATA", "output_dir": "DIR"}


@dataclass
class Recipe:
    """What a run is told.

    Attributes:
        name: the file's, without its ending.
        settings: our own keys.
        arguments: keys of the trainer's `TrainingArguments`, as they were given.
        source: the name or path by which it was asked for.
        given: keys that the command line gave.
    """

    name: str
    settings: Settings
    arguments: dict[str, Any]
    source: str = ""
    given: frozenset[str] = field(default_factory=frozenset)

    @property
    def trainer(self) -> TrainerKind:
        """What a run has to know of the trainer that the recipe names."""
        return find_trainer(self.settings.trainer)

    def require(self, *names: str) -> None:
        """Raise a ValueError with the command that gives what is missing, unless all of these keys have values."""
        missing = [name for name in names if not (getattr(self.settings, name, None) or self.arguments.get(name))]
        if missing:
            command = " ".join(f"--{name.replace('_', '-')} {REQUIRED[name]}" for name in missing)
            raise ValueError(
                f"The recipe {self.name!r} does not say {' and '.join(missing)}: "
                f"biomedgpt train {self.source or self.name} {command}"
            )

    def adapted(self, world_size: int | None = None, on_cpu: bool | None = None) -> tuple[dict[str, Any], list[str]]:
        """Return the arguments for so many processes, on a CPU or not; and what was changed, in sentences.

        One process needs no FSDP, whose activation checkpointing becomes the Trainer's own. A CPU trains in bfloat16
        only where the command line says so, and processes on CPUs find each other only with `use_cpu`.
        `global_batch_size` becomes accumulation steps. Under FSDP, gradients are reduced for each batch. A recipe keeps
        the best weights only as long as each checkpoint is evaluated.

        Args:
            world_size: number of processes; that of torchrun when None.
            on_cpu: whether they run on CPUs; what this machine has when None.

        Raises:
            ValueError: if `global_batch_size` cannot be divided, or a CPU cannot do what is asked for.
        """
        return adapt(self.settings, self.arguments, self.given, world_size, on_cpu)

    def check_packages(self) -> None:
        """Raise a MissingPackageError unless all packages that the run will need are installed."""
        check_runnable(self.settings, self.arguments)

    @property
    def answers(self) -> AnswerOptions | None:
        """Which answers evaluations during training ask for; None where they measure losses only."""
        if ANSWERS in self.trainer.refused:
            return None
        return answers_of(self.settings, self.arguments.get("metric_for_best_model"))

    def check_evaluations(self) -> tuple[Metric, ...]:
        """Return the metrics of evaluations during training, if they score answers, and find what any would fail at.

        Raises:
            MissingPackageError: if a package is not installed.
            ValueError, OSError: in one line, if a set, file, vocabulary or WordNet is missing.
        """
        return check_evaluations(self.settings, self.answers)

    def check_start(self, arguments: Mapping[str, Any]) -> None:
        """Raise a ValueError if a reference would be copied from a model before its weights have arrived.

        Args:
            arguments: as `adapted` returns them.
        """
        config = arguments.get("fsdp_config")
        lean = bool(arguments.get("fsdp")) and isinstance(config, dict) and config.get("cpu_ram_efficient_loading")
        if lean and self.trainer.keeps_reference and self.settings.lora is None:
            raise ValueError(
                f"The recipe {self.name!r} sets fsdp_config.cpu_ram_efficient_loading, but trainer "
                f"{self.trainer.name!r} without lora copies the model before its weights have reached every process: "
                "set it to false, or use lora."
            )

    def training_arguments(self) -> TrainingArguments:
        """Return the trainer's `TrainingArguments`, for this process and this machine.

        Raises:
            ValueError: in one line, if something is missing or does not go together.
            MissingPackageError: if a package is not installed that the run will need.
        """
        self.require(*REQUIRED)
        self.check_packages()
        check_output(str(self.arguments["output_dir"]))
        arguments, notes = self.adapted()
        self.check_start(arguments)
        for note in notes if os.environ.get("RANK", "0") == "0" else ():
            logger.warning(note)
        for key, value in self.trainer.defaults.items():
            arguments.setdefault(key, value)
        arguments.setdefault("remove_unused_columns", False)  # the collator needs all columns of a row
        config = arguments.get("accelerator_config") or {}
        if isinstance(config, Mapping):  # accelerate would divide tensors along a dimension that is not the batch
            arguments["accelerator_config"] = {"dispatch_batches": False, **config}
        generates = ANSWERS not in self.trainer.refused
        scores = scores_of(self.answers or AnswerOptions()) if generates else ()
        try:
            watch(self.settings, self.answers, arguments)
            made = self.trainer.arguments_class(**arguments)
            check_arguments(made, (*self.trainer.metrics, *scores))
            return made
        except (ValueError, TypeError, NotImplementedError, OSError, ImportError) as error:
            raise ValueError(f"The recipe {self.name!r} cannot be run: {' '.join(str(error).split())}") from error


def read_recipe(name_or_path: str, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe, and the words of a command line on top of it.

    Args:
        name_or_path: one of `recipe_names()`, or a YAML file.
        overrides: such as ["--learning-rate", "1e-4", "--lora.r=8", "--bf16", "--train-data", "a", "b"].

    Raises:
        FileNotFoundError: if there is no such recipe.
        ValueError: in one line that names key, value and place.
        MissingPackageError: if a package is not installed whose keys the recipe has.
    """
    file = find_recipe(name_or_path)
    mapping = read_mapping(file)
    trainer = _trainer_of(mapping, overrides, file)  # it decides which keys there are
    check_readable(trainer, bool(mapping.get(LORA)) or names_lora(overrides))
    values: dict[str, Any] = {}
    for key, value in mapping.items():
        _put(values, key, value, str(file), trainer)
    given = read_words(overrides, bool(values.get(LORA)), trainer)
    for key, value in given.items():
        _put(values, key, value, "the command line", trainer)
    ours = {key: values.pop(key) for key in [*values] if key in our_keys()}
    ours = {key: value for key, value in ours.items() if value is not None or _takes_null(key)}
    arguments = {key: value for key, value in values.items() if value is not None}
    try:
        settings = Settings(**ours)
        evaluation_of(settings)
        check_together(settings, arguments, given)
        if arguments.get("use_cpu"):
            check_device(arguments)
    except ValueError as error:
        raise ValueError(f"In {file}{' and the command line' if given else ''}, {error}") from error
    return Recipe(file.stem, settings, arguments, name_or_path, frozenset(key.partition(".")[0] for key in given))


def _trainer_of(mapping: Mapping[str, Any], overrides: Sequence[str], file: Path) -> str:
    """Return the name of a recipe's trainer, the command line's before the file's.

    Raises:
        ValueError: if there is no such trainer.
    """
    words = last_words_of(overrides, "trainer")
    source = str(file) if words is None else "the command line"
    name = mapping.get("trainer") if words is None else " ".join(words)
    if name is None or words == ["null"]:
        return SUPERVISED
    try:
        check_trainer_name(str(name))
    except ValueError as error:
        raise ValueError(f"In {source}, {error}") from error
    return str(name)


def _put(values: dict[str, Any], key: str, value: Any, source: str, trainer: str) -> None:
    """Set a key, given by its full name, to a checked value."""
    top, _, rest = key.partition(".")
    try:
        check_top_key(top, trainer)
        value = _checked(key, value, trainer)
        check_heeded(key, value, find_trainer(trainer))
        if key in NESTED and isinstance(value, dict):
            for name in value:
                check_name(name, NESTED[key](), f"{key} has no key")
            value = {name: _checked(f"{key}.{name}", item, trainer) for name, item in value.items()}
    except ValueError as error:
        raise ValueError(f"In {source}, {error}") from error
    if key in MEANT and isinstance(value, list):
        rest = MEANT[key]
    if not rest:
        values[top] = value
    elif isinstance(values.setdefault(top, {}) or {}, dict):
        values[top] = {**(values[top] or {}), rest: value}
    else:
        raise ValueError(f"In {source}, {key} is set, but {top} is {values[top]!r}, which has no keys.")


def _checked(key: str, value: Any, trainer: str) -> Any:
    """Return the value as the key takes it; null takes a key back, to its default where null is no value of its own."""
    if value is None and (key in argument_keys(trainer) or key in our_keys()):
        return None
    annotation = annotation_of(key, trainer)
    try:
        value = value if annotation is Any else fit(value, annotation)
    except ValueError as error:
        raise ValueError(f"{key} is {value!r}: {error} is wanted.") from error
    check_range(key, value)
    return value


def _takes_null(key: str) -> bool:
    """Whether null is a value of one of our keys, such as no limit."""
    return NoneType in members(annotation_of(key))
