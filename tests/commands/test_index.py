"""`biomedgpt data index`: options reach the builder, and mistakes are told in one line."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from biomedgpt_hf.cli import app
from biomedgpt_hf.neighbours import NeighbourIndex
from biomedgpt_hf.rows import schema

WIDTH = 4


@pytest.fixture
def run():
    runner = CliRunner()
    return lambda *words: runner.invoke(app, ["data", "index", *map(str, words)])


@pytest.fixture
def built(tmp_path):
    """A set of 3 train rows and 1 test row."""
    asked = {"task": "t", "source": "s", "license": "CC0-1.0"}
    train = [
        schema.question_row("What is it?", "Ethanol.", molecules=["CCO"], id="a", **asked),
        schema.question_row("What is it?", "Broken.", molecules=["C(C"], proteins=["MKVAACDEFGH"], id="b", **asked),
        schema.question_row("Why?", "Because.", id="c", **asked),
    ]
    test = [schema.question_row("What is it?", "Ammonia.", molecules=["N"], id="d", **asked)]
    (tmp_path / "set" / "data").mkdir(parents=True)
    for split, rows in (("train", train), ("test", test)):
        table = pa.Table.from_pylist(rows, schema=schema.features().arrow_schema)
        pq.write_table(table, tmp_path / "set" / "data" / f"{split}-00000-of-00001.parquet")
    return tmp_path / "set"


def test_a_set_becomes_an_index(run, built, tmp_path):
    result = run(built, "--output", tmp_path / "known", "--processes", "1")
    assert result.exit_code == 0, result.output
    assert result.stdout == (
        f"Indexed 1 molecules and 1 proteins with 2 texts in {tmp_path / 'known'}; left out 1 molecules that RDKit "
        "cannot read; left out 1 rows without either.\n"
    )
    assert NeighbourIndex.open(tmp_path / "known").molecules(["OCC"], 1)[0][0].texts[0].answer == "Ethanol."


def test_splits_and_embeddings_reach_the_builder(run, built, tmp_path):
    columns = {"item": ["MKVAACDEFGH"], "embedding": pa.array([[1, 2, 3, 4]], pa.list_(pa.float16(), WIDTH))}
    pq.write_table(pa.table(columns), tmp_path / "embeddings.parquet")
    options = ("--splits", "train, test", "--protein-embeddings", tmp_path / "embeddings.parquet")
    result = run(built, *options, "--output", tmp_path / "known")
    assert result.exit_code == 0, result.output
    index = NeighbourIndex.open(tmp_path / "known")
    assert index.facts["splits"] == ["train", "test"]
    assert index.proteins(["MKV"], 1, embeddings=np.ones((1, WIDTH)))[0][0].id == "b"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("absent",), "absent: there is no such folder"),
        (("set", "--splits", "valid"), "splits are train, validation, test"),
        (("set", "--splits", "validation"), "has no validation rows"),
        (("set", "--protein-embeddings", "absent"), "absent: there is no such file"),
        (("set", "--processes", "0"), "--processes"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(run, built, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    result = run(*words, "--output", "known")
    assert result.exit_code != 0 and message in result.stderr
    assert "Traceback" not in result.output and [path.name for path in tmp_path.iterdir()] == ["set"]


def test_help_shows_an_example(run):
    result = run("--help")
    assert result.exit_code == 0 and "biomedgpt data index pubchemqa uniprotqa --output known" in result.stdout
