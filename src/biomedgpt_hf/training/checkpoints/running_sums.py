"""What a run has summed up since its last line of the log, so that it logs the same when it goes on from a checkpoint.

checkpoint-12/running_sums.json      the step of the last line, and each process's sums since then
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import distributed
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from biomedgpt_hf.disk.replacing import write_json

if TYPE_CHECKING:
    from transformers import Trainer as _Trainer
else:
    _Trainer = object

FILE = "running_sums.json"


class RunningSumsMixin(_Trainer):
    """A trainer whose checkpoints hold what it has summed up for its log.

    A subclass that sums up more extends `_running_sums` and `_set_running_sums`.
    """

    _sums_at_start: dict[str, Any] | None = None  # of the checkpoint that the run goes on from
    _summed_from = 0  # the step at which `_total_loss_scalar` begins

    def _running_sums(self) -> dict[str, Any]:
        """Return what this process has summed up, as JSON can hold it."""
        return {"loss": self._tr_loss.item(), "total_loss": self._total_loss_scalar}

    def _set_running_sums(self, every: list[dict[str, Any]], own: int | None) -> None:
        """Go on from sums.

        Args:
            every: of each process that the run had.
            own: which of them are this one's; None where the run has another number of processes now.
        """
        losses = [sums["loss"] for sums in every]  # the log has their mean
        self._tr_loss += losses[own] if own is not None else sum(losses) / len(losses)
        self._total_loss_scalar = every[own or 0]["total_loss"]

    def _save_running_sums(self, folder: Path) -> None:
        """Write the sums of all processes into a checkpoint; all of them have to call it."""
        every = [self._running_sums()]
        if self.args.world_size > 1:
            every = every * self.args.world_size
            distributed.all_gather_object(every, every[0])
        if self.args.should_save:
            write_json(folder / FILE, {"last_logged": self._globalstep_last_logged, "processes": every})

    def _read_running_sums(self, folder: str | None) -> None:
        """Read the sums of the checkpoint that the run goes on from; older checkpoints have none."""
        file = Path(folder, FILE) if folder else None
        self._sums_at_start = json.loads(file.read_text("utf-8")) if file and file.is_file() else None

    def _begin_with_sums(self) -> None:
        sums = self._sums_at_start
        self._summed_from = self.state.global_step if sums is None else 0
        if sums is not None:
            every = sums["processes"]
            self._globalstep_last_logged = sums["last_logged"]
            self._set_running_sums(every, self.args.process_index if len(every) == self.args.world_size else None)

    def _mean_loss(self) -> float:
        """Return the mean loss of all steps of the run, those before it went on included."""
        return self._total_loss_scalar / max(1, self.state.global_step - self._summed_from)


class RunningSumsCallback(TrainerCallback):
    """Gives a trainer the sums that it goes on from, after it has set its own to zero."""

    def __init__(self, trainer: RunningSumsMixin) -> None:
        self._trainer = trainer

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._trainer._begin_with_sums()
