"""From records to a set: order, duplicates, splits, rejections, and going on after an interruption."""

import json
import random
import sqlite3
import sys
from collections import Counter
from pathlib import Path

import pytest
from datasets import load_dataset

from biomedgpt_hf.building import parsing, pipeline
from biomedgpt_hf.building.examples import Example
from biomedgpt_hf.building.pipeline import About, BuildSettings, build_set, read_each
from biomedgpt_hf.building.splits import split_of_hash
from biomedgpt_hf.files.records import Record, RejectedRecord, UnwantedRecord
from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.rows.limits import TooManyRejectedError
from biomedgpt_hf.rows.schema import SPLITS, question_row

ABOUT = About("Numbers", "For tests.", "Nobody (2026).")
QUIET = BuildSettings(progress=False)


def parse(record):
    """A record's content is {"protein": …} and more; "bad" and "unwanted" ones give nothing."""
    content = record.content
    if content.get("bad"):
        raise RejectedRecord(content["bad"], f"detail of {record.id}")
    if content.get("unwanted"):
        raise UnwantedRecord("unwanted")
    protein = content["protein"]
    rows = [
        question_row(
            "What?",
            content.get("answer", f"Answer {record.id}."),
            proteins=[protein],
            task="naming",
            source="test",
            id=f"{record.id}:{number}",
            license="CC0-1.0",
        )
        for number in range(content.get("rows", 1))
    ]
    return Example(rows, (protein,), content.get("split"), (record.id,), tuple(content.get("notes", ())))


def protein_of(number):
    letters = "ACDEFGHIKLMNPQRSTVWY"
    return "M" + letters[number % 20] + letters[number // 20 % 20] + letters[number // 400 % 20]


def records_of(contents):
    return [
        Record("raw.txt", line, f"r{line}", {"protein": protein_of(line), **content})
        for line, content in enumerate(contents, start=1)
    ]


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "raw.txt"
    path.write_text("raw")
    return path


@pytest.fixture
def build(tmp_path, source, monkeypatch):
    monkeypatch.setattr(parsing, "CHUNK", 10)

    def run(records, settings=QUIET, name="set", **more):
        read = records if callable(records) else lambda scratch: iter(records)
        output = tmp_path / name
        return build_set(
            output, about=ABOUT, sources=[source], read=read, parse=parse, settings=settings, **more
        )  # fmt: skip

    return run


def read_rows(folder):
    loaded = load_dataset(str(folder), cache_dir=folder.parent / "cache")
    return {split: list(rows) for split, rows in loaded.items()}


def ids(folder):
    return {split: [row["id"] for row in rows] for split, rows in read_rows(folder).items()}


def rejected(folder):
    return [json.loads(line) for line in (folder / "rejected.jsonl").read_text("utf-8").splitlines()]


def test_every_record_is_a_row_or_a_listed_rejection(build, tmp_path):
    contents = [{"bad": "broken"} if number % 7 == 0 else {} for number in range(95)]
    counts = build(records_of(contents))["counts"]
    assert counts["records_read"] == 95
    assert counts["rejected"] == {"broken": 14}
    assert counts["rows"] + counts["records_rejected"] == 95
    assert [entry["line"] for entry in rejected(tmp_path / "set")] == list(range(1, 96, 7))
    assert rejected(tmp_path / "set")[1] == {
        "source": "raw.txt", "line": 8, "id": "r8", "reason": "broken", "detail": "detail of r8", "faulty": True,
    }  # fmt: skip


def test_rows_keep_the_order_of_the_sources_and_all_rows_of_a_record_are_on_one_side(build, tmp_path):
    build(records_of([{"rows": 3}] * 200))
    for split, found in ids(tmp_path / "set").items():
        records = [int(name[1:].split(":")[0]) for name in found]
        assert records == sorted(records)
        assert all(records.count(record) == 3 for record in records)
        assert all(split_of_hash(0, protein_of(record)) == split for record in records)


def test_records_with_one_key_are_on_one_side_whatever_the_seed(build, tmp_path):
    contents = [{"protein": protein_of(number % 30)} for number in range(300)]
    sides = []
    for seed in range(3):
        build(records_of(contents), BuildSettings(seed=seed, progress=False), name=f"set{seed}")
        rows = read_rows(tmp_path / f"set{seed}")
        proteins = [{row["proteins"][0] for row in rows[split]} for split in rows]
        assert sum(map(len, proteins)) == 30
        sides.append({split: frozenset(row["id"] for row in rows[split]) for split in rows})
    assert sides[0] != sides[1] != sides[2]


def test_a_record_met_again_is_left_out_even_in_another_chunk(build, tmp_path):
    records = records_of([{}] * 25)
    records += [Record("second.txt", 1, "r3", {"protein": "MW"}), Record("second.txt", 2, "r3", {"protein": "MX"})]
    counts = build(records)["counts"]
    assert counts["rows"] == 25 and counts["rejected"] == {"duplicate": 2} and counts["records_faulty"] == 0
    assert [(entry["source"], entry["detail"]) for entry in rejected(tmp_path / "set")] == [("second.txt", "r3")] * 2


def test_official_splits_are_kept_and_others_go_to_train_unless_their_items_are_held_out(build, tmp_path):
    records = records_of([{}] * 12)  # these come first, before anything official is known
    records += [
        Record("test.txt", 1, "t1", {"protein": protein_of(3), "split": "test"}),
        Record("valid.txt", 1, "v1", {"protein": protein_of(5), "split": "validation"}),
        Record("train.txt", 1, "o1", {"protein": protein_of(3), "split": "train"}),
    ]
    build(records)
    found = ids(tmp_path / "set")
    assert found["test"] == ["t1:0"] and found["validation"] == ["v1:0"]
    assert found["train"] == [f"r{number}:0" for number in range(1, 13) if number not in (3, 5)] + ["o1:0"]
    assert [(entry["id"], entry["reason"]) for entry in rejected(tmp_path / "set")] == [
        ("r3", "in a validation or test file"),
        ("r5", "in a validation or test file"),
    ]


def test_items_of_excluded_files_are_left_out(build, tmp_path):
    exclude = tmp_path / "out.fasta"
    exclude.write_text(f">one\n{protein_of(2)}\n>two\n{protein_of(4).lower()}\n")
    manifest = build(records_of([{}] * 5), BuildSettings(exclude=[exclude], progress=False))
    assert manifest["counts"]["rejected"] == {"in an excluded file": 2}
    assert [source["role"] for source in manifest["sources"]] == ["rows", "exclusion"]
    assert {name for found in ids(tmp_path / "set").values() for name in found} == {"r1:0", "r3:0", "r5:0"}


def test_a_cluster_is_on_one_side(build, tmp_path):
    table = tmp_path / "clusters.tsv"
    table.write_text("".join(f"r{1 + number // 10 * 10}\tr{number + 1}\n" for number in range(200)))
    manifest = build(records_of([{}] * 200), BuildSettings(clusters=table, progress=False))
    assert manifest["options"]["split_by"] == "cluster"
    for found in ids(tmp_path / "set").values():
        assert {(int(name[1:-2]) - 1) // 10 for name in found} and len(found) % 10 == 0


def test_records_that_the_table_of_clusters_lacks_are_counted_and_a_foreign_table_is_refused(build, tmp_path):
    table = tmp_path / "clusters.tsv"
    table.write_text("r1\tr1\nr1\tr2\n")
    settings = BuildSettings(clusters=table, progress=False)
    notes = build(records_of([{}] * 5), settings)["counts"]["notes"]
    assert notes == {"not in the table of clusters, so split by itself": 3}
    table.write_text("X\tX\nX\tY\n")
    with pytest.raises(ValueError, match="None of the records is in the table of clusters"):
        build(records_of([{}] * 5), settings, name="other")


def test_a_protein_that_the_table_lacks_is_with_its_cluster_if_another_record_of_it_is_there(build, tmp_path):
    table = tmp_path / "clusters.tsv"
    table.write_text("".join(f"r1\tr{number}\n" for number in range(1, 41)))
    records = records_of([{}] * 40)
    records += [Record("b.txt", number, f"other{number}", {"protein": protein_of(number)}) for number in range(1, 41)]
    manifest = build(records, BuildSettings(clusters=table, progress=False))
    assert list(manifest["counts"]["rows_by_split"].values()) == [80] and not manifest["counts"]["notes"]


def like(number, others=10):
    """Return a protein that shares most of its 5-mers with those of the same ten numbers."""
    family = "".join(random.Random(number // others).choices("ACDEFGHIKLMNPQRSTVWY", k=80))
    return family + "ACDEFGHIKL"[number % others] * 5


def test_proteins_that_share_kmers_are_on_one_side_without_a_table(build, tmp_path):
    settings = BuildSettings(by_similarity=True, progress=False)
    manifest = build(records_of([{"protein": like(number)} for number in range(200)]), settings)
    assert manifest["options"]["split_by"] == "cluster" and "5-mers" in manifest["options"]["clusters"]
    found = ids(tmp_path / "set")
    assert len(found) == 3 and sum(map(len, found.values())) == 200
    for names in found.values():
        families = Counter((int(name[1:-2]) - 1) // 10 for name in names)
        assert set(families.values()) == {10}


def test_the_split_does_not_hang_on_the_order_of_the_records(build, tmp_path):
    settings = BuildSettings(by_similarity=True, progress=False)
    records = records_of([{"protein": like(number)} for number in range(100)])
    build(records, settings)
    build(records[::-1], settings, name="other")
    sides = [{split: set(names) for split, names in ids(tmp_path / name).items()} for name in ("set", "other")]
    assert sides[0] == sides[1]


def test_of_a_large_cluster_the_first_proteins_are_kept_with_all_their_records(build, tmp_path):
    settings = BuildSettings(by_similarity=True, max_per_cluster=3, progress=False)
    records = records_of([{"protein": like(number)} for number in [0, 1, 0, 2, 3, 4, 1, 10, 11]])
    manifest = build(records, settings)
    assert manifest["options"]["max_per_cluster"] == 3
    assert [(entry["id"], entry["reason"], entry["faulty"]) for entry in rejected(tmp_path / "set")] == [
        ("r5", "cluster is full", False),
        ("r6", "cluster is full", False),
    ]


def test_what_is_like_an_official_test_item_does_not_train(build, tmp_path):
    settings = BuildSettings(by_similarity=True, max_per_cluster=1, progress=False)
    records = records_of([{"protein": like(number)} for number in (0, 10, 20)])
    records += [Record("test.txt", 1, f"t{number}", {"protein": like(number), "split": "test"}) for number in (11, 12)]
    build(records, settings)
    assert ids(tmp_path / "set") == {"train": ["r1:0", "r3:0"], "test": ["t11:0", "t12:0"]}
    assert [entry["reason"] for entry in rejected(tmp_path / "set")] == ["like an item of a validation or test file"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_per_cluster": 3}, "there are no clusters: split by cluster"),
        ({"max_per_cluster": 0, "by_similarity": True}, "must be at least 1"),
        ({"clusters": Path("clusters.tsv"), "by_similarity": True}, "not from both"),
    ],
)
def test_settings_of_clusters_that_contradict_each_other_are_refused(build, tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        build(records_of([{}]), BuildSettings(progress=False, **settings))
    assert not (tmp_path / "set").exists()


def test_bytes_that_are_not_utf8_reject_the_record_alone(build, tmp_path):
    records = records_of([{}, {"answer": "caf\udce9"}, {}])
    assert build(records)["counts"]["rejected"] == {"not UTF-8 text": 1}
    assert "0xE9" in rejected(tmp_path / "set")[0]["detail"]


def test_a_row_that_breaks_the_schema_rejects_its_record_alone(build):
    assert build(records_of([{}, {"answer": " "}, {}]))["counts"]["rejected"] == {"invalid row": 1}


def test_what_was_changed_is_counted_in_the_manifest_and_told_in_the_card(build, tmp_path):
    manifest = build(records_of([{"notes": ["cropped"]}, {}, {"notes": ["cropped", "other"]}]))
    assert manifest["counts"]["notes"] == {"cropped": 2, "other": 1}
    assert "kept, but cropped | 2" in (tmp_path / "set" / "README.md").read_text()


def test_a_file_that_breaks_costs_only_what_is_behind(tmp_path):
    def read(path):
        yield Record(path.name, 1, "a")
        if path.name == "cut.gz":
            raise SourceError(path, 7, "truncated or corrupt gzip", "it ends here.")
        yield Record(path.name, 2, "b")

    found = list(read_each(read, [tmp_path / "cut.gz", tmp_path / "whole.txt"]))
    assert [(record.file, record.line, record.problem and record.problem.reason) for record in found] == [
        ("cut.gz", 1, None),
        ("cut.gz", 7, "truncated or corrupt gzip"),
        ("whole.txt", 1, None),
        ("whole.txt", 2, None),
    ]


@pytest.mark.parametrize(
    ("limit", "enough"), [("3", True), ("2", False), ("10%", True), ("9.9%", False), ("0", False), ("100%", True)]
)
def test_more_faulty_records_than_allowed_are_an_error(build, tmp_path, limit, enough):
    contents = [{"bad": "broken"}] * 3 + [{"unwanted": True}] * 5 + [{}] * 22
    settings = BuildSettings(max_rejected=limit, progress=False)
    if enough:
        assert build(records_of(contents), settings)["counts"]["rejected"] == {"unwanted": 5, "broken": 3}
        return
    with pytest.raises(TooManyRejectedError, match="3 broken") as caught:
        build(records_of(contents), settings)
    assert not (tmp_path / "set").exists()
    listed = tmp_path / ".set.building" / "rejected.jsonl"
    assert str(listed) in str(caught.value)
    assert sum(json.loads(line)["faulty"] for line in listed.read_text().splitlines()) == 3
    reads = []
    build(lambda scratch: (reads.append(0) or record for record in records_of(contents)), QUIET)
    assert (tmp_path / "set").is_dir() and not (tmp_path / ".set.building").exists()


@pytest.mark.parametrize("limit", ["many", "-1", "1.5", "200%", "%"])
def test_a_limit_that_says_nothing_is_refused(build, limit):
    with pytest.raises(ValueError, match="20, or a share such as 1%"):
        build([], BuildSettings(max_rejected=limit))


def test_no_row_at_all_is_an_error_with_the_first_reason_and_leaves_nothing(build, tmp_path):
    with pytest.raises(ValueError, match="broken: detail of r1"):
        build(records_of([{"bad": "broken"}]))
    with pytest.raises(ValueError, match="hold no record"):
        build([])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["raw.txt"]


def test_an_output_that_holds_something_is_not_touched(build, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "mine").write_text("mine")
    with pytest.raises(FileExistsError, match="another --output"):
        build(records_of([{}]))
    assert [path.name for path in (tmp_path / "set").iterdir()] == ["mine"]


class Stop(Exception):
    """Stands for whatever ends a build."""


@pytest.mark.parametrize("error", [Stop, KeyboardInterrupt, OSError])
@pytest.mark.parametrize("after", [0, 1, 10, 35, 60])
def test_an_interrupted_build_goes_on_and_gives_the_same_set(build, tmp_path, monkeypatch, error, after):
    contents = [{"bad": "broken"} if number % 9 == 0 else {"rows": 1 + number % 3} for number in range(60)]
    whole = build(records_of(contents), name="whole")
    parsed = []

    def interrupted(scratch):
        for number, record in enumerate(records_of(contents)):
            if number == after:
                raise error("interrupted")
            yield record
        raise error("interrupted")

    with pytest.raises(error):
        build(interrupted)
    assert not (tmp_path / "set").exists()
    original = parsing._parse_record
    monkeypatch.setattr(parsing, "_parse_record", lambda record, parse: parsed.append(1) or original(record, parse))
    resumed = build(records_of(contents))
    assert len(parsed) == 60 - after // 10 * 10
    assert resumed["counts"] == whole["counts"]
    assert ids(tmp_path / "set") == ids(tmp_path / "whole")
    assert rejected(tmp_path / "set") == rejected(tmp_path / "whole")
    assert not (tmp_path / ".set.building").exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_what_a_reader_has_put_into_its_scratch_folder_is_there_again_after_an_interruption(build, tmp_path, error):
    def interrupted(scratch):
        (scratch / "joined").write_text("work of hours")
        raise error("interrupted")
        yield

    def again(scratch):
        assert (scratch / "joined").read_text() == "work of hours"
        yield from records_of([{}] * 3)

    with pytest.raises(error):
        build(interrupted)
    assert build(again)["counts"]["rows"] == 3
    assert not (tmp_path / ".set.building").exists()


@pytest.mark.parametrize("step", ["leakage_report", "dataset_card"])
def test_a_build_that_fails_while_writing_goes_on_without_parsing_again(build, tmp_path, monkeypatch, step):
    from biomedgpt_hf.building import writer

    def fail(*arguments, **options):
        raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(writer, step, fail)
        with pytest.raises(Stop):
            build(records_of([{}] * 60))
    assert not (tmp_path / "set").exists()
    monkeypatch.setattr(parsing, "_parse_record", fail)
    assert build(records_of([{}] * 60))["counts"]["rows"] == 60


def test_a_build_killed_between_the_rename_and_the_tidying_is_found_whole(build, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(pipeline.shutil, "rmtree", lambda *arguments, **options: None)
        whole = build(records_of([{}] * 20))
    assert (tmp_path / ".set.building").exists()
    monkeypatch.setattr(parsing, "_parse_record", None)
    assert build(records_of([{}] * 20)) == whole
    assert not (tmp_path / ".set.building").exists()
    with pytest.raises(FileExistsError):
        build(records_of([{}] * 20))


def test_work_on_something_else_is_not_taken_up(build, source, caplog):
    def interrupted(scratch):
        yield from records_of([{}] * 30)
        raise Stop

    with pytest.raises(Stop):
        build(interrupted)
    source.write_text("changed")
    assert build(records_of([{}] * 5))["counts"]["rows"] == 5
    assert "was removed" in caplog.text


def test_two_builds_of_one_output_do_not_mix(build, tmp_path):
    def read(scratch):
        yield from records_of([{}] * 20)
        with pytest.raises(BlockingIOError, match="another build"):
            build(records_of([{}]))

    assert build(read)["counts"]["rows"] == 20


def test_a_full_disk_is_told_and_the_build_goes_on_later(build, tmp_path, monkeypatch):
    from biomedgpt_hf.building import staging

    def full(table):
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(staging, "_to_bytes", full)
        with pytest.raises(OSError, match="disk is full.*same command goes on"):
            build(records_of([{}] * 20))
    assert build(records_of([{}] * 20))["counts"]["rows"] == 20


def test_memory_is_bounded_because_records_are_drawn_as_they_are_needed(build, monkeypatch):
    """No more records are ever drawn from the source than are in flight."""
    drawn, committed, ahead = [], [], []
    original = pipeline.Staging.add

    def add(self, chunk, excluded):
        original(self, chunk, excluded)
        committed.extend(chunk.records)

    def read(scratch):
        for record in records_of([{}] * 300):
            drawn.append(record)
            ahead.append(len(drawn) - len(committed))
            yield record

    monkeypatch.setattr(pipeline.Staging, "add", add)
    build(read)
    assert len(committed) == 300 and max(ahead) <= 10


def test_the_set_knows_its_sources_options_and_splits(build, source):
    manifest = build(records_of([{}] * 40), options={"kind": "x"})
    assert manifest["options"] == {"kind": "x", "seed": 0}
    assert manifest["sources"][0]["file"] == source.name and len(manifest["sources"][0]["sha256"]) == 64
    assert list(manifest["counts"]["rows_by_split"]) == list(SPLITS)


def test_nothing_is_written_where_a_package_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ImportError, match=r'pip install "\.\[data\]" -c constraints'):
        build_set(
            output=tmp_path / "set", about=ABOUT, sources=[], read=lambda _: iter(()), parse=parse, settings=QUIET
        )
    assert not list(tmp_path.iterdir())
