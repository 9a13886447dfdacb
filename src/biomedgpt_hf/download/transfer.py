"""`--download`: public files over HTTP, whole, checked and on record.

    biomedgpt data uniprotqa --download --download-folder DIR --output uniprotqa

A transfer that was cut off, by the server, by Ctrl-C or with the machine, goes on where it was (see
`unfinished_file`). A file gets its name only when it is whole and its checksum is right, and is not fetched
again then. Where it came from stands in `downloads.json` beside it (see `provenance`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import httpx2
from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from biomedgpt_hf.disk import provenance
from biomedgpt_hf.disk.replacing import replace_file
from biomedgpt_hf.download.checksums import ExpectedContent, digests, parse_checksum, read_published
from biomedgpt_hf.download.finished import is_there
from biomedgpt_hf.download.patient_client import (
    DownloadError,
    Patience,
    PatientClient,
    TemporaryError,
    describe_network_error,
    fetch_by_hand,
    require_success,
)
from biomedgpt_hf.download.unfinished_file import ServerFacts, UnfinishedFile
from biomedgpt_hf.files.sources import GZIP_MAGIC

MEANINGFUL = 2**20  # bytes; an attempt that brings as many is no failure, however it ends
logger = logging.getLogger(__name__)


class RemoteSource(Protocol):
    """Something that can be downloaded: one file, a file on the Hugging Face Hub, a listing in pages."""

    def fetch(self, folder: Path, client: PatientClient, progress: bool) -> list[Path]:
        """Return the finished files."""

    def moved(self, mirrors: Mapping[str, str]) -> RemoteSource:
        """Return the same at other addresses, by their beginnings."""


@dataclass(frozen=True)
class RemoteFile:
    """A file that is served under a URL.

    Attributes:
        name: of the file in the folder.
        url: http or https.
        checksum: "sha256:…", "git:…" (the id that git gives the content) or "md5:…"; for what never changes.
        checksum_url: of the publisher's checksum file (see `checksums.read_published`). Where neither is
            known, only the length is checked.
        license: SPDX id, or where the terms are.
        release: name of a fixed edition, such as a commit.
        by_hand: where the file can be had with a browser.
    """

    name: str
    url: str
    checksum: str | None = None
    checksum_url: str | None = None
    license: str = "unknown"
    release: str = ""
    by_hand: str = ""

    def __post_init__(self) -> None:
        if self.name in ("", "..") or Path(self.name).name != self.name:
            raise ValueError(f"{self.name!r} is no file name: it may not lead out of the folder.")

    def moved(self, mirrors: Mapping[str, str]) -> RemoteFile:
        """Return the same file at a mirror; see `catalogue.fetch_sources`."""
        checksum_url = self.checksum_url and mirrored(self.checksum_url, mirrors)
        return replace(self, url=mirrored(self.url, mirrors), checksum_url=checksum_url)

    def fetch(self, folder: Path, client: PatientClient, progress: bool) -> list[Path]:
        """Return the path of the file, fetched if it is not there.

        Raises:
            OSError: see `download`.
        """
        path = folder / self.name
        if is_there(path, self.checksum):
            return [path]
        if path.exists():
            self._adopt(path, self._expected(client))
            return [path]
        wrong = ""
        hidden = None if progress else True  # None shows the bar on a terminal only
        with tqdm(desc=self.name, unit="B", unit_scale=True, unit_divisor=1024, disable=hidden) as bar:
            for _ in range(2):  # a wrong checksum may come from the transfer, so a second try is worth it
                expected = self._expected(client)
                wrong = self._transfer(path, expected, client, bar) or self._finish(path, expected)
                if not wrong:
                    return [path]
        raise DownloadError(
            f"{self.url} was fetched twice and is not what it should be: {wrong}. {fetch_by_hand(self.by_hand)}"
        )

    def _adopt(self, path: Path, expected: ExpectedContent) -> None:
        """Put a file on record that was there before; it is never overwritten."""
        found = digests(path, ["sha256", expected.kind])
        wrong = expected.unlike(path.stat().st_size, found)
        if wrong or not expected.kind:
            raise DownloadError(
                f"{path} was not downloaded by this program, and {wrong or 'no checksum is known to check it by'}: "
                "move it away and run the same command again, or pass it as SOURCE."
            )
        self._record(path, path.stat().st_size, found, expected, ServerFacts(self.url))

    def _expected(self, client: PatientClient) -> ExpectedContent:
        if self.checksum:
            return parse_checksum(self.checksum, "this program's catalogue")
        if not self.checksum_url:
            return ExpectedContent()
        try:
            content = client.read(self.checksum_url)
        except DownloadError as error:
            if isinstance(error.__cause__, TemporaryError):
                raise DownloadError(f"{self.url}: its checksum is out of reach for now. {error}") from error
            logger.warning("%s: only its length is checked, for its checksum is not to be had. %s", self.name, error)
            return ExpectedContent()
        expected = read_published(content, self.name, self.checksum_url)
        if expected is None or not expected.kind:
            logger.warning("%s: only its length is checked, for %s has none of it.", self.name, self.checksum_url)
        return expected or ExpectedContent()

    def _transfer(self, path: Path, expected: ExpectedContent, client: PatientClient, bar: tqdm) -> str:
        """Bring the unfinished file to its end; return why that is in vain, or ""."""
        part = UnfinishedFile(path)
        farthest = part.size

        def attempt() -> str:
            nonlocal farthest
            try:
                return self._attempt(part, expected, client, bar)
            except (httpx2.NetworkError, httpx2.TimeoutException, httpx2.RemoteProtocolError) as error:
                before, farthest = farthest, max(farthest, part.size)
                if farthest == before:
                    raise  # nothing came, and `keep_trying` knows what that means
                progress = farthest - before >= MEANINGFUL
                raise TemporaryError(
                    f"cut off after {part.size} bytes ({describe_network_error(error)})", progress=progress
                ) from error

        return client.keep_trying(self.url, attempt)

    def _attempt(self, part: UnfinishedFile, expected: ExpectedContent, client: PatientClient, bar: tqdm) -> str:
        # If the server packed the file for the transfer, its length and positions in it would mean nothing.
        headers = {"Accept-Encoding": "identity", **part.range_headers(self.url)}
        with client.get(self.url, headers) as response:
            if response.status_code == 416 and "Range" in headers:
                if part.is_whole_by(response):
                    return ""
                part.remove()
                raise TemporaryError("the server has no rest of this file")
            require_success(response, self.by_hand)
            start = part.start(self.url, response)
            total = part.facts.total
            if total is not None and expected.size not in (None, total):
                part.remove()
                return f"it has {total} bytes instead of {expected.size} (by {expected.origin})"
            part.require_space()
            bar.total, bar.initial, bar.n = total, start, start
            part.write(response.iter_raw(), start, bar)
        if total is not None and part.size != total:
            raise TemporaryError(f"it ended after {part.size} of {total} bytes")
        return ""

    def _finish(self, path: Path, expected: ExpectedContent) -> str:
        """Check the whole file and give it its name; return what is wrong with it, or ""."""
        part = UnfinishedFile(path)
        found = digests(part.path, ["sha256", expected.kind])
        wrong = expected.unlike(part.size, found)
        if not wrong and not expected.kind:
            wrong = self._implausible(part)
        if wrong:
            part.remove()
            return wrong
        # The record is written first: a run that is killed after it leaves a whole part, and the next one repeats both.
        self._record(path, part.size, found, expected, part.facts)
        replace_file(part.path, path)
        part.close()
        return ""

    def _implausible(self, part: UnfinishedFile) -> str:
        """Return why a file without a checksum cannot be the right one, or ""."""
        if part.facts.total is None:
            logger.warning("%s: nothing is known of it, its length neither, to check it by.", self.url)
        with part.path.open("rb") as file:
            start = file.read(20)
        # A server in trouble may well say 200 and send a page about it.
        packed = not self.name.endswith(".gz") or start.startswith(GZIP_MAGIC)
        return "" if packed else f"it begins with {start!r}, as no gzip file does"

    def _record(
        self, path: Path, size: int, found: Mapping[str, str], expected: ExpectedContent, facts: ServerFacts
    ) -> None:
        entry: provenance.DownloadEntry = {
            "url": facts.url,
            "final_url": facts.final_url,
            "etag": facts.etag,
            "last_modified": facts.last_modified,
            "release": self.release or expected.release,
            "bytes": size,
            "sha256": found["sha256"],
            "verified": expected.how_verified("nothing" if facts.total is None else "length"),
            "license": self.license,
        }
        provenance.write_download_entry(path, entry)


def download(
    files: Sequence[RemoteSource], folder: Path, *, progress: bool = True, patience: Patience | None = None
) -> list[Path]:
    """Fetch files into a folder, one after the other; what is there and right is not fetched again.

    Args:
        files: what to fetch.
        folder: is made if need be. One run at a time may use it.
        progress: show a bar of bytes per file (only on a terminal).
        patience: how long to try.

    Returns:
        The files in their order; those of a listing in the order of its pages.

    Raises:
        DownloadError: a file cannot be had, or has a wrong checksum twice.
        OSError: the folder cannot be written, or its disk is full.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with alone_in(folder), PatientClient(patience or Patience()) as client:
        return [path for file in files for path in file.fetch(folder, client, progress)]


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep a second download out of a folder; the lock ends with the process, however it ends.

    Raises:
        DownloadError: one is running.
    """
    try:
        with FileLock(folder / ".download.lock", timeout=0):
            yield
    except Timeout as error:
        raise DownloadError(
            f"{folder}: another download into this folder is running. Wait, or choose another."
        ) from error


def mirrored(url: str, mirrors: Mapping[str, str]) -> str:
    """Return a URL with the longest beginning that `mirrors` knows replaced."""
    known = [old for old in mirrors if url == old or url.startswith(old.rstrip("/") + "/")]
    old = max(known, key=len, default="")
    return mirrors[old].rstrip("/") + url[len(old.rstrip("/")) :] if old else url
