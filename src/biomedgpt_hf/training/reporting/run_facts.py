"""What a report and a model card tell of a run beside its losses."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

TOOLS = ("biomedgpt-hf", "torch", "transformers", "accelerate", "peft", "trl", "bitsandbytes", "datasets", "rdkit")
# The folders of an absolute path, or of one in somebody's home; not the slashes of "a/b", "./a", "../a" or "http://a".
FOLDERS = re.compile(r"(?<![\w.:/…~])~?/(?:[^\s/'\",]+/)*(?=[^\s/'\",])")

# The value of --hub-token and its like, and what looks like a token of the Hub.
SECRETS = re.compile(r"(?<=token[= ])(?!--)\S+|\bhf_\w{8,}")


@dataclass
class RunFacts:
    """What the Trainer's log does not tell of a run.

    Attributes:
        command: that started it.
        recipe: its recipe's name.
        base: checkpoint that it started from, folder or Hub id.
        settings: this package's keys of a recipe that differ from their defaults.
        arguments: keys of the trainer's `TrainingArguments` that the recipe or the command line gave.
        sets: of each set what `screening.row_sets.describe_set` returns.
        rows: number of rows that were used, by split.
        rejected: number of rows that were left out, by split.
        trained: trained parameters, by part.
        parameters: all parameters of the model.
        steps: optimizer steps that were taken.
        kept_step: the step whose weights were kept since its evaluation was the best; None for the last one.
        kept_by: by what it was the best.
        ended_early: why the run ended before its last step; empty if it did not.
        epochs: passes over the rows.
        seconds: duration of the training, all starts together as far as they are known.
        resumed: how often it went on from a checkpoint.
        processes: how many trained.
        device: on what.
        plain_language_model: whether a language model was trained without encoders.
        trainer: what trained, as recipes call it.
        metrics: what the trainer's evaluations give, without "eval_".
        loss_unit: in which its loss is measured.
    """

    command: str
    recipe: str
    base: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    sets: Sequence[Mapping[str, Any]] = ()
    rows: Mapping[str, int] = field(default_factory=dict)
    rejected: Mapping[str, int] = field(default_factory=dict)
    trained: Mapping[str, int] = field(default_factory=dict)
    parameters: int = 0
    steps: int = 0
    kept_step: int | None = None
    kept_by: str = "the best evaluation"
    ended_early: str = ""
    epochs: float = 0.0
    seconds: float = 0.0
    resumed: int = 0
    processes: int = 1
    device: str | torch.device = "cpu"
    plain_language_model: bool = False
    trainer: str = "supervised"
    metrics: Sequence[str] = ("loss",)
    loss_unit: str = "nats per label token"


def hardware(device: str | torch.device, processes: int) -> str:
    """Return on what a run trains, in words; its processes are taken to have devices of one kind."""
    device = torch.device(device)
    if device.type == "cuda":
        return f"{processes} × {torch.cuda.get_device_name(device)}"
    plural = "process" if processes == 1 else "processes"
    kind = "Apple GPU" if device.type == "mps" else f"CPU ({platform.machine()}, {os.cpu_count()} cores)"
    return f"{processes} {plural} on {kind}"


def duration(seconds: float) -> str:
    """Return a time in words: "3 h 12 min", "12 min 5 s", "7 s"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, of_hour = divmod(minutes, 60)
    if hours:
        return f"{hours:,} h {of_hour} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def publishable(text: str) -> str:
    """Return a text with "…" for the folders of each absolute path, and for each access token, in it."""
    return FOLDERS.sub("…/", SECRETS.sub("…", text))
