"""Embeddings of files: whole, in order, resumed, and in constant memory."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import tracemalloc
from collections import namedtuple

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file

from biomedgpt_hf import embed
from biomedgpt_hf.files.items import Columns
from biomedgpt_hf.inference.embedding import files
from biomedgpt_hf.inference.embedding import size as embedding_size
from biomedgpt_hf.inference.embedding.embedder import Embedder
from biomedgpt_hf.inference.embedding.files import embed_files
from biomedgpt_hf.inference.embedding.writing import Embedded, header_bytes
from biomedgpt_hf.inference.long_runs import journal
from biomedgpt_hf.inference.long_runs.journal import Journal

SMILES = ["CCO", "C(C", "c1ccccc1", "[Na+].[Cl-]", "CCO", "C/C=C\\C", "CC(=O)O"]
CPU = {"device": "cpu", "dtype": "float32", "progress": False}
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def molecules(tmp_path):
    path = tmp_path / "molecules.smi"
    path.write_text("".join(f"{smiles} name{place % 4}\n" for place, smiles in enumerate(SMILES)))
    return path


@pytest.fixture
def many(tmp_path):
    """Two hundred molecules, for several windows and batches."""
    path = tmp_path / "many.smi"
    path.write_text("".join(f"{'C' * (1 + number % 37)}O n{number}\n" for number in range(200)))
    return path


def rows_of(path):
    return pq.read_table(path).to_pylist()


@pytest.mark.parametrize("features", ["encoder", "projected"])
def test_parquet_has_every_row_in_order_with_its_embedding_or_the_reason_why_not(molecules, tmp_path, features):
    output = tmp_path / "out.parquet"
    manifest = embed_files(molecules, output, features=features, **CPU)
    rows = rows_of(output)
    assert [(row["row"], row["number"], row["item"]) for row in rows] == [(n, 1, s) for n, s in enumerate(SMILES, 1)]
    assert [row["id"] for row in rows] == [f"name{place % 4}" for place in range(len(SMILES))]
    assert [row["status"] for row in rows] == ["ok", "error", *["ok"] * 5]
    assert "extra open parentheses" in rows[1]["error"] and rows[1]["embedding"] is None
    good = [row for row in rows if row["status"] == "ok"]
    expected = embed([row["item"] for row in good], features=features, **CPU)
    np.testing.assert_allclose(np.array([row["embedding"] for row in good]), expected, atol=2e-3, rtol=2e-3)
    assert {"items": 7, "embedded": 6, "failed": 1, "errors": {"refused molecule": 1}}.items() <= manifest.items()
    assert manifest["failures"][0]["row"] == 2 and manifest["checkpoint"] == "mini"
    metadata = pq.read_schema(output).metadata
    assert metadata[b"level"] == b"pooled" and metadata[b"features"] == features.encode()
    left = {path.name for path in tmp_path.iterdir()} - {"molecules.smi", "out.parquet"}
    assert all(name.endswith(".manifest.json") for name in left)


def test_datasets_reads_the_parquet_file(molecules, tmp_path):
    datasets = pytest.importorskip("datasets")
    for level in ("pooled", "tokens"):
        output = tmp_path / f"{level}.parquet"
        embed_files(molecules, output, level=level, **CPU)
        cache = str(tmp_path / "cache")
        rows = datasets.load_dataset("parquet", data_files=str(output), split="train", cache_dir=cache)
        shape = (256,) if level == "pooled" else (3, 256)
        assert np.shape(rows[0]["embedding"]) == shape and rows[1]["embedding"] is None
        vector = rows.features["embedding"] if level == "pooled" else rows.features["embedding"].feature
        assert vector.feature.dtype == "float16"


def test_tokens_have_a_vector_for_every_atom_or_residue(molecules, tmp_path, caplog):
    output = tmp_path / "out.parquet"
    embed_files(molecules, output, level="tokens", **CPU)
    assert "vectors of 256 numbers take" in caplog.text and "free" in caplog.text
    good = [row for row in rows_of(output) if row["status"] == "ok"]
    for row, expected in zip(good, embed([row["item"] for row in good], level="tokens", **CPU), strict=True):
        np.testing.assert_allclose(np.array(row["embedding"]), expected, atol=2e-3, rtol=2e-3)


@pytest.mark.parametrize("level", ["pooled", "tokens"])
def test_safetensors_has_the_same_as_parquet_without_failed_items(molecules, tmp_path, level):
    embed_files(molecules, tmp_path / "p.parquet", level=level, **CPU)
    good = [row for row in rows_of(tmp_path / "p.parquet") if row["status"] == "ok"]
    output = tmp_path / "out.safetensors"
    embed_files(molecules, output, level=level, **CPU)
    tensors = load_file(output)
    assert tensors["rows"].tolist() == [row["row"] for row in good] == [1, 3, 4, 5, 6, 7]
    assert tensors["numbers"].tolist() == [1] * 6
    expected = np.array([row["embedding"] for row in good], object if level == "tokens" else np.float16)
    if level == "tokens":
        parts = np.split(tensors["embeddings"], tensors["offsets"][1:-1])
        for part, wanted in zip(parts, expected, strict=True):
            assert np.array_equal(part, np.array(wanted, np.float16))
        assert tensors["offsets"][-1] == len(tensors["embeddings"])
    else:
        assert np.array_equal(tensors["embeddings"], expected)
    assert tensors["embeddings"].dtype == np.float16 and tensors["rows"].dtype == np.int64
    with safe_open(output, "np") as file:
        metadata = file.metadata()
    assert json.loads(metadata["items"]) == [row["item"] for row in good]
    assert json.loads(metadata["ids"]) == [row["id"] for row in good]
    assert {"level": level, "features": "encoder", "modality": "molecule"}.items() <= metadata.items()


def test_a_row_may_have_several_items_and_rows_may_lack_them(tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = [
        {"molecules": ["C", "CC"], "proteins": ["MKT"], "name": "both"},
        {"molecules": [], "proteins": ["MK", "M" * 5_000], "name": "é"},
        {"molecules": ["CCC"], "proteins": [], "name": None},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    columns = Columns(("molecules",), ("proteins",), None, "name")
    with pytest.raises(ValueError, match="rows.jsonl:1 has a molecule and a protein. Choose one of them with"):
        embed_files(path, tmp_path / "out.parquet", columns=columns, **CPU)
    assert {file.name for file in tmp_path.iterdir()} == {"rows.jsonl"}
    embed_files(path, tmp_path / "m.parquet", columns=columns, modality="molecule", **CPU)
    found = [(row["row"], row["number"], row["item"], row["error"]) for row in rows_of(tmp_path / "m.parquet")]
    nothing = "The row has no molecule."
    assert found == [(1, 1, "C", None), (1, 2, "CC", None), (2, 1, None, nothing), (3, 1, "CCC", None)]
    for choice, statuses, truncated in (("report", "ok ok error", False), ("crop", "ok ok ok", True)):
        output = tmp_path / f"{choice}.parquet"
        embed_files(path, output, columns=columns, modality="protein", long_proteins=choice, **CPU)
        of_proteins = rows_of(output)
        assert " ".join(row["status"] for row in of_proteins) == f"{statuses} error"
        assert of_proteins[2]["truncated"] is truncated and of_proteins[1]["id"] == "é"
        assert (of_proteins[2]["embedding"] is None) is (choice == "report")
    shutil.copy(path, tmp_path / "other.jsonl")
    both = [path, tmp_path / "other.jsonl"]
    embed_files(both, tmp_path / "two.safetensors", columns=columns, modality="molecule", **CPU)
    assert load_file(tmp_path / "two.safetensors")["rows"].tolist() == [1, 1, 3, 4, 4, 6]
    assert load_file(tmp_path / "two.safetensors")["numbers"].tolist() == [1, 2, 1, 1, 2, 1]


def test_rows_are_counted_once_and_the_progress_ends_at_their_number(tmp_path, monkeypatch, capsys):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"molecules": ["C" * (1 + n), "O"]}) + "\n" for n in range(5)))
    count = embedding_size.count_items
    counted = []
    for module in (embedding_size, files):
        monkeypatch.setattr(module, "count_items", lambda *arguments: counted.append(arguments) or count(*arguments))
    for output in ("out.parquet", "out.safetensors"):
        embed_files(path, tmp_path / output, **{**CPU, "progress": True, "batch_tokens": 3})
        assert "5/5" in capsys.readouterr().err.split("rows:")[-1]
    assert len(counted) == 1


def test_where_nothing_can_be_read_the_first_reason_is_told(tmp_path):
    (tmp_path / "empty.fasta").write_text(">nothing\n\n>nor here\n")
    with pytest.raises(ValueError, match="no row has a molecule or a protein that can be read. empty.fasta:1: .+"):
        embed_files(tmp_path / "empty.fasta", tmp_path / "out.parquet", **CPU)


@pytest.mark.parametrize("suffix", [".parquet", ".safetensors"])
@pytest.mark.parametrize("level", ["pooled", "tokens"])
def test_where_nothing_can_be_embedded_the_file_says_so_and_the_run_fails(tmp_path, suffix, level):
    (tmp_path / "bad.smi").write_text("C(C\nC1CC\n")
    output = tmp_path / f"out{suffix}"
    with pytest.raises(ValueError, match="no molecule could be embedded.*extra open"):
        embed_files(tmp_path / "bad.smi", output, level=level, **CPU)
    if suffix == ".parquet":
        assert [row["status"] for row in rows_of(output)] == ["error", "error"]
    else:
        assert load_file(output)["embeddings"].shape == (0, 256)


def test_what_stands_in_the_way_is_told_before_anything_is_loaded(molecules, tmp_path, monkeypatch):
    monkeypatch.setattr("biomedgpt_hf.inference.embedding.in_memory.load", lambda *_: pytest.fail("was loaded"))
    with pytest.raises(ValueError, match="out.npz must end in .parquet or .safetensors"):
        embed_files(molecules, tmp_path / "out.npz")
    (tmp_path / "out.parquet").write_text("mine")
    with pytest.raises(FileExistsError, match="out.parquet already exists"):
        embed_files(molecules, tmp_path / "out.parquet")
    (tmp_path / "folder.parquet").mkdir()
    with pytest.raises(FileExistsError, match="folder.parquet is a folder"):
        embed_files(molecules, tmp_path / "folder.parquet")
    with pytest.raises(ValueError, match="modality is 'cell'"):
        embed_files(molecules, tmp_path / "new.parquet", modality="cell")
    with pytest.raises(OSError, match="no.smi"):
        embed_files(tmp_path / "no.smi", tmp_path / "new.parquet")
    assert (tmp_path / "out.parquet").read_text() == "mine"


@pytest.mark.parametrize(("level", "free"), [("pooled", 1_000), ("tokens", 10_000)])
def test_too_little_space_is_told_with_both_numbers_before_the_encoder_runs(
    molecules, tmp_path, monkeypatch, level, free
):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9 - free, free))
    monkeypatch.setattr(Embedder, "embed", lambda *_: pytest.fail("the encoder ran"))
    told = r"take .*kB. While they are made, [\d.]+ kB are needed, and .* has \d+ kB free. Make space"
    with pytest.raises(OSError, match=told):
        embed_files(molecules, tmp_path / "out.parquet", level=level, **CPU)
    assert not (tmp_path / "out.parquet").exists()


@pytest.mark.parametrize("suffix", [".parquet", ".safetensors"])
@pytest.mark.parametrize("level", ["pooled", "tokens"])
def test_the_estimate_is_enough_and_not_much_too_large(many, tmp_path, monkeypatch, suffix, level):
    output, most, estimates = tmp_path / f"out{suffix}", [0], []

    def needed(survey, width, compute=embedding_size.Survey.bytes_needed):
        estimates.append(compute(survey, width))
        return estimates[-1]

    def replace(source, target, move=os.replace):
        most[0] = max(most[0], sum(file.stat().st_size for file in tmp_path.glob(".out*/*")))
        return move(source, target)

    monkeypatch.setattr(embedding_size.Survey, "bytes_needed", needed)
    monkeypatch.setattr(os, "replace", replace)
    embed_files(many, output, level=level, **CPU)
    assert most[0] <= estimates[0] + 200_000  # SQLite's and the header's first pages
    assert estimates[0] <= 10 * most[0] if level == "pooled" else estimates[0] <= 2 * most[0]


def test_ids_too_long_for_a_header_are_refused_before_the_encoder_runs(molecules, tmp_path, monkeypatch):
    monkeypatch.setattr(embedding_size, "LARGEST_HEADER", 65_600)
    with pytest.raises(ValueError, match=r"would take \d+ bytes in the header .*\.parquet"):
        embed_files(molecules, tmp_path / "out.safetensors", **CPU)
    embed_files(molecules, tmp_path / "out.parquet", **CPU)


def test_the_header_takes_as_much_as_was_reckoned():
    for text in ("plain", 'quo"te', "back\\slash", "é\n", ""):
        assert header_bytes(text, "") == len(json.dumps(json.dumps(text))) + len(json.dumps(json.dumps("")))


def test_results_come_back_from_the_journal_as_they_were():
    for values in (b"\n\x00\n", b"", None):
        one = Embedded(3, 2, "é\n", "C", values, None if values is not None else "why", None, True)
        assert Embedded.from_result(one.to_result()) == one


def fail_after(monkeypatch, batches, error):
    """Let the encoder run for some batches only."""
    run, left = Embedder.embed, [batches]

    def embed_some(self, batch):
        left[0] -= 1
        if left[0] < 0:
            raise error
        return run(self, batch)

    monkeypatch.setattr(Embedder, "embed", embed_some)


@pytest.mark.parametrize("suffix", [".parquet", ".safetensors"])
@pytest.mark.parametrize("level", ["pooled", "tokens"])
def test_a_run_that_was_interrupted_goes_on_to_the_same_bytes(many, tmp_path, suffix, level):
    options = {"level": level, "batch_tokens": 150, **CPU}
    embed_files(many, tmp_path / f"whole{suffix}", **options)
    output = tmp_path / f"out{suffix}"
    for batches in (3, 0, 11):
        with pytest.MonkeyPatch.context() as patch:
            fail_after(patch, batches, RuntimeError("killed"))
            with pytest.raises(RuntimeError, match="killed"):
                embed_files(many, output, **options)
        assert not output.exists()
    assert output.with_name(f".{output.name}.running").exists()
    with pytest.raises(ValueError, match="unfinished run"):
        embed_files(many, output, features="projected", **options)
    counted = []
    with pytest.MonkeyPatch.context() as patch:
        run = Embedder.embed
        patch.setattr(Embedder, "embed", lambda self, batch: counted.append(len(batch)) or run(self, batch))
        embed_files(many, output, **options)
    assert 0 < sum(counted) < 200  # nothing was done twice
    assert output.read_bytes() == (tmp_path / f"whole{suffix}").read_bytes()
    assert not output.with_name(f".{output.name}.running").exists()


def test_a_full_disk_keeps_what_was_done(many, tmp_path, monkeypatch):
    embed_files(many, tmp_path / "whole.parquet", batch_tokens=150, **CPU)
    output = tmp_path / "out.parquet"
    add, left = Journal.add, [5]

    def add_until_full(self, results):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device", "rank-0.sqlite")
        add(self, results)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "add", add_until_full)
        with pytest.raises(OSError, match="No space left"):
            embed_files(many, output, batch_tokens=150, **CPU)
    with monkeypatch.context() as patch:  # and once more while the output is written
        patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device", "out")))
        with pytest.raises(OSError, match="No space left"):
            embed_files(many, output, batch_tokens=150, **CPU)
    assert not output.exists()
    with monkeypatch.context() as patch:
        patch.setattr(Embedder, "embed", lambda *_: pytest.fail("all was done"))
        embed_files(many, output, batch_tokens=150, **CPU)
    assert output.read_bytes() == (tmp_path / "whole.parquet").read_bytes()


def test_payloads_are_read_one_by_one(tmp_path):
    kept = Journal(tmp_path / "run", {})
    for row in range(50):
        kept.add([(row, 1, bytes(10**6))])
    assert journal.PAGE > 50
    tracemalloc.start()
    assert sum(1 for _ in kept.results()) == 50
    assert tracemalloc.get_traced_memory()[1] < 10 * 10**6
    tracemalloc.stop()
    kept.remove()


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".parquet", ".safetensors"])
def test_memory_does_not_grow_with_the_input(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(Embedder, "_embed", lambda self, contents: list(np.ones((len(contents), 256), np.float16)))
    peaks = []
    for rows in (2_000, 2_000, 20_000):  # the first one warms up
        path = tmp_path / f"{rows}.smi"
        path.write_text("".join(f"CCO n{number}\n" for number in range(rows)))
        tracemalloc.start()
        embed_files(path, tmp_path / f"{len(peaks)}{suffix}", **CPU)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < 2 * peaks[1] + (10**7 if suffix == ".safetensors" else 0)


COMMAND = [sys.executable, "-m", "biomedgpt_hf.cli", "embed"]
OPTIONS = ["--dtype", "float32", "--device", "cpu", "--batch-tokens", "150"]


@pytest.mark.fault
@pytest.mark.slow
def test_a_killed_process_goes_on_to_the_same_bytes(tmp_path):
    path, output, whole = (tmp_path / name for name in ("in.smi", "out.parquet", "whole.parquet"))
    path.write_text("".join(f"{'C' * (1 + number % 97)}O n{number}\n" for number in range(3_000)))
    subprocess.run([*COMMAND, path, "--output", whole, *OPTIONS], check=True)
    folder, kills = tmp_path / ".out.parquet.running", 0
    for seed in range(2):
        process = subprocess.Popen([*COMMAND, path, "--output", output, *OPTIONS])
        while process.poll() is None and not any(folder.glob("*.sqlite")):
            time.sleep(0.05)
        time.sleep(random.Random(seed).uniform(0.1, 0.8))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait()
    if not output.exists():
        subprocess.run([*COMMAND, path, "--output", output, *OPTIONS], check=True)
    assert kills and output.read_bytes() == whole.read_bytes()


@pytest.mark.fault
def test_results_of_a_process_that_was_killed_within_a_transaction_are_read(many, tmp_path):
    """As on fewer processes than before: nobody else rolls the half transaction back."""
    embed_files(many, tmp_path / "whole.parquet", **CPU)
    output = tmp_path / "out.parquet"
    with pytest.MonkeyPatch.context() as patch:
        fail_after(patch, 0, RuntimeError("killed"))
        with pytest.raises(RuntimeError):
            embed_files(many, output, **CPU)
    folder = tmp_path / ".out.parquet.running"
    code = (
        "import os, sys, json; from pathlib import Path; from biomedgpt_hf.inference.long_runs.journal import Journal\n"
        f"folder = Path({str(folder)!r})\n"
        "journal = Journal(folder, json.loads((folder / 'run.json').read_text()), rank=1)\n"
        "journal._base.execute('PRAGMA cache_size = 1'); journal._base.execute('BEGIN IMMEDIATE')\n"
        "rows = ((row, bytes(9000)) for row in range(99))\n"
        "journal._base.execute_many('INSERT INTO results VALUES (?, 1, ?)', rows)\n"
        "os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    assert (folder / "rank-1.sqlite-journal").stat().st_size
    embed_files(many, output, **CPU)
    assert output.read_bytes() == (tmp_path / "whole.parquet").read_bytes()


@pytest.mark.slow
def test_two_processes_write_what_one_does(many, tmp_path):
    embed_files(many, tmp_path / "one.parquet", **CPU)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [*COMMAND, many, "--output", tmp_path / "two.parquet", *OPTIONS]
    processes = []
    for rank in range(2):
        place = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
        environment = {**os.environ, **place, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        processes.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
    told = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert "200 of 200 molecules" in told[0] and not told[1]
    one, two = rows_of(tmp_path / "one.parquet"), rows_of(tmp_path / "two.parquet")
    assert [row["id"] for row in one] == [row["id"] for row in two]
    for row, other in zip(one, two, strict=True):
        np.testing.assert_allclose(row["embedding"], other["embedding"], atol=2e-3, rtol=2e-3)


def test_an_item_too_large_for_the_memory_costs_no_other(molecules, tmp_path, monkeypatch):
    run = Embedder._embed

    def small_memory(self, contents):
        if any(len(graph.atom_features) == 6 for graph in contents):
            raise torch.OutOfMemoryError
        return run(self, contents)

    monkeypatch.setattr(Embedder, "_embed", small_memory)
    manifest = embed_files(molecules, tmp_path / "out.parquet", **CPU)
    assert manifest["errors"] == {"refused molecule": 1, "too large for the memory": 1}
