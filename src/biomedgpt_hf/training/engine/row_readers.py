"""Processes that read rows (`dataloader_num_workers`), as a training starts them and as they die.

Clusters and terminals send signals to all processes at once, but rows are needed until the checkpoint is written. So
these processes outlive the signals that end a training in a checkpoint, from their first moment on: the signals are
held back while a process starts, and ignored when it is ready.
"""

from collections.abc import Callable
from functools import partial
from multiprocessing import context, get_context
from multiprocessing.process import BaseProcess

from torch.utils.data import DataLoader

from biomedgpt_hf.disk.held_signals import ignore_signals, signals_held
from biomedgpt_hf.training.engine.preemption import SIGNALS

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
        with signals_held(*SIGNALS):
            super().start()


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
    if as_before is not None:
        as_before(worker)
