"""`biomedgpt embed`: options reach the function, and mistakes are told in one line."""

import json

import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file
from typer.testing import CliRunner

from biomedgpt_hf.cli import app


@pytest.fixture
def run():
    runner = CliRunner()
    return lambda *words: runner.invoke(app, ["embed", *map(str, words), "--device", "cpu"])


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("name,drug,target\na,CCO,MKT\nb,C(C,GAV\nc,c1ccccc1,M1\n")
    return path


COLUMNS = ("--molecule-column", "drug", "--protein-column", "target", "--id-column", "name")


def test_molecules_become_a_table(run, tmp_path):
    (tmp_path / "list.smi").write_text("CCO ethanol\nC(C broken\n")
    output = tmp_path / "out.parquet"
    result = run(tmp_path / "list.smi", "--output", output)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{output}: 1 of 2 molecules.\n"
    assert "Warning: 1 of 2 have no embedding, the first in row 2: Cannot read molecule" in result.stderr
    assert pq.read_table(output)["id"].to_pylist() == ["ethanol", "broken"]


def test_every_option_reaches_the_run(run, pairs, tmp_path, caplog):
    output = tmp_path / "out.safetensors"
    words = ("--modality", "protein", "--level", "tokens", "--features", "projected", "--dtype", "float32")
    result = run(pairs, *COLUMNS, *words, "--batch-tokens", "7", "--long-proteins", "crop", "--output", output)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{output}: 2 of 3 proteins, 6 vectors.\n"
    assert "vectors of 256 numbers take" in caplog.text
    assert load_file(output)["embeddings"].shape == (6, 256)
    manifest = json.loads((tmp_path / "out.safetensors.manifest.json").read_text())
    expected = {"level": "tokens", "features": "projected", "modality": "protein", "dtype": "float32"}
    expected |= {"batch_tokens": 7, "long_proteins": "crop", "checkpoint": "mini", "rows": 3, "failed": 1}
    assert expected.items() <= manifest.items()


def test_cut_proteins_are_warned_of(run, tmp_path):
    (tmp_path / "long.fasta").write_text(f">titin\n{'MKTAYIAKQR' * 3_500}\n>short\nMKT\n")
    words = (tmp_path / "long.fasta", "--output", tmp_path / "out.parquet")
    result = run(*words, "--long-proteins", "crop")
    assert result.exit_code == 0 and "Warning: 1 of 2 were cut at their end." in result.stderr
    assert pq.read_table(tmp_path / "out.parquet")["truncated"].to_pylist() == [True, False]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--output", "out.npy"), "out.npy must end in .parquet or .safetensors"),
        (("--output", "out.parquet"), "pairs.csv:2 has a molecule and a protein. Choose one of them with --modality"),
        (("--output", "out.parquet", "--modality", "cell"), "modality is 'cell'"),
        (("--output", "out.parquet", "--level", "atom"), "level is 'atom'"),
        (("--output", "out.parquet", "--modality", "protein", "--checkpoint", "./no"), "no checkpoint folder './no'"),
        (("--output", "pairs.parquet"), "pairs.parquet already exists"),
        (("--output", "out.parquet", "--id-column", "nobody"), "nobody"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(run, pairs, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pairs.parquet").write_text("mine")
    result = run("pairs.csv", *COLUMNS[:4], *words)
    assert result.exit_code == 1 and message in result.stderr, result.stderr
    assert result.stderr.splitlines()[-1].startswith("Error: ") and "Traceback" not in result.output
    assert {path.name for path in tmp_path.iterdir()} == {"pairs.csv", "pairs.parquet"}


def test_where_nothing_can_be_embedded_the_command_fails_but_writes_why(run, pairs, tmp_path):
    (tmp_path / "bad.smi").write_text("C(C\n")
    result = run(tmp_path / "bad.smi", "--output", tmp_path / "out.parquet")
    assert result.exit_code == 1 and "no molecule could be embedded" in result.stderr
    assert pq.read_table(tmp_path / "out.parquet")["status"].to_pylist() == ["error"]
