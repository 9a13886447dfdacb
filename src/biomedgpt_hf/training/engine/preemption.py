"""Stopping at one step on all processes when a cluster, or a person, asks one of them to.

SIGTERM comes before a machine is taken away, SIGUSR1 is Slurm's early warning (`--signal=USR1@120`), SIGINT is Ctrl-C.
The handler only notes the signal. After each step the processes agree on whether any of them got one; if so, all save
that step and stop. Ctrl-C a second time, a second later or more, stops at once.
"""

import logging
import os
import signal
import time
from types import FrameType
from typing import Any

import torch
from torch import distributed
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
# A second Ctrl-C so soon counts as the first one: torchrun passes it on to processes that have got it already.
SAME = 1.0  # seconds


class LauncherDiedError(OSError):
    """torchrun was killed, but this process still runs."""


class PreemptionCallback(TrainerCallback):
    """Turns signals into a complete checkpoint and an orderly end.

    Attributes:
        received: the signal that ended the training, on whichever process it came in; 0 if none did.
        launcher: the process that started this one.
    """

    def __init__(self) -> None:
        self.launcher = os.getppid()
        self.received = 0
        self._noted = 0
        self._noted_at = 0.0
        self._saved = 0  # the newest checkpoint's step
        self._handlers: dict[int, Any] = {}
        self._group: distributed.ProcessGroup | None = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.received = self._noted = 0
        if distributed.is_initialized() and distributed.get_world_size() > 1:
            # On the CPU: asking a GPU after each step would make it wait for the CPU.
            self._group = distributed.new_group(backend="gloo")
        try:
            self._handlers = {number: signal.signal(number, self._note) for number in SIGNALS}
        except ValueError:  # only the main thread may set handlers; a training in another thread goes on without them
            logger.warning("Training outside the main thread: signals end it without a checkpoint.")

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        self._check_launcher()
        received = self._noted
        if self._group is not None:
            agreed = torch.tensor(received)
            distributed.all_reduce(agreed, distributed.ReduceOp.MAX, self._group)
            received = int(agreed)
        if received and not self.received and state.global_step < state.max_steps:
            self.received = received
            control.should_training_stop = True
            if not _ends_epoch(state):  # at an epoch's end it is saved in `on_epoch_end`, after what else comes then
                control.should_save = True
        return control

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self._saved = state.global_step

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Let an epoch that was stopped before its end close with nothing but its checkpoint.

        `Trainer` would evaluate, which the same training without the signal does not, and save the same step again.
        """
        if self.received and _ends_epoch(state):
            control.should_save |= self._saved != state.global_step
        elif self.received:
            control.should_log = control.should_evaluate = control.should_save = False
        return control

    def on_prediction_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._check_launcher()

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.restore()

    def restore(self) -> None:
        """Give the signals back to whoever had them before the training."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}
        self._group = None

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._noted and number == signal.SIGINT and now - self._noted_at >= SAME:
            raise KeyboardInterrupt
        self._noted, self._noted_at = number, now

    def _check_launcher(self) -> None:
        """End a process that torchrun cannot end any more, before the next start writes to the same folder."""
        if "TORCHELASTIC_RUN_ID" in os.environ and os.getppid() != self.launcher:
            raise LauncherDiedError(
                f"torchrun (process {self.launcher}) was killed, so process {os.getpid()} ends as well: give the same "
                "command again to go on from the newest complete checkpoint."
            )


def _ends_epoch(state: TrainerState) -> bool:
    """Whether the last step was an epoch's last."""
    return float(state.epoch or 0.0).is_integer()
