"""What the benchmarks share: paired timing, and the line that says where figures come from."""

import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType


def seconds(run: Callable[[], object]) -> float:
    """Return how long a call takes."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def cpu_seconds(run: Callable[[], object]) -> float:
    """Return what a call takes of this process's one thread, whatever else the machine does."""
    started = time.process_time()
    run()
    return time.process_time() - started


def ratio(
    run: Callable[[], object],
    reference: Callable[[], object],
    repeats: int,
    clock: Callable[[Callable[[], object]], float] = seconds,
) -> float:
    """Return the median of paired ratios, alternating, after one call of each that does not count."""
    run(), reference()
    return statistics.median(clock(run) / clock(reference) for _ in range(repeats))


def describe_software(*packages: ModuleType) -> str:
    """Return the machine, versions and commit that the figures belong to, in one line."""
    git = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip() or "unknown"
    versions = ", ".join(f"{package.__name__} {package.__version__}" for package in packages)
    return f"{platform.machine()}, Python {platform.python_version()}, {versions}, commit {commit}"
