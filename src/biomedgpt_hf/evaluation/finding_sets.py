"""Sets by folder or Hub id, and what is known of them beside their rows: name, manifest, licences."""

from __future__ import annotations

import json
import re
from os import PathLike
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download

from biomedgpt_hf.evaluation.safety.questions import is_safety_set, safety_rows
from biomedgpt_hf.evaluation.set_rows import chosen_split
from biomedgpt_hf.neighbours.known_items import set_files
from biomedgpt_hf.rows.depositors import read_depositors
from biomedgpt_hf.rows.licenses import license_of
from biomedgpt_hf.rows.schema import UNKNOWN_LICENSE

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
FILES = ("README.md", "manifest.json", "data/*.parquet")  # of a set on the Hub
PACKAGE_LICENSE = "Apache-2.0"  # of the safety set, which is a file of this package
CACHED = "datasets--"  # begins the name of a data set's folder in huggingface_hub's cache: datasets--OWNER--NAME


def find_set(source: str | PathLike) -> Path:
    """Return the folder of a set; one on the Hub is fetched into huggingface_hub's cache.

    Args:
        source: a folder or file, or OWNER/NAME of a dataset repository. A folder of that name comes first.

    Returns:
        the folder, or the source itself where it cannot be a Hub id, whether or not there is such a folder.

    Raises:
        OSError: there is no such folder, and the Hub has no such set or cannot be reached.
    """
    path = Path(source)
    if path.exists() or not HUB_ID.fullmatch(str(source)):
        return path
    try:
        return Path(snapshot_download(str(source), repo_type="dataset", allow_patterns=list(FILES)))
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise FileNotFoundError(
            f"{source}: there is no such folder, and no such set can be had from the Hub ({reason})."
        ) from error


def set_name(folder: Path) -> str:
    """Return how results call a set: its Hub id, or its folder's name."""
    folder = Path(folder).absolute()
    repository = folder.parent.parent.name
    if folder.parent.name == "snapshots" and repository.startswith(CACHED):
        return repository.removeprefix(CACHED).replace("--", "/", 1)
    return folder.resolve().name


def set_manifest(folder: Path) -> dict[str, Any]:
    """Return what `biomedgpt data` wrote about a set; empty where there is nothing."""
    try:
        manifest = json.loads((Path(folder) / "manifest.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def set_title(folder: Path) -> str:
    """Return the name that a set's builder gave it, or "" where it has no manifest."""
    return str(set_manifest(folder).get("name", ""))


def scored_depositors(source: str | PathLike, split: str | None, rows: int = 0) -> list[dict[str, Any]]:
    """Return who the rows come from that an evaluation asks, with their licences.

    Args:
        source: a set's folder or Hub id, a file of questions, or the name of the safety set.
        split: as the evaluation takes it.
        rows: how many are asked, where the source does not tell.

    Returns:
        "source", "license" and "rows" of each; a file's licence is unknown.
    """
    if is_safety_set(source):
        return [{"source": "biomedgpt_hf", "license": PACKAGE_LICENSE, "rows": len(safety_rows())}]
    folder = find_set(source)
    if folder.is_dir():
        inferred = set_manifest(folder).get("inferred_licenses", ())
        found = read_depositors(set_files(folder, [split or chosen_split(folder)]))
        return [{**one, "license": license_of(one, inferred)[0]} for one in found]
    return [{"source": set_name(folder), "license": UNKNOWN_LICENSE, "rows": rows}]
