"""What is read of sets that were built with other modalities than there are now."""

from collections import Counter

import pytest

from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.neighbours.known_items import gather, read_set_rows, set_files
from biomedgpt_hf.rows.schema import question_row

from ..built_set import row, write_set


def test_a_set_that_was_built_before_a_modality_was_registered_is_read(tmp_path, request):
    folder = write_set(tmp_path / "set", {"train": [row("a", molecules=["CCO"])]})
    request.getfixturevalue("cell")
    (path,) = set_files(folder, ["train"])
    (known,) = gather(read_set_rows(path), Counter())
    assert (known.modality, known.item) == ("molecule", "CCO")


def test_items_of_a_modality_that_was_registered_later_are_read(tmp_path, cell):
    labels = {"task": "t", "source": "s", "license": "CC0-1.0"}
    rows = [question_row("What?", f"It is {id}.", cells=[[0.5, 2.0]], id=id, **labels) for id in "ab"]
    (path,) = set_files(write_set(tmp_path / "set", {"train": rows}), ["train"])
    read = list(read_set_rows(path))
    assert read[0]["cells"] == [[0.5, 2.0]]
    (known,) = gather(iter(read), Counter())
    assert known.item == [0.5, 2.0] and [text.answer for text in known.texts] == ["It is a.", "It is b."]


def test_a_file_without_a_row_s_columns_is_refused(tmp_path):
    import pyarrow.parquet as pq

    (path,) = set_files(write_set(tmp_path / "set", {"train": [row("a", molecules=["CCO"])]}), ["train"])
    pq.write_table(pq.read_table(path).drop_columns(["license"]), path)
    with pytest.raises(SourceError, match="does not have the columns"):
        list(read_set_rows(path))
