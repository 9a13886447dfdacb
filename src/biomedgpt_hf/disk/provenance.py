"""Where downloaded files come from: `downloads.json`, kept in the folder beside them.

    {"files": {NAME: {"url": …, "downloaded": …, "sha256": …, "bytes": …, "license": …, …}}}

`recorded_download` gives the entry of a file, for a set's manifest.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from biomedgpt_hf.disk.replacing import write_json

RECORD = "downloads.json"
# What a manifest says of a source beyond its name, size and checksum.
PROVENANCE = ("url", "final_url", "downloaded", "release", "etag", "last_modified", "verified", "license")


def read_entry(path: Path) -> dict[str, Any] | None:
    """Return what `downloads.json` beside a file says about it, or None.

    Raises:
        ValueError: a file of that name is there, but another program wrote it.
    """
    return _read(path.parent / RECORD).get(path.name)


def write_entry(path: Path, entry: dict[str, Any] | None) -> None:
    """Put a file's entry into `downloads.json` beside it, or take it out; facts that are unknown are left out."""
    record = path.parent / RECORD
    files = _read(record)
    files.pop(path.name, None)
    if entry is not None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        known = {key: value for key, value in entry.items() if value not in (None, "")}
        files[path.name] = {"downloaded": now, **known}
    write_json(record, {"files": dict(sorted(files.items()))})


def recorded_download(path: Path, sha256: str) -> dict[str, Any]:
    """Return where a file was downloaded from, when and in which edition; empty if that is not known.

    Args:
        path: the file.
        sha256: its checksum, as it is now: an entry about other content is not this file's.
    """
    try:
        entry = read_entry(Path(path))
    except (OSError, ValueError):  # somebody else's file of that name: not ours to read
        return {}
    if entry is None or entry.get("sha256") != sha256:
        return {}
    return {key: entry[key] for key in PROVENANCE if key in entry}


def _read(record: Path) -> dict[str, Any]:
    try:
        files = json.loads(record.read_text("utf-8"))["files"]
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, KeyError):
        files = None
    if not isinstance(files, dict) or not all(isinstance(entry, dict) for entry in files.values()):
        raise ValueError(f"{record} is not a list of downloads as this program writes it: move it away.")
    return files
