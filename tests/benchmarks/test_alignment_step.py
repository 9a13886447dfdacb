"""The benchmark of training steps runs, and finds the same losses and gradients both ways."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "alignment_step.py"


@pytest.mark.slow
def test_every_way_to_make_a_step_gives_the_same_loss_and_gradients():
    command = [sys.executable, str(SCRIPT), "--small", "--batch-size", "2", "--repeats", "1"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    finished = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert finished.returncode == 0, finished.stderr[-3000:]
    assert len([line for line in finished.stdout.splitlines() if line.startswith("| ")]) == 1 + 11
