"""Work in other processes, with the results in order."""

import operator
import os
from functools import partial

import pytest

from biomedgpt_hf.data.building.workers import map_in_order

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
