"""The command line: what it answers, and how it fails."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from biomedgpt_hf.cli import app
from biomedgpt_hf.console import in_one_line, keep_progress_on_one_line
from biomedgpt_hf.extras import missing_package
from biomedgpt_hf.neighbours import build_index

from .built_set import row, write_set

ROOT = Path(__file__).resolve().parents[1]
MODULE, _, FUNCTION = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"][
    "biomedgpt"
].partition(":")
# What the installed command is.
SCRIPT = f"import sys\nfrom {MODULE} import {FUNCTION}\nif __name__ == '__main__':\n    sys.exit({FUNCTION}())\n"


def leaves(command, words=()):
    """The words of every command, groups followed to their end."""
    for name, child in getattr(command, "commands", {}).items():
        yield from leaves(child, (*words, name))
    if not hasattr(command, "commands"):
        yield words


COMMANDS = sorted(leaves(get_command(app)))


@pytest.fixture
def run():
    runner = CliRunner()
    return lambda *words: runner.invoke(app, [str(word) for word in words])


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_shows_an_example_of_itself(run, words):
    result = run(*words, "--help")
    assert result.exit_code == 0
    assert f"  biomedgpt {' '.join(words)}" in result.stdout.split("Example:")[1]


def start(*command, **options):
    """Run Python with this source, whatever is installed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True, timeout=120, env=environment, **options
    )


@pytest.mark.parametrize("words", [["--help"], ["ask", "--help"], ["convert", "esm", "--help"]])
@pytest.mark.parametrize("how", ["script", "module"])
def test_help_answers_without_loading_torch(tmp_path, how, words):
    (tmp_path / "biomedgpt").write_text(SCRIPT)
    command = {"script": [tmp_path / "biomedgpt"], "module": ["-m", MODULE]}[how]
    result = start("-X", "importtime", *command, *words)
    assert result.returncode == 0 and "Usage: biomedgpt" in result.stdout
    loaded = {line.rsplit("|")[-1].strip() for line in result.stderr.splitlines()}
    assert "typer" in loaded
    assert loaded.isdisjoint({"torch", "transformers", "rdkit", "numpy"})


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """An index in the place of the embedded one."""
    path = tmp_path_factory.mktemp("known")
    rows = [row("a", molecules=["CCO"]), row("b", proteins=["MKTAYIAKQR"])]
    build_index([write_set(path / "set", {"train": rows})], path / "index", compact=True)
    return path / "index"


@pytest.mark.parametrize("item", [["--molecule", "CCO"], ["--protein", "MKTAYIAK"]], ids=["molecule", "protein"])
def test_a_question_loads_no_library_that_it_has_no_use_for(item, known, monkeypatch):
    """Neither graphs, tables, data sets, readers of files nor training: they take longer than the answer."""
    monkeypatch.setenv("BIOMEDGPT_KNOWN", str(known))
    result = start("-X", "importtime", "-m", MODULE, "ask", "What is this?", *item, "--max-new-tokens", "2")
    assert result.returncode == 0 and "nown" in result.stdout, result.stderr[-3000:]
    loaded = {line.rsplit("|")[-1].strip() for line in result.stderr.splitlines()}
    assert {"torch", "transformers", "rdkit"} <= loaded
    tables_and_graphs = {"torch_geometric", "pandas", "pyarrow", "datasets", "networkx"}
    assert loaded.isdisjoint({*tables_and_graphs, "Bio", "gemmi", "peft", "trl", "matplotlib", "biomedgpt_hf.training"})


def test_the_module_in_the_package_is_the_same_command():
    """torchrun and accelerate start it so; the package is imported before the module, and registers its classes."""
    assert start("-m", "biomedgpt_hf.cli", "ask", "--help").stdout == start("-m", MODULE, "ask", "--help").stdout


def test_processes_that_the_command_starts_load_no_torch_either(tmp_path):
    (tmp_path / "biomedgpt").write_text(
        f"""{SCRIPT.partition("if __name__")[0]}
def loaded(number):
    return [name for name in ("torch", "transformers") if name in sys.modules]

if __name__ == "__main__":
    from biomedgpt_hf.disk.workers import map_in_order
    print(list(map_in_order(loaded, range(10), 2)) == [[]] * 10, loaded(0))
"""
    )
    result = start(tmp_path / "biomedgpt")
    assert result.stdout == "True []\n", result.stderr


def test_a_command_registers_the_classes_and_its_checkpoints_get_their_cards(tmp_path):
    parts = ["--language-model", tmp_path / "language-model", "--protein-encoder", tmp_path / "protein-encoder"]
    make = f"""
import torch
from transformers import AutoTokenizer, EsmConfig, EsmModel, LlamaConfig, LlamaForCausalLM
from biomedgpt_hf import BioMedGPTProcessor, mini_checkpoint

sizes = dict(hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2)
tokenizer = AutoTokenizer.from_pretrained(mini_checkpoint())
tokenizer.save_pretrained({str(parts[1])!r})
LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **sizes)).save_pretrained({str(parts[1])!r})
BioMedGPTProcessor.from_pretrained(mini_checkpoint()).protein_tokenizer.save_pretrained({str(parts[3])!r})
EsmModel(EsmConfig(vocab_size=33, pad_token_id=1, mask_token_id=32, **sizes)).save_pretrained({str(parts[3])!r})
"""
    assert start("-c", make).returncode == 0
    result = start("-m", MODULE, "init", *parts, "--molecule-encoder", "random", "--output", tmp_path / "new")
    assert result.returncode == 0, result.stderr
    assert "- Molecules: feature set `graphmvp`." in (tmp_path / "new" / "README.md").read_text("utf-8")


@pytest.fixture
def asked(monkeypatch):
    """Stands in for a checkpoint: answers with a warning, refuses "?", and notes what it was asked."""
    from biomedgpt_hf.inference import chat

    calls = []

    class Chat:
        model = None

        def __init__(self, checkpoint=None, device=None, **options):
            calls.append(checkpoint)

        def ask(self, *arguments, **generation):
            calls.append((*arguments, generation))
            if arguments[0] == "?":
                raise ValueError("Ask something.")
            return chat.Answer(f"About {arguments[0]}", -1.0, ("Only a demonstration.",))

        def stream(self, question, **items):
            answer = self.ask(question, **items)
            yield "About "
            if question == "stop":
                raise KeyboardInterrupt
            yield question
            return answer

    monkeypatch.setattr(chat, "Chat", Chat)
    return calls


def test_ask_prints_the_answer_on_stdout_and_warnings_on_stderr(run, asked, tmp_path):
    (tmp_path / "two.smi").write_text("CCO ethanol\nC methane\n")
    (tmp_path / "one.fasta").write_text(">name\nMK\nT\n")
    files = ("--molecule-file", tmp_path / "two.smi", "--protein-file", tmp_path / "one.fasta")
    result = run("ask", "this", "--molecule", "N", "--checkpoint", "c", "--num-beams", 2, *files)
    assert result.exit_code == 0
    assert result.stdout == "About this\n"
    assert result.stderr.splitlines()[1:] == ["Warning: Only a demonstration."]
    assert "two.smi holds 2 molecules, and all of them go into this one question" in result.stderr
    generation = {"max_new_tokens": 256, "num_beams": 2}
    assert asked == ["c", ("this", ["N", "CCO", "C"], ["MKT"], generation)]


def test_chat_goes_on_after_a_mistake_and_takes_items_before_a_question(asked):
    lines = "/molecule CCO\nfirst\n\n?\n/protein MKT\nsecond\n"
    result = CliRunner().invoke(app, ["chat"], input=lines)
    assert result.exit_code == 0
    assert result.stdout == "About first\nAbout second\n"
    assert result.stderr.count("Only a demonstration.") == 1
    assert "Error: Ask something.\n" in result.stderr
    assert "/molecule (SMILES or InChI) and /protein (amino-acid sequence) go before a question" in result.stderr
    given = [{"molecules": ["CCO"], "proteins": []}, {"molecules": [], "proteins": []}]
    given.append({"molecules": [], "proteins": ["MKT"]})
    assert asked == [None, *zip(["first", "?", "second"], given, strict=True)]


def test_ctrl_c_ends_an_answer_and_not_the_conversation(asked):
    result = CliRunner().invoke(app, ["chat"], input="stop\nsecond\n")
    assert result.exit_code == 0
    assert result.stdout == "About About second\n"
    assert "\nStopped.\n" in result.stderr


def test_env_prints_versions_what_is_missing_and_the_device(run, monkeypatch):
    from importlib import metadata

    version = metadata.version

    def without_trl(name):
        if name == "trl":
            raise metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(metadata, "version", without_trl)
    monkeypatch.setattr(metadata, "requires", lambda name: ["torch>=2", 'trl; extra == "train"'])
    result = run("env")
    assert result.exit_code == 0
    lines = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert lines["python"] == ".".join(map(str, sys.version_info[:3]))
    assert lines["torch"][0].isdigit()
    assert lines["trl"] == "not installed"
    assert "device chosen" in result.stdout and "Hub cache" in result.stdout


def test_a_mistake_of_the_user_is_told_in_one_line(run, tmp_path):
    result = run("data", "uniprotqa", tmp_path / "none.dat", "--output", tmp_path / "rows")
    assert result.exit_code == 1 and result.stdout == ""
    assert result.stderr.startswith("Error: ") and "none.dat" in result.stderr
    assert result.stderr.count("\n") == 1


def test_debug_shows_where_a_mistake_was_found(run, tmp_path, monkeypatch):
    words = ("data", "uniprotqa", tmp_path / "none.dat", "--output", tmp_path / "rows")
    assert isinstance(run("--debug", *words).exception, FileNotFoundError)
    monkeypatch.setenv("BIOMEDGPT_DEBUG", "1")
    assert isinstance(run(*words).exception, FileNotFoundError)


@pytest.mark.parametrize("fault", [KeyError("x"), ModuleNotFoundError(name="biomedgpt_hf.x")])
def test_a_fault_of_ours_keeps_its_traceback(run, monkeypatch, fault):
    def fail():
        raise fault

    monkeypatch.setattr("biomedgpt_hf.environment.describe_environment", fail)
    assert run("env").exception is fault


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["asq"], "Did you mean 'ask'?"),
        (["ask"], "Missing argument"),
        (["ask", "What?", "--molecul", "C"], "No such option"),
        (["convert", "esm", "file.pt"], "Missing option '--output'"),
    ],
)
def test_wrong_usage_is_told_and_exits_with_two(run, words, said):
    result = run(*words)
    assert result.exit_code == 2
    assert said in result.stderr and "Traceback" not in result.stderr


@pytest.mark.parametrize("is_terminal", [True, False])
def test_bars_stay_on_one_line_of_a_terminal_and_out_of_anything_else(monkeypatch, is_terminal):
    names = ("TQDM_LEAVE", "TQDM_DISABLE", "HF_HUB_DISABLE_PROGRESS_BARS", "HF_DATASETS_DISABLE_PROGRESS_BARS")
    for name in names:
        monkeypatch.setenv(name, "mine")
        monkeypatch.delenv(name)
    monkeypatch.setenv("HF_DATASETS_DISABLE_PROGRESS_BARS", "0")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal, raising=False)
    keep_progress_on_one_line()
    found = [os.environ.get(name) for name in names]
    assert found == (["", None, None, "0"] if is_terminal else [None, "1", "1", "0"])  # what the user set stays


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("two\n  lines"), "two lines"),
        (ValueError(), "ValueError"),
        (FileNotFoundError(2, "No such file or directory", "a.pt"), "a.pt: No such file or directory."),
        (FileNotFoundError("a.pt is not here"), "a.pt is not here"),
        (
            ModuleNotFoundError("No module named 'esm'", name="esm"),
            missing_package("esm", "all"),
        ),
    ],
)
def test_an_error_becomes_one_line(error, line):
    assert in_one_line(error) == line
