"""What a run's folder notes of the run, so that it goes on as it began: `run.json`."""

import json
import logging
import re
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from transformers import TrainingArguments

from biomedgpt_hf.disk.replacing import write_json
from biomedgpt_hf.training.recipe.evaluations import EVALUATE
from biomedgpt_hf.training.recipe.recipe import Recipe
from biomedgpt_hf.training.recipe.settings import Settings
from biomedgpt_hf.training.trainers.trainer_kinds import TrainerKind

logger = logging.getLogger(__name__)

FILE = "run.json"
BATCHES = "processes × gradient_accumulation_steps"
# Keys that may change when a run goes on: those of its end, of what it tells and keeps, and of where it runs. Any other
# would make another run of it, or would not be heeded, as the learning rate, which the checkpoint holds.
FREE = re.compile(
    r"output_dir|max_steps|num_train_epochs|max_rejected|memory_budget_gib|gradient_accumulation_steps"
    r"|evaluate|early_stopping_\w+|(?!eval_answers)(logging|log|eval|per_device_eval|prediction|include|trackio|save|load_best|push|hub|skip|do|resume)_\w+"
    r"|report_to|run_name|project|disable_tqdm|metric_for_best_model|greater_is_better|batch_eval_metrics|debug"
    r"|use_cpu|full_determinism|(fsdp|ddp|torch|tf32|activation_checkpointing|gradient_checkpointing|bf16_full)\w*"
    r"|dataloader_(num_workers|pin_memory|persistent_workers|prefetch_factor|multiprocessing_context)"
)


class RunNotes:
    """The notes of one run.

    Args:
        output: the run's folder.
        recipe: what is asked for now.
        arguments: made of it, for the processes that there are now.

    Attributes:
        seconds: how long it has trained, all starts together.
        resumed: how often it went on from a checkpoint.
        ended: what was noted when the model of this very run was saved; None before, and where something else is asked
            for now, other than what is evaluated afterwards.
    """

    def __init__(self, output: Path, recipe: Recipe, arguments: TrainingArguments) -> None:
        self.path = output / FILE
        self.trainer = recipe.trainer
        batches = {
            "per_device_train_batch_size": arguments.per_device_train_batch_size,
            BATCHES: arguments.world_size * arguments.gradient_accumulation_steps,
        }
        asked = {**recipe.settings.changed(), **recipe.arguments, **batches}
        asked = {key: value for key, value in asked.items() if not key.endswith("_token")}  # secrets stay unwritten
        self.asked = json.loads(json.dumps(asked, default=str))
        earlier = self._read()
        self.before: dict[str, Any] | None = earlier.get("asked")
        self.seconds, self.resumed = float(earlier.get("seconds", 0)), int(earlier.get("resumed", 0))
        self.ended: dict[str, Any] | None = earlier.get("ended") if self._is_same() else None

    def check(self, resumes: bool) -> None:
        """Refuse to go on with a run that was another one.

        Args:
            resumes: whether there is a checkpoint to go on from.

        Raises:
            ValueError: naming the first key that differs, with both values.
        """
        if not resumes or self.before is None:
            return
        defaults = _defaults(self.trainer)
        before, now = {**defaults, **self.before}, {**defaults, **self.asked}
        changed = [key for key in {**self.before, **self.asked} if before.get(key) != now.get(key)]
        for key in changed:
            if not FREE.fullmatch(key):
                raise ValueError(
                    f"{self.path.parent} holds a run with {key} {before.get(key)!r}, and now it is {now.get(key)!r}: "
                    "give it as it was to go on, or choose another output_dir."
                )
        for key in changed:
            logger.warning("%s was %r and is %r from here on.", key, before.get(key), now.get(key))

    def begin(self, resumes: bool) -> None:
        """Note a start."""
        if resumes:
            self.resumed += 1
        else:
            self.seconds, self.resumed = 0.0, 0
        self.ended = None
        self._write()

    def end(self, seconds: float) -> None:
        """Note how long it trained since."""
        self.seconds += seconds
        self._write()

    def save_end(self, **told: Any) -> None:
        """Note that the trained model is saved, and what there is to tell of the run."""
        self.ended = json.loads(json.dumps(told, default=str))
        self._write()

    def _is_same(self) -> bool:
        before = self.before or {}
        return all(before.get(key) == self.asked.get(key) for key in {*before, *self.asked} - {EVALUATE})

    def _read(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self.path.read_text("utf-8")))
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError) as error:
            raise ValueError(f"{self.path} cannot be read: remove it, or choose another output_dir.") from error

    def _write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        notes = {"asked": self.asked, "seconds": self.seconds, "resumed": self.resumed, "ended": self.ended}
        write_json(self.path, notes)


def _defaults(trainer: TrainerKind) -> dict[str, Any]:
    """Return what keys have that nobody gave, as JSON gives it back."""
    of_class = fields(trainer.arguments_class)
    own = {field.name: field.default for field in of_class if field.default is not MISSING}
    made = {field.name: field.default_factory() for field in of_class if callable(field.default_factory)}
    return json.loads(json.dumps({**own, **made, **trainer.defaults, **vars(Settings())}, default=str))
