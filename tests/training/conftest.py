"""Trainings in processes of their own, some of which end badly."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parent / "modeling")]  # tests and their processes import from both

from trainings import ENGINES, MODELS, OUTER_LIMIT, Run  # noqa: E402


@pytest.fixture(scope="session")
def start() -> Callable[..., subprocess.Popen]:
    """Starts a training of tests/training/tiny_run.py: its folder, the engine, its other options."""

    def begin(folder: Path, engine: str = "alone", processes: int | None = None, **options: Any) -> subprocess.Popen:
        folder.mkdir(parents=True, exist_ok=True)
        processes = ENGINES[engine] if processes is None else processes
        launcher = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes), "--rdzv-backend", "c10d"]
        launcher += ["--rdzv-endpoint", "127.0.0.1:0", "--signals-to-handle", "SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1"]
        script = [str(FOLDER / "tiny_run.py"), json.dumps({"output": str(folder), "engine": engine, **options})]
        command = [sys.executable, *(launcher if processes > 1 else []), *script]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(FOLDER), str(MODELS), *sys.path])}
        output = (folder / "printed.txt").open("w")
        return subprocess.Popen(
            command, env=environment, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip

    return begin


@pytest.fixture(scope="session")
def finish() -> Callable[..., Run]:
    """Waits for a training, ends it with all its processes at the limit, and looks at its exit code."""

    def end(process: subprocess.Popen, folder: Path, fails: bool | None = False, limit: float = OUTER_LIMIT) -> Run:
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        printed = (folder / "printed.txt").read_text()
        assert code is not None, f"it hung for {limit} s:\n{printed[-3000:]}"
        assert fails is None or (code != 0) == fails, printed[-6000:]
        return Run(code, printed, folder)

    return end


@pytest.fixture(scope="session")
def train(start, finish) -> Callable[..., Run]:
    """Runs a training to its end: its folder, `fails`, `limit`, and the options of `start`."""

    def run(folder: Path, *, fails: bool | None = False, limit: float = OUTER_LIMIT, **options: Any) -> Run:
        return finish(start(folder, **options), folder, fails, limit)

    return run


@pytest.fixture
def wait_for_step() -> Callable[[Path, int], None]:
    """Returns when a training has taken so many steps."""

    def wait(folder: Path, step: int) -> None:
        end = time.monotonic() + OUTER_LIMIT
        while time.monotonic() < end:
            file = folder / "step"
            if file.exists() and int(file.read_text() or 0) >= step:
                return
            time.sleep(0.05)
        raise TimeoutError((folder / "printed.txt").read_text()[-3000:])

    return wait
