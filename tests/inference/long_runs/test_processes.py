"""Several processes that wait for each other at the ends of long runs."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import os
from torch import distributed
from biomedgpt_hf.inference.long_runs.processes import wait_for_all

for _ in range(3):  # one long run after another
    wait_for_all()
    assert not distributed.is_initialized()
distributed.init_process_group("gloo")  # and a training
distributed.barrier()
wait_for_all()
assert distributed.is_initialized()
distributed.destroy_process_group()
os.write(1, b"through\\n")
"""


@pytest.mark.slow
@pytest.mark.fault
def test_they_wait_as_often_as_they_like_before_and_within_a_training(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--rdzv-backend", "c10d"]
    command += ["--rdzv-endpoint", "127.0.0.1:0", str(tmp_path / "script.py")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "BIOMEDGPT_REGISTER": "later"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stdout == "through\n" * 2
