"""A file that is not yet whole: `NAME.part`, and in `NAME.part.json` what the server said of it.

An interrupted transfer goes on at the end of NAME.part, but only if the server confirms that it still
has the same file: the validator (RFC 9110, §13.1.5) goes along as `If-Range`, and what comes back is
compared as well. A file that changed in between is fetched from its beginning and never mixed.
"""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import httpx2
from tqdm.auto import tqdm

from biomedgpt_hf.disk.space import missing_space
from biomedgpt_hf.download.patient_client import TemporaryError

MARGIN = 16 * 2**20  # bytes to leave free on the disk
CONTENT_RANGE = re.compile(r"bytes\s+(?:(\d+)-(\d+)|\*)/(\d+|\*)", re.IGNORECASE)
FULL = (errno.ENOSPC, errno.EDQUOT)


class ServerFacts(NamedTuple):
    """What a server said of a file.

    Attributes:
        url: where the file was asked for.
        final_url: where redirects led, or None without one.
        etag: as the header of that name.
        last_modified: as the header of that name.
        total: bytes of the whole file, or None.
    """

    url: str = ""
    final_url: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    total: int | None = None

    def agree_with(self, response: httpx2.Response) -> bool:
        """Tell whether a later answer says nothing else of the file's edition, as far as it says anything."""
        said = ((response.headers.get("ETag"), self.etag), (response.headers.get("Last-Modified"), self.last_modified))
        return all(now in (None, before) for now, before in said)


class UnfinishedFile:
    """The unfinished file of one target.

    Attributes:
        path: where its bytes are.
        facts: what the server said of it.
    """

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(f"{target.name}.part")
        self._side = target.with_name(f"{target.name}.part.json")
        try:
            self.facts = ServerFacts(**json.loads(self._side.read_text("utf-8")))
        except (FileNotFoundError, ValueError, TypeError):  # there are none yet, or writing them was cut off
            self.facts = ServerFacts()

    def range_headers(self, url: str) -> dict[str, str]:
        """Return the headers that ask for the rest of the file; none if it has to be fetched whole."""
        validator = strong_validator(self.facts)
        if not self.size or not validator or self.facts.url != url:
            return {}
        return {"Range": f"bytes={self.size}-", "If-Range": validator}

    @property
    def size(self) -> int:
        """How many bytes are there."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def is_whole_by(self, response: httpx2.Response) -> bool:
        """Tell whether a 416 ("range not satisfiable") means that nothing is missing."""
        _, total = content_range(response)
        return total == self.size and self.facts.agree_with(response)

    def start(self, url: str, response: httpx2.Response) -> int:
        """Return the position at which the body of a response with status 200 or 206 belongs.

        Raises:
            TemporaryError: nowhere; what was there is thrown away, and the next attempt starts anew.
        """
        if response.status_code == 206:
            first, total = content_range(response)
            if first != self.size or total not in (None, self.facts.total) or not self.facts.agree_with(response):
                self.remove()
                raise TemporaryError("the server sent something else than the rest of the file")
            return first
        length = response.headers.get("Content-Length", "")
        self.remove()  # before the new facts are written, so that they never stand beside the old bytes
        self.facts = ServerFacts(
            url=url,
            final_url=str(response.url) if str(response.url) != url else None,
            etag=response.headers.get("ETag"),
            last_modified=response.headers.get("Last-Modified"),
            total=int(length) if length.isdecimal() else None,
        )
        self._side.write_text(json.dumps(self.facts._asdict()), encoding="utf-8")
        return 0

    def require_space(self) -> None:
        """Check that the rest of the file has room.

        Raises:
            OSError: it has not.
        """
        if (total := self.facts.total) is not None:
            if missing := missing_space(self.path, total - self.size + MARGIN):
                raise self._disk_full(missing)

    def write(self, chunks: Iterable[bytes], start: int, bar: tqdm) -> None:
        """Write a response's body; `start` is what the method of that name returned: 0, or the end of what is there.

        Raises:
            OSError: the disk is full.
            httpx2.TransportError: the body ended too early; what came is kept.
        """
        try:
            with self.path.open("ab" if start else "wb") as file:
                for chunk in chunks:
                    file.write(chunk)
                    bar.update(len(chunk))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            if error.errno not in FULL:
                raise
            total = self.facts.total
            need = f"{total - start} bytes more were needed" if total else "its length is not known"
            raise self._disk_full(f"the disk is full; {need}") from error

    def remove(self) -> None:
        """Throw away what is there."""
        self.path.unlink(missing_ok=True)
        self._side.unlink(missing_ok=True)

    def close(self) -> None:
        """Throw away what the server said, when the file is finished."""
        self._side.unlink(missing_ok=True)

    def _disk_full(self, problem: str) -> OSError:
        told = f"No room for it: {problem}. Make room and run the same command again; what has been fetched is kept"
        return OSError(errno.ENOSPC, told, str(self.path))


def strong_validator(facts: ServerFacts) -> str | None:
    """Return the ETag, if it is a strong one, else the date of the last change, else None."""
    return facts.etag if (facts.etag or "").startswith('"') else facts.last_modified


def content_range(response: httpx2.Response) -> tuple[int | None, int | None]:
    """Return first position and total length that `Content-Range` states; None what it leaves open."""
    found = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    if not found:
        return None, None
    return (int(found[1]) if found[1] else None), (int(found[3]) if found[3] != "*" else None)
