"""What a run's folder notes of the run, so that it goes on as it began: `run.json`."""

import json
import logging
from pathlib import Path
from typing import Any

from transformers import TrainingArguments

from .recipe.recipe import Recipe
from .recipe.settings import Settings

logger = logging.getLogger(__name__)

FILE = "run.json"
BATCHES = "processes × gradient_accumulation_steps"
# What makes another run of it: other rows, in other batches, or other weights to train.
DECISIVE = (
    *("model", "train_data", "trainable", "lora", "quantization", "language_model_only", "dtype"),
    *("max_length", "truncate_proteins", "batching", "max_tokens_per_batch", "global_batch_size"),
    *("packing", "share_prefix", "seed", "data_seed", "optim", "bf16", "per_device_train_batch_size", BATCHES),
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
    """

    def __init__(self, output: Path, recipe: Recipe, arguments: TrainingArguments) -> None:
        self.path = output / FILE
        settings = {key: value for key, value in vars(recipe.settings).items() if value != getattr(Settings(), key)}
        batches = {
            "per_device_train_batch_size": arguments.per_device_train_batch_size,
            BATCHES: arguments.world_size * arguments.gradient_accumulation_steps,
        }
        self.asked = json.loads(json.dumps({**settings, **recipe.arguments, **batches}, default=str))
        earlier = self._read()
        self.before: dict[str, Any] | None = earlier.get("asked")
        self.seconds, self.resumed = float(earlier.get("seconds", 0)), int(earlier.get("resumed", 0))

    def check(self, resumes: bool) -> None:
        """Refuses to go on with a run that was another one.

        Args:
            resumes: whether there is a checkpoint to go on from.

        Raises:
            ValueError: naming the first key that differs, with both values.
        """
        if not resumes or self.before is None:
            return
        changed = [key for key in {**self.before, **self.asked} if self.before.get(key) != self.asked.get(key)]
        for key in (key for key in DECISIVE if key in changed):
            raise ValueError(
                f"{self.path.parent} holds a run with {key} {self.before.get(key)!r}, and now it is "
                f"{self.asked.get(key)!r}: give it as it was to go on, or choose another output_dir."
            )
        for key in changed:
            logger.warning("%s was %r and is %r from here on.", key, self.before.get(key), self.asked.get(key))

    def begin(self, resumes: bool) -> None:
        """Notes a start."""
        if resumes:
            self.resumed += 1
        else:
            self.seconds, self.resumed = 0.0, 0
        self._write()

    def end(self, seconds: float) -> None:
        """Notes how long it trained since."""
        self.seconds += seconds
        self._write()

    def _read(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self.path.read_text("utf-8")))
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError) as error:
            raise ValueError(f"{self.path} cannot be read: remove it, or choose another output_dir.") from error

    def _write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        notes = {"asked": self.asked, "seconds": self.seconds, "resumed": self.resumed}
        partial = self.path.with_suffix(".partial")
        partial.write_text(json.dumps(notes, indent=1) + "\n", encoding="utf-8")
        partial.replace(self.path)
