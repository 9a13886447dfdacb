"""Nearest known items with embeddings, from `biomedgpt embed`'s own files to what is found."""

import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from biomedgpt_hf.inference.embedding.files import embed_files
from biomedgpt_hf.inference.embedding.in_memory import embed
from biomedgpt_hf.inference.neighbours import NeighbourFinder
from biomedgpt_hf.mini import mini_checkpoint
from biomedgpt_hf.neighbours import NeighbourIndex, build_index
from biomedgpt_hf.rows import schema

KNOWN = ["MKTAYIAKQRQISFVKSHFSRQ", "GSHMLEDPVAGRW", "ACDEFGHIKLMNPQRSTVWY", "MMMMKKKKRRRRVVVV"]
WANTED = "MKTAYIAKQRQISFVKSHFSRA"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A set of a molecule and some proteins, and their sequences as a file."""
    path = tmp_path_factory.mktemp("known")
    asked = {"task": "t", "source": "s", "license": "CC0-1.0"}
    rows = [schema.question_row("What is it?", "Ethanol.", molecules=["CCO"], id="m", **asked)]
    rows += [schema.question_row("What does it do?", f"{one[:4]}.", proteins=[one], id=one, **asked) for one in KNOWN]
    (path / "set" / "data").mkdir(parents=True)
    table = pa.Table.from_pylist(rows, schema=schema.features().arrow_schema)
    pq.write_table(table, path / "set" / "data" / "train-00000-of-00001.parquet")
    (path / "known.fasta").write_text("".join(f">{one[:4]}\n{one}\n" for one in KNOWN))
    return path


def index_of(folder, output, suffix, **settings):
    file = output / f"embeddings{suffix}"
    embed_files(folder / "known.fasta", file, device="cpu", **settings)
    build_index([folder / "set"], output / "index", protein_embeddings=file)
    return NeighbourIndex.open(output / "index")


@pytest.mark.parametrize(
    ("suffix", "features"), [(".parquet", "encoder"), (".safetensors", "encoder"), (".parquet", "projected")]
)
def test_proteins_are_embedded_as_the_index_s_own_were(folder, tmp_path, suffix, features):
    index = index_of(folder, tmp_path, suffix, features=features)
    found = NeighbourFinder(index, 4, device="cpu").find({"molecule": ["OCC"], "protein": [KNOWN[2], WANTED]})
    assert [(one.modality, one.same) for one in found[:2]] == [("molecule", True), ("protein", True)]
    vectors = embed([*KNOWN, WANTED], modality="protein", device="cpu", features=features).astype(np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = vectors[:4] @ vectors[4]
    nearest = found[-(scores > 0).sum() :]
    assert [one.item for one in nearest] == [KNOWN[place] for place in np.argsort(-scores) if scores[place] > 0]
    assert [one.similarity for one in nearest] == pytest.approx(sorted(scores[scores > 0], reverse=True), abs=1e-3)
    assert nearest[0].texts[0].question == "What does it do?"


def test_without_embeddings_no_checkpoint_is_loaded(folder, tmp_path, monkeypatch):
    build_index([folder / "set"], tmp_path / "index")
    finder = NeighbourFinder(NeighbourIndex.open(tmp_path / "index"), 1)
    monkeypatch.setattr("biomedgpt_hf.inference.neighbours.load", None)
    assert [one.item for one in finder.find({"molecule": ["CCO"], "protein": [WANTED]})] == ["CCO", KNOWN[0]]
    assert finder.find({}) == ()


def test_molecules_alone_need_no_checkpoint(folder, tmp_path, monkeypatch):
    index = index_of(folder, tmp_path, ".parquet")
    monkeypatch.setattr("biomedgpt_hf.inference.neighbours.load", None)
    assert [one.item for one in NeighbourFinder(index, 1).find({"molecule": ["CCO"]})] == ["CCO"]


def test_a_checkpoint_that_changed_is_told(folder, tmp_path):
    checkpoint = shutil.copytree(mini_checkpoint(), tmp_path / "checkpoint")
    index = index_of(folder, tmp_path, ".parquet", checkpoint=checkpoint)
    (checkpoint / "generation_config.json").write_text('{"max_new_tokens": 3}')
    with pytest.warns(UserWarning, match="has changed since"):
        NeighbourFinder(index, 1, device="cpu").find({"protein": [WANTED]})


def test_embeddings_of_unknown_origin_and_other_failures_are_named(folder, tmp_path):
    vectors = pa.array([[1, 2, 3, 4]], pa.list_(pa.float16(), 4))
    pq.write_table(pa.table({"item": KNOWN[:1], "embedding": vectors}), tmp_path / "file")
    build_index([folder / "set"], tmp_path / "index", protein_embeddings=tmp_path / "file")
    finder = NeighbourFinder(NeighbourIndex.open(tmp_path / "index"), 1)
    with pytest.raises(ValueError, match="does not tell which checkpoint made its embeddings"):
        finder.find({"protein": [WANTED]})


def test_a_protein_that_cannot_be_embedded_is_named(folder, tmp_path):
    finder = NeighbourFinder(index_of(folder, tmp_path, ".parquet"), 1, device="cpu")
    with pytest.raises(ValueError, match="Cannot read protein 1"):
        finder.find({"protein": [WANTED, "MK1"]})


def test_a_long_protein_is_cut_without_a_warning_for_each(folder, tmp_path, recwarn):
    index = index_of(folder, tmp_path, ".parquet")
    assert NeighbourFinder(index, 1, device="cpu", crop=True).find({"protein": [KNOWN[0] * 100]})
    assert not [warning for warning in recwarn if "was cut" in str(warning.message)]
