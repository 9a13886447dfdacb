"""Sets put together, and rows that cannot be trained on found before training."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from transformers import AutoProcessor

import biomedgpt_hf  # noqa: F401  (registers the Auto classes)
from biomedgpt_hf.batches.collator import BioMedGPTDataCollator
from biomedgpt_hf.mini import mini_checkpoint
from biomedgpt_hf.rows import schema
from biomedgpt_hf.rows.limits import TooManyRejectedError
from biomedgpt_hf.training.screening import screening as rows_module
from biomedgpt_hf.training.screening.row_sets import describe_set
from biomedgpt_hf.training.screening.screening import load_rows, screen

sys.path.insert(0, str(Path(__file__).parents[2]))
from built_set import row, write_set  # noqa: E402

TOO_MANY_BONDS = "CN(C)(C)(C)C"


@pytest.fixture(scope="session", autouse=True)
def private_cache(tmp_path_factory):
    """What `datasets` makes of the folders goes away with the tests."""
    patch = pytest.MonkeyPatch()
    patch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
    yield
    patch.undo()


@pytest.fixture(scope="module")
def processor():
    return AutoProcessor.from_pretrained(mini_checkpoint())


@pytest.fixture
def collator(processor):
    return BioMedGPTDataCollator(processor)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Six rows; those at 1 and 4 are bad; and one for validation."""
    molecules = ["CCO", TOO_MANY_BONDS, "c1ccccc1", "CC", "not a molecule", "CCN"]
    train = [row(f"r{place}", molecules=[molecule]) for place, molecule in enumerate(molecules)]
    return write_set(tmp_path / "set", {"train": train, "validation": [row("v", proteins=["MKT"])]})


def count_built(monkeypatch) -> list[int]:
    built: list[int] = []
    build = rows_module._RowBuilder.__call__
    monkeypatch.setattr(
        rows_module._RowBuilder, "__call__", lambda self, chunk: built.extend(chunk) or build(self, chunk)
    )
    return built


# Loading.


def test_sets_are_put_one_after_the_other(folder, tmp_path):
    other = write_set(tmp_path / "other", {"train": [row("o1"), row("o2")]})
    rows = load_rows([str(folder), str(other)], "train")
    assert rows["id"][:] == ["r0", "r1", "r2", "r3", "r4", "r5", "o1", "o2"]
    assert set(rows.column_names) == set(schema.row_fields())


def test_a_split_that_only_some_sets_have_is_enough_where_it_is_not_required(folder, tmp_path):
    other = write_set(tmp_path / "other", {"train": [row("o1")], "test": [row("t")]})
    assert load_rows([str(folder), str(other)], "validation", required=False)["id"][:] == ["v"]
    assert load_rows([str(other)], "validation", required=False) is None
    with pytest.raises(ValueError, match=r"other has no split 'validation'; it has test, train\."):
        load_rows([str(folder), str(other)], "validation")


def test_columns_that_a_row_does_not_have_are_left_out(folder, tmp_path):
    other = write_set(tmp_path / "other", {"train": [row("o1")]})
    file = next(other.glob("data/*.parquet"))
    pq.write_table(pq.read_table(file).append_column("score", pa.array([1.0])), file)
    assert load_rows([str(folder), str(other)], "train")["id"][-1] == "o1"


def test_what_is_no_set_is_told_in_one_line(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    other = tmp_path / "other" / "data" / "train-00000-of-00001.parquet"
    other.parent.mkdir(parents=True)
    pq.write_table(pa.table({"text": ["a"]}), other)
    cases = {
        str(tmp_path / "empty"): "is no data set: it holds no data",
        str(tmp_path / "absent"): "There is no folder",
        str(other): "is a file: name the folder",
        str(tmp_path / "other"): "column messages, molecules, proteins, task, source, id, license is missing",
        "nobody/nothing": "Cannot load the set nobody/nothing",  # the tests are offline
    }
    for name, told in cases.items():
        with pytest.raises((OSError, ValueError), match=told) as caught:
            load_rows([name], "train")
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="No set was named"):
        load_rows([], "train")


def test_a_set_without_rows_is_named(folder, tmp_path):
    empty = write_set(tmp_path / "none", {"train": [row("a")]})
    file = next(empty.glob("data/train-*.parquet"))
    pq.write_table(pq.read_table(file).slice(0, 0), file)
    with pytest.raises(ValueError, match="none has no row in its split 'train': build it again, or leave it out"):
        load_rows([str(folder), str(empty)], "train")


@pytest.mark.parametrize("damage", ["cut", "emptied", "overwritten"])
def test_a_damaged_file_is_named(folder, tmp_path, damage, caplog):
    many = [row(f"r{place}") for place in range(9)]
    folder = write_set(tmp_path / "damaged", {"train": many}, rows_per_file=3)
    file = sorted(folder.glob("data/train-*.parquet"))[1]
    whole = file.read_bytes()
    file.write_bytes(
        {"cut": whole[: len(whole) // 2], "emptied": b"", "overwritten": whole[:60] + bytes(300) + whole[360:]}[damage]
    )
    with pytest.raises(ValueError, match=f"{file.name} is damaged: .* Copy or build the set again") as caught:
        load_rows([str(folder)], "train")
    assert "\n" not in str(caught.value) and "Failed to read" not in caplog.text


def test_a_set_is_described_by_its_manifest(folder):
    assert describe_set(str(folder)) == {"set": "set"}
    manifest = {"name": "A set", "created": "2026-01-01", "licenses": ["CC0-1.0"]}
    counts = {"rows_by_split": {"train": 6, "validation": 1}}
    (folder / "manifest.json").write_text(json.dumps(manifest | {"counts": counts}))
    described = describe_set(str(folder))
    assert len(described.pop("sha256")) == 64
    assert described == {
        "set": "set",
        "title": "A set",
        "created": "2026-01-01",
        "licenses": ["CC0-1.0"],
        "rows": {"train": 6, "validation": 1},
    }


# Screening.


def test_bad_rows_are_left_out_and_listed(folder, collator, tmp_path):
    rows = load_rows([str(folder)], "train")
    screening = screen(rows, collator, folder=tmp_path / "run")
    assert screening.kept.tolist() == [0, 2, 3, 5]
    assert [(rejection["index"], rejection["id"]) for rejection in screening.rejections] == [(1, "r1"), (4, "r4")]
    assert "valence" in screening.rejections[0]["reason"]
    listed = (tmp_path / "run" / "rejected_rows.jsonl").read_text("utf-8").splitlines()
    assert list(map(json.loads, listed)) == screening.rejections


def test_lengths_are_those_of_the_batches(folder, collator):
    rows = load_rows([str(folder)], "train")
    screening = screen(rows, collator)
    good = rows.select(screening.kept)
    assert screening.lengths[screening.kept].tolist() == collator(list(good))["attention_mask"].sum(1).tolist()
    assert len(set(screening.lengths.tolist())) > 2


def test_rows_that_are_too_long_are_rejected(folder, processor):
    rows = load_rows([str(folder)], "train")
    lengths = screen(rows, BioMedGPTDataCollator(processor)).lengths
    short = screen(rows, BioMedGPTDataCollator(processor, max_length=int(lengths.max()) - 1))
    assert (short.lengths == lengths * (lengths < lengths.max())).all()
    assert "max_length" in next(r for r in short.rejections if r["index"] == lengths.argmax())["reason"]


def test_molecules_and_proteins_are_rejected_where_a_language_model_trains_alone(tmp_path, collator):
    some = [row("text", molecules=[]), row("molecule", molecules=["CCO"]), row("protein", proteins=["MKT"])]
    rows = load_rows([str(write_set(tmp_path / "mixed", {"train": some}))], "train")
    assert len(screen(rows, collator, folder=tmp_path).kept) == 3
    screening = screen(rows, collator, folder=tmp_path, text_only=True)
    assert screening.kept.tolist() == [0]
    assert [rejection["id"] for rejection in screening.rejections] == ["molecule", "protein"]
    assert "a plain language model reads text only" in screening.rejections[0]["reason"]


def test_a_row_whose_text_cannot_be_decoded_is_rejected(folder, collator):
    """Bytes that are no UTF-8, which Parquet files may hold all the same."""
    file = next(folder.glob("data/train-*.parquet"))
    table = pq.read_table(file)
    ids = table["id"].combine_chunks()
    ids = ids.chunk(0) if isinstance(ids, pa.ChunkedArray) else ids
    _, offsets, text = ids.buffers()
    spoilt = pa.Array.from_buffers(pa.string(), 6, [None, offsets, pa.py_buffer(b"\xff\xfe" + text.to_pybytes()[2:])])
    pq.write_table(table.set_column(table.column_names.index("id"), table.schema.field("id"), spoilt), file)
    screening = screen(load_rows([str(folder)], "train"), collator)
    assert screening.rejections[0]["index"] == 0 and screening.rejections[0]["id"] is None
    assert "utf-8" in screening.rejections[0]["reason"]
    assert screening.kept.tolist() == [2, 3, 5]


@pytest.mark.parametrize("limit", ["1", "33%", "0"])
def test_more_bad_rows_than_allowed_are_an_error_that_lists_them_first(folder, collator, tmp_path, limit):
    rows = load_rows([str(folder)], "train")
    with pytest.raises(TooManyRejectedError) as caught:
        screen(rows, collator, max_rejected=limit, folder=tmp_path)
    told = str(caught.value)
    assert f"2 of 6 rows cannot be trained on, more than max_rejected='{limit}' allows" in told
    assert "row 1, id 'r1': " in told and "row 4, id 'r4': " in told and "\n" not in told
    assert str(tmp_path / "rejected_rows.jsonl") in told
    assert len((tmp_path / "rejected_rows.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize("limit", ["2", "34%", None])
def test_as_many_bad_rows_as_allowed_are_none(folder, collator, limit):
    assert len(screen(load_rows([str(folder)], "train"), collator, max_rejected=limit).kept) == 4


def test_a_run_without_a_good_row_is_an_error(folder, collator):
    rows = load_rows([str(folder)], "train").select([1, 4])
    with pytest.raises(TooManyRejectedError, match="2 of 2 rows cannot be trained on: row 0"):
        screen(rows, collator)
    with pytest.raises(TooManyRejectedError, match="There is no row"):
        screen(rows.select([]), collator)


def test_a_fault_of_ours_is_no_bad_row(folder):
    def broken(rows):
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        screen(load_rows([str(folder)], "train"), broken)


# Starting again.


def test_a_run_that_is_started_again_builds_no_row_twice(folder, processor, tmp_path, monkeypatch):
    built = count_built(monkeypatch)
    rows = load_rows([str(folder)], "train")
    first = screen(rows, BioMedGPTDataCollator(processor), folder=tmp_path / "run")
    assert built == list(range(6))
    copied = shutil.copytree(folder, tmp_path / "copied")  # the same rows in another place
    another = AutoProcessor.from_pretrained(mini_checkpoint())
    again = screen(load_rows([str(copied)], "train"), BioMedGPTDataCollator(another), folder=tmp_path / "run")
    assert len(built) == 6
    assert (again.lengths == first.lengths).all() and again.rejections == first.rejections
    with pytest.raises(TooManyRejectedError):
        screen(rows, BioMedGPTDataCollator(processor), folder=tmp_path / "run", max_rejected="0")
    assert len(built) == 6


def test_other_rows_settings_or_processors_are_screened_anew(folder, processor, tmp_path, monkeypatch):
    rows = load_rows([str(folder)], "train")
    screen(rows, BioMedGPTDataCollator(processor), folder=tmp_path)
    changed = AutoProcessor.from_pretrained(mini_checkpoint())
    changed.max_protein_length = 5
    template = AutoProcessor.from_pretrained(mini_checkpoint())
    template.chat_template += " "
    mended = rows.map(lambda row: {"molecules": ["CC"] if row["id"] == "r1" else row["molecules"]})
    built = count_built(monkeypatch)
    for other_rows, other_collator in (
        (rows, BioMedGPTDataCollator(processor, max_length=500)),
        (rows, BioMedGPTDataCollator(processor, processor_kwargs={"truncation": True})),
        (rows, BioMedGPTDataCollator(changed)),
        (rows, BioMedGPTDataCollator(template)),
        (mended, BioMedGPTDataCollator(processor)),
        (rows.select(range(5, -1, -1)), BioMedGPTDataCollator(processor)),
    ):
        built.clear()
        screen(other_rows, other_collator, folder=tmp_path)
        assert len(built) == 6


@pytest.mark.parametrize("spoilt", ["", "{}", "null", '{"key": "x"}'])
def test_a_spoilt_record_of_an_earlier_start_is_not_believed(folder, collator, tmp_path, spoilt):
    rows = load_rows([str(folder)], "train")
    expected = screen(rows, collator, folder=tmp_path)
    (tmp_path / ".rejected_rows.json").write_text(spoilt)
    assert (screen(rows, collator, folder=tmp_path).lengths == expected.lengths).all()


def test_a_list_of_an_earlier_start_goes_when_nothing_is_bad_any_more(folder, collator, tmp_path):
    rows = load_rows([str(folder)], "train")
    screen(rows, collator, folder=tmp_path)
    screen(rows.select([0, 2]), collator, folder=tmp_path)
    assert not (tmp_path / "rejected_rows.jsonl").exists()


# Many workers.


def test_worker_processes_find_the_same(tmp_path, collator, monkeypatch):
    monkeypatch.setattr(rows_module, "ROWS_AT_ONCE", 3)
    many = [row(f"r{place}", molecules=["C" * (1 + place % 5) if place % 7 else TOO_MANY_BONDS]) for place in range(40)]
    rows = load_rows([str(write_set(tmp_path / "many", {"train": many}))], "train")
    alone, two = screen(rows, collator), screen(rows, collator, processes=2)
    assert len(alone.rejections) == 6
    assert (alone.lengths == two.lengths).all() and alone.rejections == two.rejections


PROCESS = """
import sys
from datetime import timedelta
from torch import distributed
from transformers import AutoProcessor
import biomedgpt_hf
from biomedgpt_hf.batches.collator import BioMedGPTDataCollator
from biomedgpt_hf.mini import mini_checkpoint
from biomedgpt_hf.training.screening import screening as module

rank, port, folder, run = int(sys.argv[1]), *sys.argv[2:]
distributed.init_process_group(
    "gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2, timeout=timedelta(seconds=60)
)
module.ROWS_AT_ONCE, built, build = 2, [], module._RowBuilder.__call__
module._RowBuilder.__call__ = lambda self, chunk: built.extend(chunk) or build(self, chunk)
rows = module.load_rows([folder], "train")
collator = BioMedGPTDataCollator(AutoProcessor.from_pretrained(mini_checkpoint()))
screening = module.screen(rows, collator, folder=run, rank=rank, world_size=2)
print(built, screening.kept.tolist(), [rejection["id"] for rejection in screening.rejections])
built.clear()
try:
    module.screen(rows, collator, folder=run, max_rejected="0", rank=rank, world_size=2)
except ValueError as error:
    print(built, "2 of 6 rows" in str(error))
distributed.barrier()
distributed.destroy_process_group()
"""


def test_processes_of_a_run_share_the_work_and_agree(folder, tmp_path):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = str(listener.getsockname()[1])
    environment = {**os.environ, "HF_DATASETS_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-c", PROCESS]
    processes = [
        subprocess.Popen(
            [*command, str(rank), port, str(folder), str(tmp_path / "run")], stdout=-1, env=environment, text=True
        )
        for rank in range(2)
    ]
    try:
        told = [process.communicate(timeout=120)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    same = "[0, 2, 3, 5] ['r1', 'r4']\n[] True\n"
    assert told == [f"[0, 1, 4, 5] {same}", f"[2, 3] {same}"]
    assert (tmp_path / "run" / "rejected_rows.jsonl").exists()
