"""What docs/security.md promises of the source: nothing in it runs code that came with a file."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "examples").rglob("*.py")])
PICKLING = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
RUNNING = {"eval", "exec", "compile", "os.system", "os.popen"}
# What a loader must be told in order to be safe.
LOADERS = {"torch.load": ("weights_only", "True"), "yaml.load": ("Loader", "_Loader")}
# Where a checkpoint's own code would run, if somebody at a terminal says yes to transformers' question.
AUTO_LOADERS = re.compile(r"\b(Auto[A-Z]\w*|auto_class)\.from_(pretrained|config)$")
UNSAFE = {("trust_remote_code", "True"), ("allow_pickle", "True"), ("weights_only", "False"), ("shell", "True")}


def faults(source: str, package: bool = True) -> Iterator[str]:
    """What in some Python could run code that came with a file; an example may ask whether it shall."""
    for node in ast.walk(ast.parse(source)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        yield from (f"imports {name}" for name in names if name.split(".")[0] in PICKLING)
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        given = {(keyword.arg, ast.unparse(keyword.value)) for keyword in node.keywords}
        yield from (f"{name}={value}" for name, value in sorted(given & UNSAFE, key=str))
        if called in RUNNING:
            yield f"calls {called}"
        if called in LOADERS and LOADERS[called] not in given:
            yield f"calls {called} without {'='.join(LOADERS[called])}"
        loaders = [name for name in map(ast.unparse, (node.func, *node.args)) if AUTO_LOADERS.search(name)]
        if loaders and ("trust_remote_code", "False") not in given and package:
            yield f"calls {loaders[0]} without trust_remote_code=False"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_file_that_is_read_runs_code(file):
    assert list(faults(file.read_text("utf-8"), package=ROOT / "src" in file.parents)) == []


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("import pickle", "imports pickle"),
        ("from dill import loads", "imports dill"),
        ("torch.load(path)", "calls torch.load without weights_only=True"),
        ("torch.load(path, weights_only=False)", "weights_only=False"),
        ("np.load(path, allow_pickle=True)", "allow_pickle=True"),
        ("yaml.load(text, Loader=yaml.Loader)", "calls yaml.load without Loader=_Loader"),
        ("AutoModel.from_pretrained(name, trust_remote_code=True)", "trust_remote_code=True"),
        ("AutoConfig.from_pretrained(name)", "calls AutoConfig.from_pretrained without trust_remote_code=False"),
        ("load(AutoModel.from_config, config)", "calls AutoModel.from_config without trust_remote_code=False"),
        ("eval(text)", "calls eval"),
    ],
)
def test_the_search_finds_what_it_looks_for(source, fault):
    assert fault in list(faults(source))


def test_the_one_reader_of_pickles_is_the_one_that_the_page_names():
    """torch's sharded checkpoints; whoever adds another reader has to say so in docs/security.md."""
    users = [file for file in FILES if "distributed_checkpoint.load(" in file.read_text("utf-8")]
    assert [file.name for file in users] == ["states.py"]
    assert "`sharded/.metadata`" in (ROOT / "docs" / "security.md").read_text("utf-8")
