"""What a conversion needs of memory does not grow with the checkpoint."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "conversion_memory.py"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="memory is read from Linux's /proc")
def test_private_memory_stays_below_the_largest_source_file_times_1_3():
    command = [sys.executable, str(BENCHMARK), "--gigabytes", "0.4", "--json"]
    rows = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    for kind, row in rows.items():
        above = row["private"] - row["private before"]
        assert above < 1.3 * row["largest"], kind
        if kind != "old format":  # torch reads that one whole
            assert above < 100e6, kind
