"""Signals that wait while a process is started."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from biomedgpt_hf.disk.held_signals import signals_held

HELD = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


@pytest.fixture
def heeded():
    """The signals that this process's own handlers got, in order."""
    got: list[int] = []
    before = {number: signal.signal(number, lambda number, frame: got.append(number)) for number in HELD}
    yield got
    for number, handler in before.items():
        signal.signal(number, handler)


def soon(got: list[int]) -> list[int]:
    """Return what the handlers got, a moment later: the system may give a signal to another thread first."""
    time.sleep(0.1)
    return got


@pytest.mark.parametrize("number", HELD)
def test_a_signal_that_comes_meanwhile_is_delivered_at_the_end(heeded, number):
    with signals_held(*HELD):
        os.kill(os.getpid(), number)
        assert not heeded
    assert soon(heeded) == [number]
    os.kill(os.getpid(), number)
    assert soon(heeded) == [number, number]


def test_so_it_is_where_another_thread_gets_it_or_the_start_fails(heeded):
    go_on, waits = threading.Event(), threading.Event()

    def wait() -> None:
        waits.set()
        go_on.wait()

    thread = threading.Thread(target=wait)  # it holds nothing back
    thread.start()
    waits.wait()
    with pytest.raises(OSError, match="cannot be started"), signals_held(*HELD):
        signal.pthread_kill(thread.ident, signal.SIGTERM)
        sum(range(100_000))  # time for the handler
        assert not heeded
        raise OSError("cannot be started")
    go_on.set()
    thread.join()
    assert soon(heeded) == [signal.SIGTERM]


def test_what_has_no_handler_of_ours_keeps_its_own_way():
    with signals_held(signal.SIGTERM):
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


CHILD = """
import os, signal, time
from biomedgpt_hf.disk.held_signals import ignore_signals, signals_held

with signals_held(signal.SIGTERM, signal.SIGUSR1):
    child = os.fork()
    if not child:
        os.kill(os.getpid(), signal.SIGTERM)  # before it is ready
        ignore_signals(signal.SIGTERM, signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGUSR1)
        assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())
        os._exit(7)
assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_process_that_starts_meanwhile_outlives_what_it_ignores_and_holds_nothing_back():
    light = {**os.environ, "BIOMEDGPT_REGISTER": "later"}  # torch is not needed here
    command = [sys.executable, "-c", CHILD]
    run = subprocess.run(command, env=light, capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout == "7\n"
