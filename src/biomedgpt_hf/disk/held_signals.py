"""Signals that wait while a process is started.

Clusters and terminals send a signal to all processes of a command at once. A new process that gets one before it is
ready would die of it, and what waits for it would fail or wait for ever. A process inherits the mask of signals that
are held back from the one that starts it, so they are held back there, around the start; the new process says itself
what it makes of them, and lets them in again (`ignore_signals`).
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def signals_held(*numbers: int) -> Iterator[None]:
    """Hold signals back; those that come meanwhile are delivered at the end.

    This process's other threads may get a signal nevertheless, whose handler the main thread would then run at once: so
    it is noted, and heeded at the end as well.

    Args:
        numbers: of the signals.
    """
    came: dict[int, None] = {}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    handlers = {}
    if threading.current_thread() is threading.main_thread():  # only there can handlers be set, and run
        handlers = {number: signal.getsignal(number) for number in numbers if callable(signal.getsignal(number))}
    for number in handlers:
        signal.signal(number, lambda signalled, _frame: came.setdefault(signalled))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number in came:
            signal.raise_signal(number)


def ignore_signals(*numbers: int) -> None:
    """Let this process outlive signals, among them those that were held back when it was started."""
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
