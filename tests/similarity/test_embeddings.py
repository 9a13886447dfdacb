"""Proteins by embeddings: from the files that `biomedgpt embed` writes, against numpy's cosine."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from biomedgpt_hf.neighbours import NeighbourIndex, build_index
from biomedgpt_hf.similarity import embeddings

from ..built_set import row, write_set

WIDTH = 24
ABOUT = {"checkpoint": "mini", "level": "pooled", "features": "encoder"}


@pytest.fixture(scope="module")
def sequences():
    chance = np.random.default_rng(0)
    return ["".join(chance.choice(list("ACDEFGHIKL"), 20)) for _ in range(60)]


@pytest.fixture(scope="module")
def vectors():
    """Embeddings with a mean of their own, as real ones have."""
    chance = np.random.default_rng(1)
    return (chance.normal(size=(60, WIDTH)) + 0.5).astype(np.float16)


def write_parquet(path, sequences, vectors, metadata=ABOUT):
    """As `biomedgpt embed` writes it; None is a row that failed."""
    columns = {
        "row": pa.array(range(1, len(sequences) + 1), pa.int64()),
        "id": [f"p{number}" for number in range(len(sequences))],
        "item": sequences,
        "embedding": pa.array([one if one is None else list(one) for one in vectors], pa.list_(pa.float16(), WIDTH)),
        "status": ["error" if one is None else "ok" for one in vectors],
        "error": ["too long" if one is None else None for one in vectors],
    }
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), path, row_group_size=7)
    return path


def write_safetensors(path, sequences, vectors, metadata=ABOUT):
    lists = {"ids": json.dumps([""] * len(sequences)), "items": json.dumps(sequences)}
    tensors = {"embeddings": np.stack([np.full(WIDTH, np.nan, np.float16) if one is None else one for one in vectors])}
    save_file(tensors, path, {**lists, **(metadata or {})})
    return path


WRITERS = {"parquet": write_parquet, "safetensors": write_safetensors}


@pytest.fixture
def make(tmp_path, sequences):
    folder = write_set(tmp_path / "set", {"train": [row(one, proteins=[one]) for one in sequences[:40]]})

    def make(file):
        build_index([folder], tmp_path / "index", protein_embeddings=file)
        return NeighbourIndex.open(tmp_path / "index")

    return make


def cosine(first, second):
    first, second = first.astype(np.float64), second.astype(np.float64)
    return first @ second / np.linalg.norm(first) / np.linalg.norm(second)


@pytest.mark.parametrize("rows", [3, 4096])
@pytest.mark.parametrize("name", WRITERS)
def test_neighbours_are_those_of_numpy_s_cosine(make, tmp_path, sequences, vectors, monkeypatch, name, rows):
    monkeypatch.setattr(embeddings, "ROWS", rows)
    monkeypatch.setattr(embeddings, "CELLS", 40 * rows)
    order = np.random.default_rng(2).permutation(60)
    index = make(WRITERS[name](tmp_path / "file", [sequences[n] for n in order], [vectors[n] for n in order]))
    wanted = range(30, 60)
    found = index.proteins([sequences[n] for n in wanted], 5, embeddings=vectors[30:])
    for number, neighbours in zip(wanted, found, strict=True):
        scores = np.array([cosine(vectors[number], vectors[other]) for other in range(40)])
        if number < 40:
            assert (neighbours[0].item, neighbours[0].similarity, neighbours[0].same) == (sequences[number], 1.0, True)
            scores[number] = 1
        assert [one.item for one in neighbours] == [sequences[n] for n in np.argsort(-scores)[:5]]
        assert [one.similarity for one in neighbours] == pytest.approx(np.sort(scores)[::-1][:5], abs=1e-6)
    assert index.embeddings == ABOUT
    assert found[0][0].measure == "cosine similarity of protein embeddings (mini)"


def test_the_same_sequence_can_be_left_out_and_opposites_are_no_neighbours(make, tmp_path, sequences, vectors):
    index = make(write_parquet(tmp_path / "file", sequences, np.abs(vectors)))
    (found,) = index.proteins([sequences[3]], 100, embeddings=np.abs(vectors[3:4]), exclude_same=True)
    assert sequences[3] not in [one.item for one in found] and len(found) == 39
    assert index.proteins([sequences[3]], 100, embeddings=-np.abs(vectors[3:4]), exclude_same=True) == [[]]


@pytest.mark.parametrize("name", WRITERS)
def test_proteins_without_an_embedding_are_left_out_and_counted(make, tmp_path, sequences, vectors, name):
    given = [None if number % 4 == 0 else vectors[number] for number in range(40)]
    given[1] = np.zeros(WIDTH, np.float16)
    index = make(WRITERS[name](tmp_path / "file", sequences[:38], given[:38], None))
    counts = index.facts["counts"]
    assert (counts["proteins"], counts["proteins_without_embedding"]) == (27, 13)
    found = index.proteins(sequences[:40], 1, embeddings=vectors[:40])
    assert [one[0].same for one in found] == [number % 4 != 0 and number not in (1, 38, 39) for number in range(40)]
    assert [source["role"] for source in index.facts["sources"]] == ["rows", "protein embeddings"]
    assert index.embeddings == {} and found[0][0].measure == "cosine similarity of protein embeddings"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "no embeddings were given"),
        (np.ones((2, WIDTH)), "shape"),
        (np.ones((1, 5)), r"shape \(1, 5\), and these proteins and this index \(1, 24\)"),
        (np.ones(WIDTH), "shape"),
        (np.zeros((1, WIDTH)), "embedding of protein 0 is zero or not finite"),
        (np.full((1, WIDTH), np.nan), "embedding of protein 0 is zero or not finite"),
    ],
)
def test_embeddings_that_do_not_fit_are_an_error(make, tmp_path, sequences, vectors, given, message):
    index = make(write_parquet(tmp_path / "file", sequences, vectors))
    with pytest.raises(ValueError, match=message):
        index.proteins(["MKV"], 1, embeddings=given)


def test_an_index_of_5_mers_takes_no_embeddings(make, vectors):
    with pytest.raises(ValueError, match="compares proteins by 5-mers, and takes none, but embeddings were given"):
        make(None).proteins(["MKV"], 1, embeddings=vectors[:1])


def corrupt(path, sequences, vectors):
    path = write_parquet(path, sequences, vectors)
    path.write_bytes(path.read_bytes()[:-30])
    return path


def other_columns(path, *_):
    pq.write_table(pa.table({"item": ["MKV"]}), path)
    return path


def lists_of_any_size(path, *_):
    pq.write_table(pa.table({"item": ["MKV"], "embedding": [[1.0, 2.0]]}), path)
    return path


def text(path, *_):
    path.write_text(">a\nMKV\n")
    return path


def no_items(path, sequences, vectors):
    save_file({"embeddings": vectors}, path)
    return path


def per_residue(path, sequences, vectors):
    return write_parquet(path, sequences, vectors, {**ABOUT, "level": "residue"})


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (corrupt, "cannot be read as embeddings of proteins"),
        (other_columns, "no columns item and embedding, but item"),
        (lists_of_any_size, "not a list of fixed size"),
        (text, "cannot be read as embeddings of proteins"),
        (no_items, "cannot be read as embeddings of proteins"),
        (per_residue, "level residue, and pooled is needed"),
        (lambda path, _, vectors: write_parquet(path, ["MKV"], vectors[:1]), "has no embedding of a protein of these"),
        (lambda path, *_: path, "there is no such file"),
    ],
)
def test_a_file_that_holds_no_embeddings_is_named(make, tmp_path, sequences, vectors, write, message):
    with pytest.raises((ValueError, OSError), match=message) as error:
        make(write(tmp_path / "file", sequences, vectors))
    assert str(tmp_path / "file") in str(error.value) and "\n" not in str(error.value)
    assert {path.name for path in tmp_path.iterdir()} <= {"set", "file"}
