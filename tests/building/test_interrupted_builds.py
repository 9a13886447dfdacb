"""Builds that are killed, interrupted or out of disk: never half a set, and nothing done twice or lost."""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

pytestmark = [pytest.mark.fault, pytest.mark.slow]
ENTRIES = 6_000  # chunks enough for worker processes


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A flat file of many proteins: some twice, some broken."""
    random.seed(7)
    path = tmp_path_factory.mktemp("raw") / "proteins.dat"
    with path.open("w") as file:
        for number in range(ENTRIES):
            accession = f"P{number % (ENTRIES - 50):05d}"
            sequence = "".join(random.choices("ACDEFGHIKLMNPQRSTVWY", k=60))
            length = 61 if number % 100 == 3 else 60
            file.write(
                f"ID   X{number}_TEST    Reviewed;   {length} AA.\nAC   {accession};\n"
                f"DE   RecName: Full=Protein {number};\nCC   -!- FUNCTION: Does thing {number}.\n"
                f"SQ   SEQUENCE   {length} AA;  1 MW;  0000000000000000 CRC64;\n     {sequence}\n//\n"
            )
    return path


def command(source, output, *more):
    return [sys.executable, "-m", "biomedgpt_command", "data", "uniprotqa", str(source), "--output", str(output), *more]


def start(source, output, **options):
    words = command(source, output, "--processes", "2")
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def contents(folder):
    """What a set says, without the time it was made."""
    manifest = json.loads((folder / "manifest.json").read_text())
    rows = {path.name: pq.read_table(path).to_pylist() for path in sorted((folder / "data").iterdir())}
    return manifest["counts"], rows, (folder / "rejected.jsonl").read_text(), (folder / "leakage.json").read_text()


@pytest.fixture(scope="module")
def whole(source, tmp_path_factory):
    output = tmp_path_factory.mktemp("whole") / "set"
    subprocess.run(command(source, output), check=True, timeout=300, capture_output=True)
    found = contents(output)
    assert found[0]["rejected"] == {"sequence length differs from the stated one": 60, "duplicate": 49}
    return found


def workers_of(process):
    """The worker processes; multiprocessing's own tracker of resources is none."""
    children = psutil.Process(process.pid).children(recursive=True)
    return [child for child in children if "resource_tracker" not in " ".join(child.cmdline())]


def wait_for_staging(output, process):
    staging = output.with_name(f".{output.name}.building") / "staging.sqlite"
    while not staging.exists() and process.poll() is None:
        time.sleep(0.01)


@pytest.mark.parametrize("seed", range(2))
def test_a_build_killed_again_and_again_gives_the_uninterrupted_set(source, whole, tmp_path, seed):
    chance = random.Random(seed)
    output = tmp_path / "set"
    kills = 0
    while not output.exists() or output.with_name(".set.building").exists():
        process = start(source, output)
        wait_for_staging(output, process)
        try:
            _, errors = process.communicate(timeout=chance.uniform(0.0, 1.5 + kills))
            assert process.returncode == 0, errors
        except subprocess.TimeoutExpired:
            workers = workers_of(process)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kills += 1
            assert not psutil.wait_procs(workers, timeout=20)[1], "workers outlive the build"
        assert not output.exists() or contents(output) == whole
    assert kills > 0
    assert contents(output) == whole
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_a_terminated_build_leaves_no_set_and_no_process(source, whole, tmp_path):
    output = tmp_path / "set"
    process = start(source, output)
    wait_for_staging(output, process)
    time.sleep(0.7)
    workers = workers_of(process)
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode != 0 and not output.exists()
    assert not psutil.wait_procs(workers, timeout=20)[1]
    subprocess.run(command(source, output), check=True, timeout=300, capture_output=True)
    assert contents(output) == whole


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.3, 1.0])
def test_ctrl_c_says_how_to_go_on_and_leaves_no_set(source, whole, tmp_path, delay):
    """A terminal interrupts all processes at once, also those that have hardly begun."""
    output = tmp_path / "set"
    process = start(source, output, start_new_session=True)
    wait_for_staging(output, process)
    while not (workers := workers_of(process)):
        assert process.poll() is None, "no worker was ever started"
    time.sleep(delay)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0 and not output.exists()
    assert "Run the same command again to go on" in errors and "Traceback" not in errors
    assert not psutil.wait_procs(workers, timeout=20)[1]
    again = subprocess.run(command(source, output), capture_output=True, text=True, timeout=300)
    assert again.returncode == 0, again.stderr
    assert contents(output) == whole


@pytest.mark.parametrize("size", [20_000, 600_000])
def test_a_full_disk_is_one_line_and_no_set(source, whole, tmp_path, size):
    """A limit on the size of files stands in for the disk: writes beyond it fail."""
    output = tmp_path / "set"
    limit = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))}
    failed = subprocess.run(command(source, output), capture_output=True, text=True, timeout=300, **limit)
    assert failed.returncode == 1 and not output.exists()
    assert failed.stderr.strip().splitlines()[-1].startswith("Error: ") and "Traceback" not in failed.stderr
    again = subprocess.run(command(source, output), capture_output=True, text=True, timeout=300)
    assert again.returncode == 0, again.stderr
    assert contents(output) == whole


def test_a_worker_that_is_killed_is_told_and_the_build_goes_on(source, whole, tmp_path):
    output = tmp_path / "set"
    process = start(source, output)
    wait_for_staging(output, process)
    while not (workers := workers_of(process)):
        assert process.poll() is None, "no worker was ever started"
        time.sleep(0.01)
    workers[-1].kill()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1 and "worker process was killed" in errors and "Traceback" not in errors
    subprocess.run(command(source, Path(output)), check=True, timeout=300, capture_output=True)
    assert contents(output) == whole
