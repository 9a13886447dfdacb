"""Which trainers a recipe can name (`trainer:`), and what a run has to know of each.

A new trainer is a file of this folder that is called as recipes call it and has a `KIND`, and a line in `TRAINERS`.
Nothing of a trainer is imported before a recipe names it, so that only a recipe for TRL's trainers loads TRL.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from biomedgpt_hf.extras import is_installed, missing_package

if TYPE_CHECKING:
    import datasets
    from transformers import TrainingArguments

    from biomedgpt_hf.batches.collator import BioMedGPTDataCollator
    from biomedgpt_hf.training.trainers.run_trainer import RunTrainerMixin

SUPERVISED = "supervised"
TRAINERS = {  # what each is for
    SUPERVISED: "alignment, fine-tuning and question answering: learns the answers of rows (transformers' Trainer)",
    "sft": "supervised fine-tuning by TRL's SFTTrainer: learns the answers of rows, with TRL's losses and figures",
    "dpo": "preference optimisation by TRL's DPOTrainer: learns which of two answers is the better one",
}
NOT_YET = ("grpo", "kto", "reward")  # trainers of TRL that have no file here
NEED_TRL = ("sft", "dpo")


@dataclass(frozen=True)
class TrainerKind:
    """What a run has to know of one trainer.

    Attributes:
        name: as recipes call it.
        arguments_class: its `TrainingArguments`; the fields of the class are keys of a recipe.
        trainer_class: what trains.
        collator_class: what makes batches of its rows, and refuses a row that cannot be trained on.
        row_features: returns the columns of its rows.
        optional_columns: columns that a set may lack.
        types: of keys whose annotations in `arguments_class` say less than they take.
        defaults: arguments that a run has unless its recipe says otherwise.
        own_settings: our keys that the trainer itself takes, and no other one.
        refused: keys that a run of this trainer cannot have, and why.
        metrics: what an evaluation gives, without "eval_".
        loss_unit: in which the loss is measured.
        sequences_per_row: how many sequences of a batch come of one row.
        keeps_reference: whether a frozen copy of the model stays in memory where it trains without adapters.
    """

    name: str
    arguments_class: type[TrainingArguments]
    trainer_class: type[RunTrainerMixin]
    collator_class: type[BioMedGPTDataCollator]
    row_features: Callable[[], datasets.Features]
    optional_columns: tuple[str, ...] = ()
    types: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    own_settings: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    metrics: tuple[str, ...] = ("loss",)
    loss_unit: str = "nats per label token"
    sequences_per_row: int = 1
    keeps_reference: bool = False

    def check(self, key: str, value: object) -> None:
        """Raise a ValueError if a recipe gives a key that a run of this trainer cannot have."""
        top = key.partition(".")[0]
        if top in self.refused and value not in (None, False):
            raise ValueError(
                f"{key} is {value!r}, which trainer {self.name!r} cannot take: {self.refused[top]}. Leave it out."
            )


def check_trainer_name(name: str) -> None:
    """Raise a ValueError unless a trainer of this name exists here, with the nearest name or all that there are."""
    if name in TRAINERS:
        return
    if name in NOT_YET:
        raise ValueError(f"trainer is {name!r}, which is not supported yet: choose from {', '.join(TRAINERS)}.")
    nearest = difflib.get_close_matches(name, TRAINERS, n=1)
    hint = f"did you mean {nearest[0]!r}? Known are" if nearest else "choose from"
    raise ValueError(f"trainer is {name!r}, but no trainer has that name: {hint} {', '.join(TRAINERS)}.")


def find_trainer(name: str) -> TrainerKind:
    """Return what a run has to know of a trainer, which is imported now.

    Raises:
        ValueError: if there is no such trainer, or the package that it needs is not installed.
    """
    check_trainer_name(name)
    if name in NEED_TRL and not is_installed("trl"):
        raise ValueError(f"trainer is {name!r}, which needs TRL. {missing_package('trl', 'train')}")
    return import_module(f"{__package__}.{name}").KIND
