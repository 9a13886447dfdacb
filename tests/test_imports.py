"""The import rules of docs/architecture.md."""

import ast
import configparser
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "biomedgpt_hf"
FILES = sorted(PACKAGE.rglob("*.py"))
SHIPPED = [f for f in FILES if f.parent.name in ("modeling", "processors")]
MAY_IMPORT = {
    "modeling": set(),
    "processors": set(),
    "checkpoints": {"__init__"},
    "console": set(),
    "device": set(),
    "environment": {"device"},
    "folders": set(),
    "mini": set(),
    "data": {"processors", "folders"},
    "assembly": {"checkpoints", "modeling", "processors"},
    "conversion": {"__init__", "modeling", "processors", "folders"},
    "training": {"checkpoints", "modeling", "processors", "data", "device", "folders", "mini"},
    "inference": {"checkpoints", "modeling", "processors", "data", "device", "mini"},
}
FREE = ("__init__", "cli", "commands")


PARTS = {(f.parent.name if f.parent != PACKAGE else f.stem) for f in FILES}


def part(dotted: str) -> str:
    """The folder or root module of `biomedgpt_hf.a.b`; `__init__` for a name of the package itself."""
    name = (dotted.split(".") + ["__init__"])[1]
    return name if name in PARTS else "__init__"


def our_imports(file: Path) -> Iterator[str]:
    """Dotted names, from the package's root, of everything of ours that a file imports anywhere."""
    folders = ["biomedgpt_hf", *file.relative_to(PACKAGE).parent.parts]
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            parents = folders[: len(folders) + 1 - node.level] if node.level else []
            base = ".".join([*parents, *filter(None, [node.module])])
            names = [f"{base}.{alias.name}" for alias in node.names]
        yield from (name for name in names if name.split(".")[0] == "biomedgpt_hf")


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(PACKAGE)))
def test_imports_point_one_way(file):
    own = part(".".join(["", *file.relative_to(PACKAGE).with_suffix("").parts]))
    if own in FREE:
        return
    others = {part(name) for name in our_imports(file)} - {own}
    assert others <= MAY_IMPORT[own], f"{own} may not import {others - MAY_IMPORT[own]}"


@pytest.mark.parametrize("file", SHIPPED, ids=lambda f: f.name)
def test_files_that_ship_with_checkpoints_import_only_siblings_by_name(file):
    """`save_pretrained` copies `from .sibling import name`, and nothing else of ours, along."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            assert not any(alias.name.startswith("biomedgpt_hf") for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level <= 1, f"line {node.lineno} leaves the folder"
            assert node.level == 0 or (node.module and "." not in node.module), f"{node.lineno}"
            assert node.level == 1 or not node.module.startswith("biomedgpt_hf"), f"{node.lineno}"


def test_files_that_ship_with_checkpoints_have_names_of_their_own():
    names = [file.name for file in SHIPPED if file.name != "__init__.py"]
    assert len(names) == len(set(names)), names


def test_setup_cfg_names_every_folder_of_the_source():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    listed = set(setup["options"]["packages"].split())
    folders = {".".join(file.relative_to(PACKAGE.parent).parent.parts) for file in FILES}
    assert folders <= listed, f"missing in setup.cfg: {folders - listed}"
