"""Processes that read rows (`dataloader_num_workers`), as a training starts them and as they die.

Clusters and terminals send signals to all processes at once, but rows are needed until the checkpoint is written. So
these processes outlive the signals that end a training in a checkpoint, from their first moment on: the signals are
held back while a process starts, and ignored when it is ready.

SIGTERM is also how multiprocessing ends what still runs when Python does (persistent processes, and those whose rows an
error has left unread), and it waits for them. So the process that started them ends them by a signal of its own.
"""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing import context, get_context
from multiprocessing.process import BaseProcess
from typing import Any

from torch.utils.data import DataLoader

from biomedgpt_hf.disk.held_signals import ignore_signals, signals_held
from biomedgpt_hf.training.engine.preemption import SIGNALS

ENDING = signal.SIGUSR2  # what ends these processes, in place of SIGTERM
WORKER_DIED = "DataLoader worker"  # how torch begins its message


class DataWorkerError(OSError):
    """A process that reads rows died."""

    def __init__(self, error: RuntimeError) -> None:
        reason = str(error).partition(" It is possible")[0].rstrip(".")
        super().__init__(
            f"A process that reads rows died ({reason}), perhaps for want of memory. Start the training again to go on "
            "from the newest checkpoint, with fewer dataloader_num_workers if memory was short."
        )


class _ShieldedStart(BaseProcess):
    def start(self) -> None:
        with signals_held(*SIGNALS, ENDING):
            super().start()
        popen = self._popen  # type: ignore[attr-defined]
        popen.terminate = partial(_end, popen)


class _ForkProcess(_ShieldedStart, context.ForkProcess):
    pass


class _SpawnProcess(_ShieldedStart, context.SpawnProcess):
    pass


class _ForkServerProcess(_ShieldedStart, context.ForkServerProcess):
    pass


class _ForkContext(context.ForkContext):
    Process = _ForkProcess


class _SpawnContext(context.SpawnContext):
    Process = _SpawnProcess


class _ForkServerContext(context.ForkServerContext):
    Process = _ForkServerProcess


CONTEXTS = {"fork": _ForkContext, "spawn": _SpawnContext, "forkserver": _ForkServerContext}


def shield_workers(loader: DataLoader) -> None:
    """Let the processes that a loader starts outlive the signals of a training.

    Args:
        loader: torch's, as it is or as accelerate has prepared it. What is made of it later is shielded too.
    """
    if not loader.num_workers:
        return
    base = getattr(loader, "base_dataloader", loader)  # accelerate's own attributes would hide this one's
    method = (base.multiprocessing_context or get_context()).get_start_method()
    base.multiprocessing_context = CONTEXTS[method]()
    base.worker_init_fn = partial(_start_worker, base.worker_init_fn)


def _start_worker(as_before: Callable[[int], None] | None, worker: int) -> None:
    """Begin a process that reads rows, with what is done there in any case."""
    ignore_signals(*SIGNALS)
    signal.signal(ENDING, lambda *_: os._exit(0))  # torch tells of any other code as of a death
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (ENDING,))
    if as_before is not None:
        as_before(worker)


def _end(popen: Any) -> None:
    """End a process, where multiprocessing would send SIGTERM."""
    if popen.returncode is None:
        with suppress(ProcessLookupError):
            os.kill(popen.pid, ENDING)
