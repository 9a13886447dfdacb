"""What every manifest tells: of the files that were read, and of the versions that read them."""

from __future__ import annotations

import hashlib
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from biomedgpt_hf.disk.checksums import sha256_of
from biomedgpt_hf.disk.paths import existing_file
from biomedgpt_hf.disk.provenance import recorded_download


def versions(*distributions: str) -> dict[str, str]:
    """Return the versions of Python and of these distributions, of each that is installed, by name."""
    found = {"python": platform.python_version()}
    for name in distributions:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def describe_source(path: Path, role: str = "rows") -> dict[str, Any]:
    """Return what the manifest tells of a source file, or of the folder of a set that was built here.

    That is its name, role, size in bytes, sha256 (of a set: of its Parquet files' digests) and date
    of last change (UTC); and, of a file that `download.transfer` fetched, where it came from and when.

    Raises:
        OSError: the file is missing, or a folder without a set.
    """
    path = Path(path)
    files = sorted(path.glob("data/*.parquet")) or [existing_file(path)]
    digests = [sha256_of(file) for file in files]
    status = [file.stat() for file in files]
    modified = datetime.fromtimestamp(max(entry.st_mtime for entry in status), UTC)
    return {
        "file": path.name,
        "role": role,
        "bytes": sum(entry.st_size for entry in status),
        "sha256": digests[0] if path.is_file() else hashlib.sha256("".join(digests).encode()).hexdigest(),
        "modified": modified.isoformat(timespec="seconds"),
        **recorded_download(path, digests[0]),
    }
