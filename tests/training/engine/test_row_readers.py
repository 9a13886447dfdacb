"""Processes that read rows end when the process that started them does."""

import subprocess
import sys

import pytest

SCRIPT = """
import torch
from biomedgpt_hf.training.engine.row_readers import shield_workers

if __name__ == "__main__":
    torch.utils.data._utils.MP_STATUS_CHECK_INTERVAL = 300  # so long that nothing else ends them in time
    loader = torch.utils.data.DataLoader(
        range(8), num_workers=2, persistent_workers={persistent}, multiprocessing_context={method!r}
    )
    shield_workers(loader)
    rows = iter(loader)
    print(next(rows).item())
    {then}
"""


@pytest.mark.parametrize("method", ["fork"])
@pytest.mark.parametrize(("persistent", "then"), [(True, "list(rows)"), (False, "raise ValueError('in a loop')")])
def test_python_ends_though_processes_still_wait_for_rows_to_read(persistent, then, method):
    script = SCRIPT.format(persistent=persistent, method=method, then=then)
    program = [sys.executable, "-c", script]
    ended = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)
    assert ended.stdout == "0\n"
    assert ended.returncode == (0 if persistent else 1)
    assert "killed by signal" not in ended.stderr
