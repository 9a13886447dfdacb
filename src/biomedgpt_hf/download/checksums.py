"""What a downloaded file has to be: checksums from the catalogue and from publishers' checksum files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

# "git" is the id that git gives a file's content (sha1 over a header and the content).
LENGTHS = {"sha256": 64, "git": 40, "md5": 32}


class ExpectedContent(NamedTuple):
    """What is known of a file before it is fetched.

    Attributes:
        kind: "sha256", "git", "md5", or "" where no checksum is known.
        digest: in lower-case hexadecimal.
        origin: who says so.
        size: in bytes, or None.
        release: the publisher's name for this edition, such as "2026_03", or "".
    """

    kind: str = ""
    digest: str = ""
    origin: str = ""
    size: int | None = None
    release: str = ""

    def unlike(self, size: int, found: Mapping[str, str]) -> str:
        """Return how a file of `size` bytes with the digests `found` differs, naming both; "" if it does not."""
        if self.size is not None and size != self.size:
            return f"it has {size} bytes instead of {self.size} (by {self.origin})"
        if self.kind and found[self.kind] != self.digest:
            return f"its {self.kind} is {found[self.kind]} instead of {self.digest} (by {self.origin})"
        return ""

    def how_verified(self, otherwise: str) -> str:
        """Return what a file that agrees was checked by; `otherwise` where no checksum is known."""
        return f"{self.kind} by {self.origin}" if self.kind else otherwise


def parse_checksum(text: str, origin: str) -> ExpectedContent:
    """Read "sha256:…", "git:…" or "md5:…".

    Raises:
        ValueError: it is none of them.
    """
    kind, _, digest = text.partition(":")
    if not re.fullmatch(rf"[0-9a-fA-F]{{{LENGTHS.get(kind, 0)}}}", digest) or not digest:
        raise ValueError(f"Checksum {text!r} is none of sha256:…, git:… and md5:… in hexadecimal.")
    return ExpectedContent(kind, digest.lower(), origin)


def read_published(content: bytes, name: str, origin: str) -> ExpectedContent | None:
    """Find a file in a publisher's checksum file: a metalink, or lines as md5sum and sha256sum write them.

    UniProt's RELEASE.metalink (https://www.uniprot.org/help/metalink) names size and MD5 of every file
    of a folder, and the release; metalinks of versions 3 and 4 are read, in any namespace. NCBI's
    NAME.md5 holds one line: the digest, then perhaps the file's path.

    Args:
        content: of the checksum file.
        name: of the file that is looked for.
        origin: URL of the checksum file.

    Returns:
        What it says, or None if it does not name the file or is something else.
    """
    if content.lstrip()[:1] == b"<":
        try:
            return _read_metalink(ElementTree.fromstring(content), name, origin)
        except ElementTree.ParseError:
            return None
    lines = [line for line in content.decode("utf-8", "replace").splitlines() if line.strip()]
    naming = [line for line in lines if name in re.split(r"[\s*()/]+", line)]
    if not naming and len(lines) == 1 and len(lines[0].split()) == 1:
        naming = lines  # the file holds nothing but the digest
    for word in (word for line in naming for word in line.split()):
        for kind in ("sha256", "md5"):
            if re.fullmatch(rf"[0-9a-fA-F]{{{LENGTHS[kind]}}}", word):
                return ExpectedContent(kind, word.lower(), origin)
    return None


def _read_metalink(root: ElementTree.Element, name: str, origin: str) -> ExpectedContent | None:
    for file in root.iterfind(".//{*}file"):
        if file.get("name", "").split("/")[-1] != name:
            continue
        hashes = {_kind(hash): (hash.text or "").strip().lower() for hash in file.iterfind(".//{*}hash")}
        kind = next((kind for kind in ("sha256", "md5") if len(hashes.get(kind, "")) == LENGTHS[kind]), "")
        size = file.findtext("{*}size", "").strip()
        release = file.findtext("{*}version") or root.findtext("{*}version") or ""
        return ExpectedContent(
            kind, hashes.get(kind, ""), origin, int(size) if size.isdecimal() else None, release.strip()
        )
    return None


def _kind(hash: ElementTree.Element) -> str:
    return hash.get("type", "").lower().replace("-", "")


def digests(path: Path, kinds: Iterable[str]) -> dict[str, str]:
    """Return the digests of a file by kind."""
    return {kind: _digest(path, kind) for kind in set(kinds) - {""}}


def _digest(path: Path, kind: str) -> str:
    start = hashlib.sha1(b"blob %d\0" % path.stat().st_size) if kind == "git" else hashlib.new(kind)
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: start).hexdigest()
