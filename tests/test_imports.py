"""The import rules of docs/architecture.md: between rooms, between the folders of a room, and inside each folder."""

import ast
import configparser
from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "biomedgpt_hf"
FILES = sorted(PACKAGE.rglob("*.py"))
SHIPPED = [f for f in FILES if f.parent.name in ("modeling", "processors")]
# What each room may import of the others. A room is a folder of the package, or a module beside them.
MAY_IMPORT = {
    "modeling": set(),
    "processors": set(),
    "modalities": set(),
    "disk": set(),
    "device": set(),
    "extras": set(),
    "console": {"disk", "extras"},
    "public_names": set(),
    "mini": set(),
    "publishing": {"disk"},
    "environment": {"device", "disk", "extras", "mini"},
    "checkpoints": {"__init__", "processors"},
    "confidence": {"disk"},
    "rows": {"extras", "modalities"},
    "chemistry": {"processors"},
    "files": {"disk", "modalities", "processors", "public_names"},
    "download": {"disk", "files"},
    "similarity": {"disk", "files", "processors", "rows"},
    "batches": {"modalities", "processors", "rows"},
    "building": {"disk", "extras", "files", "modalities", "publishing", "rows", "similarity"},
    "sets": {
        *("building", "chemistry", "disk", "download", "files", "modalities", "neighbours", "processors", "rows"),
        "similarity",
    },
    "neighbours": {"disk", "files", "modalities", "public_names", "rows", "similarity"},
    "registration": {"modalities", "modeling", "processors"},
    "joining": {"modeling"},
    "assembly": {"checkpoints", "disk", "modeling", "processors"},
    "conversion": {"checkpoints", "disk", "modeling", "processors"},
    "inference": {
        *("batches", "checkpoints", "chemistry", "confidence", "device", "disk", "extras", "files", "mini"),
        *("modalities", "modeling", "neighbours", "processors", "public_names", "rows", "similarity"),
    },
    "evaluation": {
        *("batches", "checkpoints", "chemistry", "confidence", "device", "disk", "extras", "files", "inference"),
        *("mini", "modalities", "modeling", "neighbours", "processors", "publishing", "rows", "sets", "similarity"),
    },
    "serving": {"chemistry", "inference"},
    "training": {
        *("batches", "checkpoints", "device", "disk", "evaluation", "extras", "files", "inference", "mini"),
        "modalities",
        *("modeling", "processors", "publishing", "rows"),
    },
}
FREE = ("__init__", "cli", "commands")  # they import inside their functions
# Which folders of a room import which others; all may import the modules that stand beside them, but in `training`,
# whose modules are the road of a run and stand above its folders.
INNER = {
    "evaluation/confidence": {"evaluation/metrics", "evaluation/text_metrics"},
    "evaluation/harness": {"evaluation/multiple_choice"},
    "sets/chebi20": {"sets/chebi"},
    "files/items": {"files/ontologies", "files/tables"},
    "files/uniprot": {"files/items", "files/tables"},
    "evaluation/honest_rows": {"evaluation/text_metrics"},
    "evaluation/metrics": {"evaluation/multiple_choice", "evaluation/safety", "evaluation/text_metrics"},
    "evaluation/paper_tables": {"evaluation/honest_rows", "evaluation/multiple_choice", "evaluation/report"},
    "evaluation/report": {"evaluation/metrics", "evaluation/multiple_choice"},
    "inference/embedding": {"inference/long_runs"},
    "inference/prediction": {"inference/long_runs"},
    "training/checkpoints": {"training/engine", "training/model"},
    "training/trainers": {
        *("training/checkpoints", "training/engine", "training/model", "training/reporting"),
    },
    "training/recipe": {"training/model", "training/trainers"},
    "training/memory": {"training/model", "training/recipe"},
}


def room_of(module: str) -> str:
    """The folder or root module of `biomedgpt_hf.a.b`; `__init__` for a name of the package itself."""
    return (module.split(".") + ["__init__"])[1]


def module_of(file: Path) -> str:
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(file): file for file in FILES}


def our_imports(file: Path) -> Iterator[str]:
    """The modules of ours that a file imports anywhere, inside functions and for type checkers too."""
    folder = file.parent.relative_to(PACKAGE.parent).parts
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            parents = folder[: len(folder) + 1 - node.level] if node.level else ()
            base = ".".join([*parents, *filter(None, [node.module])])
            names = [f"{base}.{alias.name}" for alias in node.names]
        for name in names:
            if name.split(".")[0] == "biomedgpt_hf":
                yield name if name in MODULES else name.rpartition(".")[0]


IMPORTS = {module: set(our_imports(file)) - {module} for module, file in MODULES.items()}


def folder_of(module: str) -> str:
    return MODULES[module].parent.relative_to(PACKAGE).as_posix()


def assert_no_circle(arrows: Mapping[str, set[str]]) -> None:
    TopologicalSorter(arrows).prepare()  # raises CycleError, which names the circle


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(PACKAGE)))
def test_imports_point_one_way(file):
    module = module_of(file)
    own = room_of(module)
    if own in FREE:
        return
    others = {room_of(name) for name in IMPORTS[module]} - {own}
    assert others <= MAY_IMPORT[own], f"{own} may not import {others - MAY_IMPORT[own]}"


def test_the_table_of_rooms_names_every_room_and_has_no_circle():
    assert {room_of(module) for module in MODULES} == {*MAY_IMPORT, *FREE}
    assert_no_circle({room: others - {*FREE} for room, others in MAY_IMPORT.items()})


def test_no_module_imports_itself_by_way_of_others():
    assert_no_circle({module: others for module, others in IMPORTS.items() if room_of(module) not in FREE})


@pytest.mark.parametrize("file", [f for f in FILES if len(f.relative_to(PACKAGE).parts) > 2], ids=lambda f: f.stem)
def test_folders_of_a_room_import_what_the_table_says(file):
    """A folder's `__init__` shows what is in it, so it may import from its own folders."""
    module = module_of(file)
    own = folder_of(module)
    inside = {folder_of(name) for name in IMPORTS[module] if room_of(name) == room_of(module)} - {own}
    beside = set() if own.startswith("training/") else {own.split("/")[0]}
    assert inside <= {*beside, *INNER.get(own, set())}, f"{own} imports {inside}"


def test_the_folders_of_a_room_have_no_circle():
    assert_no_circle(INNER)


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
    assert folders == listed, f"missing in setup.cfg or the source: {folders ^ listed}"
