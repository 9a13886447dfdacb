"""What a long run keeps."""

import subprocess
import sys

import pytest

from biomedgpt_hf.inference.long_runs.journal import PAGE, Journal

FACTS = {"question": "What?", "inputs": ["a.smi"]}


def test_results_of_all_processes_come_back_in_order(tmp_path):
    journals = [Journal(tmp_path / "run", FACTS, rank) for rank in range(3)]
    numbers = range(3 * PAGE)
    for number in reversed(numbers):
        journals[number % 3].add([(number // 2, number % 2, str(number).encode())])
    expected = [(number // 2, number % 2, str(number).encode()) for number in numbers]
    for journal in journals:
        assert list(journal.results()) == expected
        assert len(journal) == len(expected)
        assert journal.done(10, 12) == {(row, number) for row in (10, 11, 12) for number in (0, 1)}
        journal.close()
    alone = Journal(tmp_path / "run", FACTS)
    assert list(alone.results()) == expected
    alone.remove()
    assert not (tmp_path / "run").exists()


def test_a_run_that_was_asked_for_something_else_is_refused_with_what_differs(tmp_path):
    Journal(tmp_path / "run", FACTS).close()
    with pytest.raises(ValueError, match='question was "What[?]" and is "Why[?]"'):
        Journal(tmp_path / "run", {**FACTS, "question": "Why?"})
    Journal(tmp_path / "run", FACTS).close()


def test_the_same_run_cannot_work_twice_at_once(tmp_path):
    journal = Journal(tmp_path / "run", FACTS)
    code = (
        f"from biomedgpt_hf.inference.long_runs.journal import Journal; Journal({str(tmp_path / 'run')!r}, {FACTS!r})"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "BlockingIOError" in other.stderr and "running already" in other.stderr
    journal.close()


def test_a_batch_is_kept_whole_or_not_at_all(tmp_path):
    def breaking():
        yield 1, 0, b"one"
        raise RuntimeError

    journal = Journal(tmp_path / "run", FACTS)
    with pytest.raises(RuntimeError):
        journal.add(breaking())
    assert len(journal) == 0
    journal.add([(1, 0, b"one")])
    assert list(journal.results()) == [(1, 0, b"one")]


def test_a_file_that_is_no_journal_is_told_in_one_line(tmp_path):
    (tmp_path / "rank-1.sqlite").write_bytes(b"x" * 5000)
    journal = Journal(tmp_path, FACTS)
    with pytest.raises(OSError, match="rank-1.sqlite"):
        len(journal)
