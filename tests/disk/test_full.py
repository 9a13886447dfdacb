"""A full disk is one error, whichever library notices it, and names the path, the free space and what to do."""

import errno
import gc
import json
import os
import pickle
import resource
import shutil
import sqlite3
import subprocess
import sys
from contextlib import contextmanager

import pyarrow as pa
import pytest

from biomedgpt_hf.disk.databases import Database
from biomedgpt_hf.disk.folders import staged_folder
from biomedgpt_hf.disk.full import DiskFullError, is_full, naming_full_disk
from biomedgpt_hf.disk.parquet import ParquetWriter
from biomedgpt_hf.disk.replacing import write_json

pytestmark = pytest.mark.fault
ROWS = pa.table({"text": [os.urandom(40).hex() for _ in range(5_000)]})


@contextmanager
def small_files(size):
    """Let no file of this process grow beyond a size, which fails as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        OSError(errno.EFBIG, "File too large"),
        OSError("Error writing bytes to file. Detail: [errno 28] No space left on device"),
        sqlite3.OperationalError("database or disk is full"),
        RuntimeError("[enforce fail] PytorchStreamWriter failed: No space left on device"),
        Exception("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
    ids=str,
)
def test_every_librarys_error_is_known_and_gets_a_path(error, tmp_path):
    assert is_full(error)
    with pytest.raises(DiskFullError) as told, naming_full_disk(tmp_path / "x.bin", "what was done is kept"):
        raise error
    assert told.value.filename == str(tmp_path / "x.bin") and isinstance(told.value, OSError)
    text = str(told.value)
    assert text.startswith(f"{tmp_path / 'x.bin'}: the disk is full (") and f"free in {tmp_path}" in text
    assert "\n" not in text and text.endswith("Make room there: what was done is kept")
    again = pickle.loads(pickle.dumps(told.value))
    assert str(again) == text and again.reason == told.value.reason


@pytest.mark.parametrize(
    "error",
    [ValueError("too large"), OSError(errno.ENOENT, "No such file", "x"), KeyError("full"), PermissionError("no")],
)
def test_other_errors_stay_what_they_are(error, tmp_path):
    with pytest.raises(type(error)) as same, naming_full_disk(tmp_path):
        raise error
    assert same.value is error and not isinstance(error, DiskFullError)


def test_an_inner_path_is_kept_and_what_is_known_outside_is_added(tmp_path):
    with (
        pytest.raises(DiskFullError) as told,
        naming_full_disk(tmp_path, "the rest is kept", needed=3_000_000),
        naming_full_disk(tmp_path / "inner"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert str(told.value).startswith(f"{tmp_path / 'inner'}: the disk is full (No space left on device, ")
    assert "about 3 MB needed" in str(told.value) and "the rest is kept" in str(told.value)


def test_parquet_that_does_not_fit_is_told_once_and_not_again_when_it_is_forgotten(tmp_path, capfd):
    path = tmp_path / "rows.parquet"
    with small_files(50_000):
        with pytest.raises(DiskFullError, match="rows.parquet: the disk is full"):
            with ParquetWriter(path, ROWS.schema) as writer:
                for _ in range(20):
                    writer.write_table(ROWS)
        del writer
        gc.collect()
    assert "Traceback" not in capfd.readouterr().err


def test_json_that_does_not_fit_leaves_the_old_file_and_nothing_else(tmp_path):
    write_json(tmp_path / "facts.json", {"old": 1})
    with small_files(1_000), pytest.raises(DiskFullError, match="facts.json"):
        write_json(tmp_path / "facts.json", {"new": "x" * 10_000})
    assert json.loads((tmp_path / "facts.json").read_text()) == {"old": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["facts.json"]


def test_a_database_that_cannot_grow_says_so_and_keeps_what_it_had(tmp_path):
    path = tmp_path / "base.sqlite"
    with Database(path, "CREATE TABLE t (x TEXT)") as base:
        base.execute("INSERT INTO t VALUES ('kept')")
        with small_files(100_000), pytest.raises(DiskFullError, match="base.sqlite: the disk is full"):
            for _ in range(100):
                base.execute("INSERT INTO t VALUES (?)", ("x" * 10_000,))
        assert base.row("SELECT x FROM t") == ("kept",)


def test_a_mistake_in_a_query_is_no_full_disk(tmp_path):
    with Database(tmp_path / "base.sqlite") as base, pytest.raises(sqlite3.OperationalError, match="no such table"):
        base.row("SELECT * FROM absent")


def test_a_folder_that_does_not_fit_is_named_and_gone(tmp_path):
    with small_files(1_000), pytest.raises(DiskFullError) as told:
        with staged_folder(tmp_path / "out") as folder:
            (folder / "part.bin").write_bytes(b"x" * 10_000)
    assert told.value.filename == str(tmp_path / "out") and list(tmp_path.iterdir()) == []


def test_any_command_tells_a_full_disk_in_one_line():
    from typer.testing import CliRunner

    from biomedgpt_hf.console import Commands, command, group

    app = group("A program.", cls=Commands)

    @app.callback()
    def options(debug: bool = False) -> None:
        pass

    @command(app, "write", "write")
    def write() -> None:
        """Write."""
        raise RuntimeError("PytorchStreamWriter failed writing file: No space left on device")

    result = CliRunner().invoke(app, ["write"])
    assert result.exit_code == 1 and result.stderr.count("\n") == 1 and "No space left on device" in result.stderr
    assert isinstance(CliRunner().invoke(app, ["--debug", "write"]).exception, RuntimeError)


@pytest.mark.slow
@pytest.mark.parametrize("size", [200, 640, 768])
def test_a_build_on_a_disk_that_is_too_small_says_so_and_goes_on_where_there_is_room(size, tmp_path):
    """A real disk of so many kilobytes, where one may be mounted: at each step of a build it is full once."""
    disk, table = tmp_path / "disk", tmp_path / "table.csv"
    disk.mkdir()
    table.write_text("p,q,a\n" + "".join(f"MKT,{os.urandom(20).hex()},{os.urandom(30).hex()}\n" for _ in range(1_500)))
    words = [sys.executable, "-m", "biomedgpt_command", "data", "table", str(table), "--protein-column", "p"]
    words += ["--question-column", "q", "--answer-column", "a", "--processes", "1", "--output", "set"]
    copy = tmp_path / "copy"
    mounted = f'mount -t tmpfs -o size={size}k tmpfs {disk} && cd {disk} && "$@"; rc=$?; cp -r {disk} {copy}; exit $rc'
    unshare = shutil.which("unshare")
    if not unshare or subprocess.run([unshare, "-Urm", "true"], capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    failed = subprocess.run([unshare, "-Urm", "sh", "-c", mounted, "sh", *words], capture_output=True, text=True)
    assert failed.returncode in (0, 1) and "Traceback" not in failed.stderr, failed.stderr
    if failed.returncode:
        last = failed.stderr.replace("\r", "\n").strip().splitlines()[-1]
        assert last.startswith("Error: .set.building/") and "the disk is full" in last and "free in" in last
        assert not (copy / "set").exists()
    if not (copy / "set").exists():
        again = subprocess.run(words, cwd=copy, capture_output=True, text=True)
        assert again.returncode == 0, again.stderr
    assert json.loads((copy / "set" / "manifest.json").read_text())["counts"]["rows"] == 1_500
    assert [path.name for path in copy.iterdir()] == ["set"]
