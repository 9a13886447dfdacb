"""Room on a disk, in words."""

import shutil
from collections import namedtuple

import pytest

from biomedgpt_hf.disk.space import in_words, missing_space


def test_what_is_needed_and_what_is_free_are_told_also_of_a_path_that_is_not_there_yet(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(3_000, 1_000, 2_000))
    assert missing_space(tmp_path / "new" / "file", 2_000) == ""
    assert missing_space(tmp_path / "new" / "file", 2_500) == f"2.5 kB are needed, and {tmp_path} has 2 kB free"


@pytest.mark.parametrize(
    ("size", "words"), [(0, "0 bytes"), (999, "999 bytes"), (1_500, "1.5 kB"), (2 * 10**12, "2,000.0 GB")]
)
def test_a_number_of_bytes_has_its_unit(size, words):
    assert in_words(size) == words
