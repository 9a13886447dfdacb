"""The folder a build leaves behind, or does not."""

import json

import pytest
from datasets import Dataset, load_dataset

from biomedgpt_hf.building import writer as writer_module
from biomedgpt_hf.building.card import dataset_card
from biomedgpt_hf.building.examples import Rejection
from biomedgpt_hf.building.writer import DatasetWriter
from biomedgpt_hf.rows.schema import InvalidRowError, question_row


def make_row(number, task="molecule_caption"):
    return question_row(
        "What?",
        f"Answer {number}: α.",
        molecules=["C" * number],
        task=task,
        source="test",
        id=str(number),
        license="CC0-1.0",
    )


def open_writer(output):
    source = {"file": "raw.txt", "sha256": "0" * 64, "role": "rows"}
    return DatasetWriter(output, name="A set: small", description="For tests.", sources=[source], options={"seed": 3})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(writer_module, "ROWS_PER_GROUP", 4)
    monkeypatch.setattr(writer_module, "ROWS_PER_SHARD", 8)
    with open_writer(tmp_path / "set") as writer:
        for number in range(1, 22):
            writer.count_read()
            writer.write("train", make_row(number))
        writer.write("validation", make_row(22, task="other"))
        writer.count_read()
        writer.reject(Rejection("raw.txt", 7, "x", "unreadable molecule", "why"))
    return tmp_path / "set"


def test_load_dataset_on_the_folder_gives_the_rows_and_splits(folder, tmp_path):
    loaded = load_dataset(str(folder), cache_dir=tmp_path / "cache")
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": 21, "validation": 1}
    assert [row["id"] for row in loaded["train"]] == [str(number) for number in range(1, 22)]
    row = loaded["train"][4]
    assert row["molecules"] == ["CCCCC"] and row["proteins"] == []
    assert row["messages"][1]["content"][0]["text"] == "Answer 5: α."


def test_the_card_says_where_the_items_of_every_modality_are(folder, cell):
    manifest, leakage = (json.loads((folder / f"{name}.json").read_text()) for name in ("manifest", "leakage"))
    words = "a bare molecule or protein or cell block takes the next item of `molecules` or `proteins` or `cells`"
    assert words in dataset_card(manifest, leakage)
    assert words.replace(" or cell", "").replace(" or `cells`", "") in (folder / "README.md").read_text()


def test_a_set_built_again_under_the_same_name_is_not_taken_from_the_cache(tmp_path):
    def built(place, number):
        with open_writer(tmp_path / place / "set") as writer:
            writer.write("train", make_row(number))
        return load_dataset(str(tmp_path / place / "set"), cache_dir=tmp_path / "cache")["train"]["id"]

    assert built("first", 1) == ["1"]
    assert built("second", 2) == ["2"]


def test_many_rows_become_several_shards(folder):
    names = sorted(path.name for path in (folder / "data").iterdir())
    assert names == [
        *(f"train-{index:05d}-of-00003.parquet" for index in range(3)),
        "validation-00000-of-00001.parquet",
    ]
    assert [len(Dataset.from_parquet(str(folder / "data" / name))) for name in names] == [8, 8, 5, 1]


def test_licences_the_hub_does_not_know_are_other_in_the_card_and_spelt_out_below(tmp_path):
    with open_writer(tmp_path / "set") as writer:
        for number, license in enumerate(["CC-BY-4.0", "https://example.org/terms", "unknown"], start=1):
            writer.write("train", {**make_row(number), "license": license})
    card = (tmp_path / "set" / "README.md").read_text("utf-8")
    assert "license:\n- cc-by-4.0\n- other\n---" in card
    assert "CC-BY-4.0, https://example.org/terms, unknown" in card


def test_the_manifest_counts_what_came_in_and_went_out(folder):
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    assert manifest["counts"] == {
        "records_read": 22,
        "records_rejected": 1,
        "records_faulty": 1,
        "rejected": {"unreadable molecule": 1},
        "notes": {},
        "rows": 22,
        "rows_by_split": {"train": 21, "validation": 1},
        "rows_by_task": {"train": {"molecule_caption": 21}, "validation": {"other": 1}},
    }
    assert manifest["options"] == {"seed": 3} and manifest["sources"][0]["sha256"] == "0" * 64
    assert {"python", "datasets", "pyarrow"} <= set(manifest["tools"])
    rejected = [json.loads(line) for line in (folder / "rejected.jsonl").read_text("utf-8").splitlines()]
    reason = {"reason": "unreadable molecule", "detail": "why", "faulty": True}
    assert rejected == [{"source": "raw.txt", "line": 7, "id": "x", **reason}]


def test_the_card_tells_sources_licences_and_rejections(folder):
    card = (folder / "README.md").read_text("utf-8")
    for fact in ("- cc0-1.0", "raw.txt", "0" * 64, "unreadable molecule", "1 of 22", "molecule_caption | 21"):
        assert fact in card


@pytest.mark.parametrize("problem", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_build_leaves_nothing_behind(tmp_path, problem):
    with pytest.raises(problem), open_writer(tmp_path / "set") as writer:
        writer.write("train", make_row(1))
        raise problem
    assert list(tmp_path.iterdir()) == []


def test_a_build_without_rows_is_an_error_that_says_why(tmp_path):
    with pytest.raises(ValueError, match="No row could be made.*no caption"), open_writer(tmp_path / "set") as writer:
        writer.reject(Rejection("raw.txt", 1, "", "no caption"))
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_row_or_split_stops_the_build(tmp_path):
    with pytest.raises(InvalidRowError, match="'molecules'"), open_writer(tmp_path / "set") as writer:
        writer.write("train", {**make_row(1), "molecules": []})
    with pytest.raises(ValueError, match="Unknown split 'dev'"), open_writer(tmp_path / "set") as writer:
        writer.write("dev", make_row(1))


def test_an_existing_set_is_never_overwritten_but_an_empty_folder_is_used(folder, tmp_path):
    with pytest.raises(FileExistsError, match="already exists"):
        open_writer(folder)
    (tmp_path / "empty").mkdir()
    with open_writer(tmp_path / "empty") as writer:
        writer.write("test", make_row(1))
    assert (tmp_path / "empty" / "manifest.json").is_file()
