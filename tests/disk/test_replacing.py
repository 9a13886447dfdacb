"""Files that are there whole, or as they were before."""

import json

import pytest

from biomedgpt_hf.disk.replacing import write_json


def test_a_json_file_ends_with_a_line_and_keeps_letters_and_foreign_bytes(tmp_path):
    content = {"name": "β-lactam", "file": b"\xff.smi".decode("utf-8", "surrogateescape")}
    write_json(tmp_path / "facts.json", content)
    text = (tmp_path / "facts.json").read_text("utf-8")
    assert json.loads(text) == content and "β-lactam" in text and text.endswith("}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["facts.json"]


def test_what_json_cannot_hold_leaves_the_file_as_it_was(tmp_path):
    write_json(tmp_path / "facts.json", [1])
    with pytest.raises(TypeError):
        write_json(tmp_path / "facts.json", [object()])
    assert (tmp_path / "facts.json").read_text("utf-8") == "[\n  1\n]\n"
