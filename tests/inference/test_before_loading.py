"""What can be told without a model is told before one is loaded."""

import pytest
from typer.testing import CliRunner

import biomedgpt_hf
from biomedgpt_hf.cli import app
from biomedgpt_hf.inference import Chat, embed_files, loading, predict_files

COMMANDS = {
    "a missing file": (["predict", "nope.sdf", "--question", "?", "--output", "x.jsonl"], "nope.sdf: there is no such"),
    "a missing file to embed": (["embed", "nope.sdf", "--output", "x.parquet"], "nope.sdf: there is no such"),
    "a missing file of molecules": (["ask", "?", "--molecule-file", "nope.sdf"], "nope.sdf: there is no such"),
    "a missing file of proteins": (["ask", "?", "--protein-file", "nope.fasta"], "nope.fasta: there is no such"),
    "a broken SMILES": (["ask", "?", "--molecule", "C(C"], "'C(C': extra open parentheses"),
    "no protein": (["ask", "?", "--protein", "MK1"], "'1' at index 2 is not a residue"),
    "an empty question": (["ask", " ", "--molecule", "C"], "The question is ' '"),
    "no format of ours": (["predict", "notes.txt", "--question", "?", "--output", "x.csv"], "which is not an item"),
    "an empty file": (["embed", "empty.smi", "--output", "x.parquet"], "empty.smi"),
    "another ending": (["predict", "in.smi", "--question", "?", "--output", "x.xlsx"], "must end in"),
    "no folder": (["predict", "in.smi", "--question", "?", "--output", "in.smi/x.csv"], "in.smi is no folder"),
    "a format that stdout has not": (
        ["predict", "in.smi", "--question", "?", "--output", "-", "--output-format", "parquet"],
        "format is 'parquet'",
    ),
    "an unknown column": (
        ["predict", "in.csv", "--molecule-column", "nope", "--question", "?", "--output", "x.csv"],
        "'nope'",
    ),
    "no index": (["ask", "?", "--molecule", "C", "--index", "nowhere", "--neighbours", "1"], "nowhere"),
    "half of an index": (["ask", "?", "--molecule", "C", "--neighbours", "1"], "no embedded index of known items"),
    "no dtype": (["ask", "?", "--molecule", "C", "--dtype", "int3"], "dtype is 'int3'"),
    "no device": (["ask", "?", "--molecule", "C", "--device", "warp"], "device is 'warp'"),
    "no checkpoint": (["ask", "?", "--molecule", "C", "--checkpoint", "/nowhere"], "/nowhere"),
    "a path for a SMILES": (["ask", "?", "--molecule", "in.smi"], "looks like the path of a file"),
    "tokens as CSV": (["embed", "in.smi", "--output", "x.csv", "--level", "tokens"], "CSV cannot hold"),
}


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    """A folder with small files, and a model that must not be loaded."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.smi").write_text("CCO\n")
    (tmp_path / "in.csv").write_text("smiles,x\nCCO,1\n")
    (tmp_path / "notes.txt").write_text("Dear diary, nothing happened today.\n")
    (tmp_path / "empty.smi").write_text("")
    loading._load.cache_clear()
    monkeypatch.setattr(loading, "load_model", lambda *_, **__: pytest.fail("A model was loaded."))
    yield
    loading._load.cache_clear()


@pytest.mark.parametrize(("words", "said"), COMMANDS.values(), ids=COMMANDS)
def test_a_command_tells_it_in_one_line_and_exits_with_one(words, said):
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1 and result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if not line.startswith("Note")]
    assert len(lines) == 1 and lines[0].startswith("Error: ") and said in lines[0]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: biomedgpt_hf.ask("?", "C(C"), "extra open"),
        (lambda: biomedgpt_hf.ask("?", proteins="M-1"), "not a residue"),
        (lambda: biomedgpt_hf.ask("why? " * 3000, "CCO"), "2,048"),
        (lambda: biomedgpt_hf.predict(" ", ["CCO"]), "question is empty"),
        (lambda: biomedgpt_hf.predict("?", ["CCO"], ["M", "M"]), "equally many"),
        (lambda: biomedgpt_hf.embed(["C(C"], modality="molecule"), "extra open"),
        (lambda: predict_files("nope.sdf", "x.csv", "?"), "nope.sdf"),
        (lambda: predict_files("empty.smi", "x.csv", "?"), "empty.smi"),
        (lambda: embed_files("notes.txt", "x.csv"), "not an item"),
        (lambda: Chat().stream("?", molecules="C(C"), "extra open"),
    ],
)
def test_a_function_raises(call, said):
    with pytest.raises((ValueError, OSError), match=said):
        call()


@pytest.mark.parametrize(
    "path", ["aspirin.sdf", "data/x.mol", "./x.smi", "C:\\data\\x.mol2", "a b.csv", "x.sdf.gz", "/data/x.parquet"]
)
def test_the_path_of_a_file_is_recognised_as_a_molecule_and_as_a_protein(path):
    with pytest.raises(biomedgpt_hf.InvalidMoleculeError, match="looks like the path of a file.*--molecule-file"):
        biomedgpt_hf.ask("?", molecules=path)
    path = path.replace(".sdf", ".fasta")
    with pytest.raises(biomedgpt_hf.InvalidProteinError, match="looks like the path of a file.*--protein-file"):
        biomedgpt_hf.ask("?", proteins=[path])
    (row,) = _errors(lambda: biomedgpt_hf.ask("?", molecules=["CCO", path]))
    assert "molecule 1" in row


def _errors(call):
    with pytest.raises(ValueError) as error:
        call()
    return [str(error.value)]
