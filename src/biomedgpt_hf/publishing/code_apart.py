"""The code of a checkpoint in a folder of its own, so that a person sees the results in a run's folder first.

`save_pretrained` lays the code beside the weights, as everybody does on the Hub. transformers takes it as well from a
subfolder that `auto_map` names: "code/modeling_biomedgpt.BioMedGPTModel".
"""

from __future__ import annotations

import filecmp
import json
import shutil
from pathlib import Path
from typing import Any

from transformers.dynamic_module_utils import get_relative_import_files

from biomedgpt_hf.disk.replacing import replace_file, write_json

CODE = "code"
CONFIGS = ("config.json", "processor_config.json")  # the files that may have an `auto_map`


def put_code_apart(folder: Path) -> None:
    """Move the code that a checkpoint's configurations name, and what that imports, from beside the weights to `code`.

    The checkpoint loads at any moment, also where this is cut short: code is copied, configurations name the copies,
    and only then what lay beside the weights is removed; the next call removes what was left. Other Python files stay
    where they are. Without configurations that name code, nothing happens.
    """
    changed: dict[Path, dict[str, Any]] = {}
    sources: set[Path] = set()
    for path in (folder / name for name in CONFIGS):
        settings = json.loads(path.read_text("utf-8")) if path.is_file() else {}
        named = {key: name for key, name in settings.get("auto_map", {}).items() if _is_beside(folder, name)}
        for name in named.values():
            file = folder / f"{name.split('.')[0]}.py"
            sources |= {file, *map(Path, get_relative_import_files(file))}
        if named:
            apart = {key: f"{CODE}/{name}" for key, name in named.items()}
            changed[path] = {**settings, "auto_map": {**settings["auto_map"], **apart}}
    for source in sources:
        (folder / CODE).mkdir(exist_ok=True)
        copied = folder / CODE / f".{source.name}"
        shutil.copyfile(source, copied)
        replace_file(copied, folder / CODE / source.name)
    for path, settings in changed.items():
        write_json(path, settings)
    for source in (folder / copied.name for copied in (folder / CODE).glob("*.py")):
        if source.is_file() and filecmp.cmp(source, folder / CODE / source.name, shallow=False):
            source.unlink()


def _is_beside(folder: Path, name: Any) -> bool:
    """Tell whether a class of an `auto_map` is in a file beside the weights."""
    return isinstance(name, str) and "/" not in name and (folder / f"{name.split('.')[0]}.py").is_file()
