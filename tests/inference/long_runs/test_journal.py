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
    assert journal.rows() == 0
    journal.add([(1, 0, b"one")])
    assert list(journal.results()) == [(1, 0, b"one")]


def test_a_file_that_is_no_journal_is_told_in_one_line(tmp_path):
    journal = Journal(tmp_path, FACTS)
    Journal(tmp_path, FACTS, rank=2).close()
    (tmp_path / "rank-1.sqlite").write_bytes(b"x" * 5000)
    with pytest.raises(OSError, match="rank-1.sqlite is damaged: .*Remove it"):
        journal.rows()


@pytest.mark.parametrize("rank", [0, 1])
def test_of_several_files_the_damaged_one_is_named_and_without_it_the_others_serve(tmp_path, rank):
    for of in range(3):
        journal = Journal(tmp_path / "run", FACTS, of)
        journal.add((3 * row + of, 0, bytes(500)) for row in range(200))
        journal.close()
    damaged = tmp_path / "run" / f"rank-{rank}.sqlite"
    content = bytearray(damaged.read_bytes())
    content[8192:] = b"x" * (len(content) - 8192)
    damaged.write_bytes(content)
    journal = Journal(tmp_path / "run", FACTS)
    for ask in (journal.rows, lambda: journal.done(0, 600), lambda: list(journal.results())):
        with pytest.raises(OSError, match=f"rank-{rank}.sqlite is damaged: .*Remove it"):
            ask()
    journal.close()
    damaged.unlink()
    journal = Journal(tmp_path / "run", FACTS)
    assert journal.rows() == len(list(journal.results())) == 400
    journal.close()


@pytest.mark.parametrize("content", [None, "", '{"question": "Wh'])
def test_results_of_which_nobody_can_tell_what_they_answer_are_not_used(tmp_path, content):
    journal = Journal(tmp_path / "run", FACTS)
    journal.add([(1, 0, b"one")])
    journal.close()
    path = tmp_path / "run" / "run.json"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(OSError, match="run.json is missing or damaged .*Remove .*run to begin the run again"):
        Journal(tmp_path / "run", {**FACTS, "question": "Why?"})


def test_a_kill_while_the_folder_is_removed_leaves_no_results_without_what_they_answer(tmp_path, monkeypatch):
    journal = Journal(tmp_path / "run", FACTS)
    journal.add([(1, 0, b"one")])
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)
    journal.remove()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["run.json"]


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_journal_may_be_closed_while_its_results_are_read(tmp_path):
    journal = Journal(tmp_path, FACTS)
    journal.add([(1, 0, b"one"), (2, 0, b"two")])
    results = journal.results()
    assert next(results) == (1, 0, b"one")
    journal.close()
    results.close()
