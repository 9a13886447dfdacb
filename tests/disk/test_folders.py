"""A folder that is there whole, or not at all."""

import pytest

from biomedgpt_hf.disk.folders import staged_folder


def test_a_folder_appears_when_it_is_whole_also_where_an_empty_one_was(tmp_path):
    for output in (tmp_path / "new" / "deep", tmp_path / "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with staged_folder(output) as folder:
            (folder / "file").write_text("whole")
            assert not (output / "file").exists()
        assert [path.name for path in output.parent.glob(".*")] == []
        assert (output / "file").read_text() == "whole"


def test_an_error_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), staged_folder(tmp_path / "set") as folder:
        (folder / "file").write_text("half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_not_touched(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    for name in ("full", "full/mine"):
        with pytest.raises(FileExistsError, match="already exists"), staged_folder(tmp_path / name):
            pass
