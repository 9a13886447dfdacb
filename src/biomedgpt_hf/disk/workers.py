"""A function over many items in worker processes, with the results in the items' order."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext
from itertools import chain, islice
from types import ModuleType
from typing import Any, TypeVar

from biomedgpt_hf.disk.held_signals import ignore_signals, signals_held

REGISTER = "BIOMEDGPT_REGISTER"  # the package asks it, when it is imported, whether to register its Auto classes
IN_FLIGHT = 4  # items per process that are sent ahead of the result which is wanted; bounds the memory

Item = TypeVar("Item")
Result = TypeVar("Result")

_worker: dict[str, Callable[[Any], Any]] = {}


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_in_order(
    function: Callable[[Item], Result], items: Iterable[Item], processes: int, *, bare: bool = False
) -> Iterator[Result]:
    """Yield `function(item)` for each item, in order; memory holds a few items for each process.

    Args:
        function: picklable; it travels once to each process, so it may carry large tables along.
        items: read in this process, as fast as results are taken; each is worth some tenths of a second.
        processes: how many at most; fewer are started where there are not some items for each, and with 1 the work is
            done in this one.
        bare: start processes that know neither the program that runs here nor the package's Auto classes: fast, and
            without running again the program of somebody who has no `if __name__ == "__main__"`. Function, items and
            results are to be of this package then.

    Raises:
        OSError: a worker process died, or could not be started.
    """
    items = iter(items)
    if multiprocessing.current_process().daemon:  # such a process may not start others
        processes = 1
    first = list(islice(items, IN_FLIGHT * processes)) if processes > 1 else []
    processes = min(processes, len(first) // IN_FLIGHT)
    if processes <= 1:
        yield from map(function, chain(first, items))
        return
    context = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_start_worker, initargs=(function,)) as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for item in chain(first, items):
                with _bare_start() if bare else nullcontext():
                    waiting.append(_submit_item(pool, item))
                if len(waiting) >= IN_FLIGHT * processes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            # The pool does not end a worker that was started while it noticed the death, and would wait for it.
            for worker in set(multiprocessing.active_children()) - others:
                worker.kill()
            raise OSError(
                "A worker process was killed or could not be started, perhaps for want of memory. "
                "Run the same command again, with fewer --processes if memory was short."
            ) from error
        finally:
            for future in waiting:
                future.cancel()


@contextmanager
def _bare_start() -> Iterator[None]:
    """Let processes that are started inside know nothing of the program that runs here."""
    main, told = sys.modules["__main__"], os.environ.get(REGISTER)
    sys.modules["__main__"] = ModuleType("__main__")
    os.environ[REGISTER] = "later"
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        if told is None:
            del os.environ[REGISTER]
        else:
            os.environ[REGISTER] = told


def _submit_item(pool: ProcessPoolExecutor, item: Any) -> Future[Any]:
    """Send an item to a pool, which may start a worker for it; that fails in several ways where another has just died.

    Raises:
        BrokenProcessPool: a worker died, or could not be started.
    """
    try:
        with signals_held(signal.SIGINT):
            return pool.submit(_call_function, item)
    except (OSError, ValueError) as error:
        raise BrokenProcessPool(str(error)) from error


def _start_worker(function: Callable[[Any], Any]) -> None:
    """Keep the function, leave Ctrl-C to the main process, and end when that has gone."""
    ignore_signals(signal.SIGINT)
    _worker["function"] = function
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _call_function(item: Any) -> Any:
    return _worker["function"](item)


def _end_with(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)
