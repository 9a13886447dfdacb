"""Sets that somebody wrote by hand: rows and preferences in folders of JSON Lines or Parquet."""

import json
from pathlib import Path

import datasets
import pytest

from biomedgpt_hf.batches.preferences import optional_columns, preference_features
from biomedgpt_hf.rows import schema
from biomedgpt_hf.training.screening.screening import load_rows

MOLECULE = [{"type": "molecule"}, {"type": "text", "text": "What is it?"}]
PAIR = {"messages": [{"role": "user", "content": MOLECULE}], "molecules": ["CCO"], "chosen": "A.", "rejected": "B."}


@pytest.fixture(autouse=True)
def private_cache(tmp_path, monkeypatch):
    """What `datasets` makes of the folders goes away with the test."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


def write(file: Path, rows: list[dict]) -> str:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return str(file.parent)


def load_pairs(*names: str, split: str = "train", required: bool = True) -> datasets.Dataset | None:
    features = preference_features()
    return load_rows(names, split, required=required, features=features, optional=optional_columns())


def test_pairs_of_json_lines_have_all_columns_and_the_types_of_rows(tmp_path):
    pairs = load_pairs(write(tmp_path / "pairs" / "train.jsonl", [PAIR, PAIR]))
    assert pairs.features == preference_features() and len(pairs) == 2
    assert pairs[0]["messages"][0]["content"][0] == {
        "type": "molecule",
        "text": None,
        "molecule": None,
        "protein": None,
    }
    assert (pairs[0]["molecules"], pairs[0]["proteins"], pairs[0]["id"]) == (["CCO"], None, None)


def test_answers_may_be_messages_and_content_a_text(tmp_path):
    message = {"role": "assistant", "content": [{"type": "text", "text": "A."}]}
    rows = [
        {**PAIR, "chosen": message},
        {**PAIR, "chosen": [message]},
        {**PAIR, "chosen": {"role": "assistant", "content": "A."}},
        {"messages": [{"role": "user", "content": "What is it?"}], "chosen": "A.", "rejected": "B."},
    ]
    for number, row in enumerate(rows):
        pairs = load_pairs(write(tmp_path / str(number) / "train.jsonl", [row]))
        assert (pairs[0]["chosen"], pairs[0]["rejected"]) == ("A.", "B.")
        assert pairs[0]["messages"][0]["content"][-1]["text"] == "What is it?"


def test_sets_of_different_makers_are_put_together(tmp_path):
    by_hand = write(tmp_path / "by_hand" / "train.jsonl", [PAIR])
    pairs = load_pairs(by_hand)
    built = tmp_path / "built" / "data" / "train-00000-of-00001.parquet"
    built.parent.mkdir(parents=True)
    pairs.to_parquet(built)
    loose = tmp_path / "loose" / "train.parquet"
    loose.parent.mkdir()
    pairs.to_parquet(loose)
    together = load_pairs(by_hand, str(tmp_path / "built"), str(tmp_path / "loose"))
    assert len(together) == 3 and together.features == preference_features()


def test_splits_are_told_by_the_names_of_files(tmp_path):
    folder = write(tmp_path / "pairs" / "train.jsonl", [PAIR, PAIR])
    assert load_pairs(folder, split="validation", required=False) is None
    with pytest.raises(ValueError, match=r"pairs has no split 'validation'; it has train\."):
        load_pairs(folder, split="validation")
    write(tmp_path / "pairs" / "validation.jsonl", [PAIR])
    assert len(load_pairs(folder, split="validation")) == 1


def test_plain_rows_by_hand_need_all_columns_of_a_row(tmp_path):
    answer = {"role": "assistant", "content": [{"type": "text", "text": "An alcohol."}]}
    row = {"messages": [{"role": "user", "content": MOLECULE}, answer], "molecules": ["CCO"], "proteins": []}
    about = {"task": "name", "source": "us", "license": "CC0-1.0"}
    rows = load_rows([write(tmp_path / "rows" / "train.jsonl", [{**row, **about, "id": "1"}])], "train")
    assert rows.features == schema.features()
    with pytest.raises(ValueError, match="column id is missing. `biomedgpt data table` makes a set of any table"):
        load_rows([write(tmp_path / "short" / "train.jsonl", [{**row, **about}])], "train")


def test_a_broken_line_is_told_in_one_line_with_the_folder(tmp_path):
    folder = write(tmp_path / "broken" / "train.jsonl", [PAIR])
    (tmp_path / "broken" / "train.jsonl").write_text('{"messages": [\n{"a"')
    with pytest.raises(ValueError, match="Cannot read .*broken: ") as error:
        load_pairs(folder)
    assert "\n" not in str(error.value)
