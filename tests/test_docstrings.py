"""What docstrings promise: fields under one heading, and names of ours that exist."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "biomedgpt_hf"
TREES = {file: ast.parse(file.read_text("utf-8")) for file in sorted(PACKAGE.rglob("*.py"))}
BACKTICKED = re.compile(r"(?<!`)`([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+)(?:\(\))?`(?!`)")
FILE_ENDINGS = {"bin", "csv", "fasta", "json", "jsonl", "parquet", "pth", "py", "safetensors", "tsv", "xml", "yaml"}


def docstrings(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield node, text


def is_record(node: ast.AST) -> bool:
    """Whether a node is a NamedTuple, a TypedDict or a dataclass, whose fields are what it is."""
    if not isinstance(node, ast.ClassDef):
        return False
    says = " ".join(map(ast.unparse, [*node.bases, *node.decorator_list]))
    return bool(re.search(r"\b(NamedTuple|TypedDict|dataclass)\b", says))


def variables(tree: ast.Module) -> Iterator[str]:
    """Yield the names of parameters and fields, whose attributes docstrings also write with a dot."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.AnnAssign):
            yield ast.unparse(node.target)


def names_within() -> dict[str, set[str]]:
    """What may follow each module or folder of ours after a dot, by its last name: definitions, modules, imports."""
    found: dict[str, set[str]] = {}
    for file, tree in TREES.items():
        folder = file.parent.name
        module = folder if file.stem == "__init__" else file.stem
        found.setdefault(folder, set()).add(file.stem)
        if file.stem == "__init__":
            found.setdefault(file.parent.parent.name, set()).add(folder)
        here = found.setdefault(module, set())
        for node in tree.body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                here.add(node.name)
            here |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
            here |= {a.asname or a.name for a in getattr(node, "names", []) if isinstance(a, ast.alias)}
        if file.stem == "__init__":  # names that are imported when first asked for stand there as strings
            here |= {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    return found


NAMES_WITHIN = names_within()


@pytest.mark.parametrize("file", TREES, ids=lambda f: str(f.relative_to(PACKAGE)))
def test_fields_of_named_tuples_and_dataclasses_stand_under_attributes(file):
    for node, text in docstrings(TREES[file]):
        assert not (is_record(node) and "Args:" in text.splitlines()), f"{node.name}, line {node.lineno}"


@pytest.mark.parametrize("file", TREES, ids=lambda f: str(f.relative_to(PACKAGE)))
def test_dotted_names_of_our_modules_exist(file):
    values = set(variables(TREES[file]))
    for _, text in docstrings(TREES[file]):
        for dotted in BACKTICKED.findall(text):
            parts = dotted.split(".")
            if parts[-1] in FILE_ENDINGS or parts[0] in values:
                continue
            for module, name in zip(parts, parts[1:], strict=False):
                if module not in NAMES_WITHIN:
                    break
                assert name in NAMES_WITHIN[module], f"`{dotted}`: {module} has no {name}"
