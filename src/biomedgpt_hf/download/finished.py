"""Whether a file is already there, as it was downloaded."""

from __future__ import annotations

from pathlib import Path

from biomedgpt_hf.disk.provenance import read_download_entry
from biomedgpt_hf.download.checksums import ExpectedContent, digests, parse_checksum
from biomedgpt_hf.download.patient_client import DownloadError


def is_there(path: Path, checksum: str | None = None) -> bool:
    """Tell whether a file is on record as downloaded, and still as it was then.

    Args:
        path: the file.
        checksum: what it has to have besides; see `checksums.parse_checksum`.

    Raises:
        DownloadError: it is on record, but was changed since.
    """
    entry = read_download_entry(path)
    if entry is None or not path.is_file():
        return False
    required = parse_checksum(checksum, "") if checksum else ExpectedContent()
    found = digests(path, ["sha256", required.kind])
    if found["sha256"] != entry.get("sha256"):
        raise DownloadError(
            f"{path} was changed after it was downloaded ({entry.get('downloaded')}): move it away and run the same "
            "command again, or pass it as SOURCE."
        )
    return not required.unlike(path.stat().st_size, found)
