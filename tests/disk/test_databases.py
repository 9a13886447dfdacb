"""SQLite files of long jobs, and what is told where one cannot be used."""

import sqlite3

import pytest

from biomedgpt_hf.disk.databases import WRITE_AHEAD, DamagedDatabaseError, Database

TABLES = "CREATE TABLE IF NOT EXISTS found (number INTEGER PRIMARY KEY);"


def numbers(base):
    return [number for (number,) in base.rows("SELECT number FROM found ORDER BY number")]


@pytest.mark.parametrize("pragmas", [None, WRITE_AHEAD])
def test_a_transaction_is_there_whole_or_not_at_all(tmp_path, pragmas):
    with Database(tmp_path / "a #?%.sqlite", TABLES, pragmas=pragmas) as base:
        with base.transaction():
            assert base.execute_many("INSERT INTO found VALUES (?)", [(1,), (2,)]) == 2
        with pytest.raises(KeyboardInterrupt), base.transaction():
            base.execute("INSERT INTO found VALUES (3)")
            raise KeyboardInterrupt
        assert numbers(base) == [1, 2]
    with Database(tmp_path / "a #?%.sqlite", create=False) as base:
        assert base.row("SELECT MAX(number) FROM found") == (2,)


def test_what_is_no_database_is_told_in_one_line_with_what_to_do(tmp_path):
    path = tmp_path / "results.sqlite"
    path.write_bytes(b"x" * 5_000)
    with pytest.raises(DamagedDatabaseError, match="results.sqlite is damaged: .*Remove it") as caught:
        Database(path, TABLES)
    assert "\n" not in str(caught.value)


def test_a_file_that_another_process_holds_is_told(tmp_path):
    path = tmp_path / "results.sqlite"
    with Database(path, TABLES, pragmas={"locking_mode": "EXCLUSIVE", **WRITE_AHEAD}) as base:
        base.execute("INSERT INTO found VALUES (1)")
        with pytest.raises(BlockingIOError, match="results.sqlite is in use by another process"):
            Database(path, TABLES, wait=0)
    with Database(path, wait=0) as base:
        assert numbers(base) == [1]


def test_a_full_disk_is_told_and_costs_nothing_that_was_committed(tmp_path):
    with Database(tmp_path / "results.sqlite", TABLES, pragmas={"max_page_count": 4}) as base:
        base.execute("INSERT INTO found VALUES (1)")
        with pytest.raises(OSError, match="results.sqlite: .*full.*the same command goes on"), base.transaction():
            base.execute_many("INSERT INTO found VALUES (?)", ((number,) for number in range(2, 100_000)))
        assert numbers(base) == [1]


def test_a_missing_folder_and_a_missing_file_are_told(tmp_path):
    for path, create in ((tmp_path / "no" / "a.sqlite", True), (tmp_path / "a.sqlite", False)):
        with pytest.raises(OSError, match="a.sqlite: unable to open"):
            Database(path, create=create)
    assert list(tmp_path.iterdir()) == []


def test_a_mistake_of_the_program_is_not_taken_for_one_of_the_disk(tmp_path):
    with Database(tmp_path / "a.sqlite", TABLES) as base:
        base.execute("INSERT INTO found VALUES (1)")
        with pytest.raises(sqlite3.IntegrityError):
            base.execute("INSERT INTO found VALUES (1)")
