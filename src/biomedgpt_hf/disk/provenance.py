"""Where downloaded files come from: `downloads.json`, kept in the folder beside them.

    {"files": {NAME: {"url": …, "downloaded": …, "sha256": …, "bytes": …, "license": …, …}}}

`recorded_download` gives the entry of a file, for a set's manifest.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict, cast

from biomedgpt_hf.disk.replacing import write_json

RECORD = "downloads.json"
# What a manifest says of a source beyond its name, size and checksum.
PROVENANCE = ("url", "final_url", "downloaded", "release", "etag", "last_modified", "verified", "license")


class DownloadEntry(TypedDict, total=False):
    """What `downloads.json` says of a file; facts that are unknown are left out.

    Attributes:
        url: where it was asked for.
        final_url: where redirects led.
        downloaded: when, in UTC.
        release: the publisher's name for this edition.
        etag: as the server sent it.
        last_modified: as the server sent it.
        bytes: its size.
        sha256: its checksum.
        verified: what it was checked by, such as "md5 by https://…".
        license: SPDX id, or where the terms are.
        heading: of a page of PubChem's annotations, the heading.
        page: the page's number, from 1.
        pages: how many pages there were.
    """

    url: str
    final_url: str | None
    downloaded: str
    release: str
    etag: str | None
    last_modified: str | None
    bytes: int
    sha256: str
    verified: str
    license: str
    heading: str
    page: int
    pages: int


def read_download_entry(path: Path) -> DownloadEntry | None:
    """Return what `downloads.json` beside a file says about it, or None.

    Raises:
        ValueError: a file of that name is there, but another program wrote it.
    """
    return _read(path.parent / RECORD).get(path.name)


def write_download_entry(path: Path, entry: DownloadEntry | None) -> None:
    """Put a file's entry into `downloads.json` beside it, or take it out; facts that are unknown are left out."""
    record = path.parent / RECORD
    files = _read(record)
    files.pop(path.name, None)
    if entry is not None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        known = {key: value for key, value in entry.items() if value not in (None, "")}
        files[path.name] = cast(DownloadEntry, {"downloaded": now, **known})
    write_json(record, {"files": dict(sorted(files.items()))})


def recorded_download(path: Path, sha256: str) -> dict[str, object]:
    """Return where a file was downloaded from, when and in which edition; empty if that is not known.

    Args:
        path: the file.
        sha256: its checksum, as it is now: an entry about other content is not this file's.
    """
    try:
        entry = read_download_entry(Path(path))
    except (OSError, ValueError):  # another program wrote a file of that name
        return {}
    if entry is None or entry.get("sha256") != sha256:
        return {}
    return {key: value for key, value in entry.items() if key in PROVENANCE}


def _read(record: Path) -> dict[str, DownloadEntry]:
    try:
        files = json.loads(record.read_text("utf-8"))["files"]
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, KeyError):
        files = None
    if not isinstance(files, dict) or not all(isinstance(entry, dict) for entry in files.values()):
        raise ValueError(f"{record} is not a list of downloads as this program writes it: move it away.")
    return files
