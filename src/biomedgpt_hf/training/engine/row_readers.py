"""Processes that read rows (`dataloader_num_workers`), as a training starts them and as they die."""

import signal
from collections.abc import Callable

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


def start_worker(as_before: Callable[[int], None] | None, worker: int) -> None:
    """Begin a process that reads rows, and let it outlive signals.

    Clusters and terminals send them to all processes at once, but rows are needed until the checkpoint is written;
    then the training's own process ends the ones that read.

    Args:
        as_before: what is done there in any case.
        worker: its number.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    if as_before is not None:
        as_before(worker)
