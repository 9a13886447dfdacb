"""Work in other processes, with the results in order."""

import multiprocessing
import operator
import os
import subprocess
import sys
from functools import partial
from multiprocessing.context import SpawnProcess

import pytest

from biomedgpt_hf.disk.workers import map_in_order

# Functions of the standard library: a worker process could not import them from here.
ME = "/proc/self"  # a link to the number of whoever reads it


@pytest.mark.parametrize("processes", [1, 2])
def test_results_come_in_order_and_errors_come_through(processes):
    items = [*map(str, range(13)), "bad luck", *map(str, range(14, 20))]
    results = map_in_order(int, items, processes)
    assert [next(results) for _ in range(13)] == list(range(13))
    with pytest.raises(ValueError, match="bad luck"):
        list(results)


@pytest.mark.skipif(not os.path.islink(ME), reason="needs Linux's /proc")
def test_several_processes_are_others_than_this_one_and_start_only_for_enough_items():
    me = str(os.getpid())
    assert set(map_in_order(os.readlink, [ME] * 50, 1)) == {me}
    assert set(map_in_order(os.readlink, [ME] * 3, 2)) == {me}
    assert me not in set(map_in_order(os.readlink, [ME] * 20, 2))


@pytest.mark.skipif(not os.path.islink(ME), reason="needs Linux's /proc")
def test_a_process_that_may_start_no_others_works_alone(monkeypatch):
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)
    assert set(map_in_order(os.readlink, [ME] * 50, 2)) == {str(os.getpid())}


def test_bare_processes_leave_the_program_as_it_was(monkeypatch):
    monkeypatch.delenv("BIOMEDGPT_REGISTER", raising=False)
    main = sys.modules["__main__"]
    assert list(map_in_order(int, map(str, range(20)), 2, bare=True)) == list(range(20))
    assert sys.modules["__main__"] is main and "BIOMEDGPT_REGISTER" not in os.environ


@pytest.mark.parametrize("processes", [1, 2])
def test_items_are_only_read_a_little_ahead(processes):
    read = []
    results = map_in_order(partial(operator.mul, 2), (read.append(number) or 2 for number in range(1000)), processes)
    assert next(results) == 4
    assert len(read) < 20
    results.close()


@pytest.mark.parametrize("processes", [1, 2])
def test_no_items_give_no_results(processes):
    assert list(map_in_order(int, [], processes)) == []


@pytest.mark.fault
def test_a_process_that_dies_is_told():
    with pytest.raises(OSError, match="fewer --processes"):
        list(map_in_order(os._exit, [3] * 20, 2))


HANGS = """
import multiprocessing, time
from multiprocessing.context import SpawnProcess
from biomedgpt_hf.disk.workers import map_in_order

start, started = SpawnProcess.start, []

def start_while_the_first_dies(process):
    start(process)
    started.append(process)
    if len(started) == 2:
        started[0].kill()
        time.sleep(1)  # the pool notices, and ends the workers that it knows

if __name__ == "__main__":
    SpawnProcess.start = start_while_the_first_dies
    try:
        list(map_in_order(bytes, [1_000_000] * 50, 2))  # results that fill the pipe which nobody reads any more
    except OSError as error:
        print(error)
"""


@pytest.mark.fault
@pytest.mark.slow
def test_a_process_that_dies_while_another_is_started_is_told_and_leaves_nobody_to_wait_for(tmp_path):
    (tmp_path / "script.py").write_text(HANGS)
    run = subprocess.run([sys.executable, str(tmp_path / "script.py")], capture_output=True, text=True, timeout=60)
    assert "A worker process was killed" in run.stdout and run.returncode == 0


@pytest.mark.parametrize("error", [OSError("handle is closed"), ValueError("bad value(s) in fds_to_keep")])
def test_a_process_that_cannot_be_started_is_told(monkeypatch, error):
    def fail(_process):
        raise error

    monkeypatch.setattr(SpawnProcess, "start", fail)
    with pytest.raises(OSError, match="could not be started"):
        list(map_in_order(int, ["1"] * 20, 2))
