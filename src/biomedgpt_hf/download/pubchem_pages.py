"""PubChem's annotations of one heading, page by page, within the limits that PubChem sets.

    …/rest/pug_view/annotations/heading/JSON?heading=Record+Description&heading_type=Compound&page=N

PUG-View (Kim et al. 2019, doi:10.1186/s13321-019-0375-2) gives all annotations of a heading in pages
(of 1,000, users say): {"Annotations": {"Annotation": […], "Page": N, "TotalPages": M}}. No bulk file of
them is known here. PubChem allows five requests a second and 400 a minute, and says in a header of each answer how
near a client is to the limits (https://pubchem.ncbi.nlm.nih.gov/docs/dynamic-request-throttling):

    X-Throttling-Control: Request Count status: Green (0%), Request Time status: Green (0%), Service status: Green (20%)

Green is below 50 % of the limit, Yellow to 75 %, Red above; at Black requests are refused with HTTP
503 and {"Fault": {"Code": "PUGVIEW.ServerBusy", "Message": …}}, often with Retry-After, and the header
may end in "too many requests per second or blacklisted". The fault code counts, not the status: users
report that a busy PubChem sends it with 200 and 404 too. How long to wait at each colour it does not say.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
from tqdm.auto import tqdm

from biomedgpt_hf.disk import provenance
from biomedgpt_hf.disk.replacing import replace_file
from biomedgpt_hf.download.checksums import digests
from biomedgpt_hf.download.finished import is_there
from biomedgpt_hf.download.patient_client import (
    DownloadError,
    Patience,
    PatientClient,
    TemporaryError,
    limit_size,
    require_success,
    retry_after,
)
from biomedgpt_hf.download.transfer import mirrored

INTERVAL = 0.25  # seconds between requests: within five a second and 400 a minute, whatever the network's jitter
# Seconds until the next request at each colour, from good to bad. PubChem names none, so these are a choice.
WAITS = {"green": INTERVAL, "yellow": 1.0, "red": 10.0, "black": 60.0}
STATUS = re.compile(r"([\w ]+?) status:\s*(\w+)\s*\((\d+)%\)", re.IGNORECASE)
BLOCKED = re.compile(r"blacklist|blocking|too many requests", re.IGNORECASE)
TRANSIENT = {"ServerBusy", "ServerError", "Timeout"}  # what follows the dot in a fault's code
CHANGES = 3  # how often PubChem may renew the listing while it is fetched


class NoSuchPageError(DownloadError):
    """A page beyond the last one of a listing."""


class Throttling(NamedTuple):
    """What `X-Throttling-Control` says: the worst of its colours, in lower case, with its percentage."""

    colour: str
    percent: int


def read_throttling(header: str | None) -> Throttling | None:
    """Read `X-Throttling-Control`; None if it is absent or says nothing that is known."""
    order = list(WAITS)
    found = [(colour.lower(), int(percent)) for _, colour, percent in STATUS.findall(header or "")]
    # A colour that is not known is taken for yellow.
    said = [Throttling(colour if colour in order else "yellow", percent) for colour, percent in found]
    if BLOCKED.search(header or ""):
        said.append(Throttling("black", max((percent for _, percent in found), default=100)))
    return max(said, key=lambda one: (order.index(one.colour), one.percent), default=None)


class RequestPace:
    """When the next request may start."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._next = patience.clock()

    def wait(self) -> None:
        """Wait until the next request may start, and count it as started."""
        if (left := self._next - self._patience.clock()) > 0:
            self._patience.sleep(left)
        self._next = self._patience.clock() + INTERVAL

    def heed(self, response: httpx2.Response) -> None:
        """Put the next request off as an answer asks."""
        said = read_throttling(response.headers.get("X-Throttling-Control"))
        if said and said.colour != "green":
            self._next = max(self._next, self._patience.clock() + WAITS[said.colour])


@dataclass(frozen=True)
class AnnotationPages:
    """All annotations under one heading; they become DIRECTORY/page-00001.json.gz and so on.

    Attributes:
        directory: name of their folder.
        url: of PUG-View's list of annotations by heading, without parameters.
        heading: exact, such as "Record Description".
        heading_type: such as "Compound".
        license: where the terms are; each annotation names its own source.
    """

    directory: str
    url: str
    heading: str
    heading_type: str = "Compound"
    license: str = "unknown"

    def moved(self, mirrors: Mapping[str, str]) -> AnnotationPages:
        """Return the same listing at a mirror."""
        return replace(self, url=mirrored(self.url, mirrors))

    def fetch(self, folder: Path, client: PatientClient, progress: bool) -> list[Path]:
        """Return the pages in order; those that are there are not fetched again.

        Pages of another state of the listing, told by another number of pages in all, are fetched
        again. If PubChem changes a listing without changing that number between an interrupted run and
        its continuation, an annotation can be missed or come twice: `downloads.json` dates each page.

        Raises:
            DownloadError: a page cannot be had, was changed, or the listing does not hold still.
        """
        folder = folder / self.directory
        folder.mkdir(exist_ok=True)
        kept = self._kept(folder)
        total, changes, pace = next(iter(kept.values()), 0), 0, RequestPace(client.patience)
        with tqdm(desc=self.directory, unit="page", disable=None if progress else True) as bar:
            while (number := first_missing(kept, total)) is not None:
                get = partial(self._get, number, folder, client, pace)
                try:
                    kept[number] = stated = client.keep_trying(self._page(number), get)
                except NoSuchPageError:
                    kept, stated = {}, 0  # there are fewer pages than there were, so all are fetched again
                changes += total not in (0, stated)
                if changes > CHANGES:
                    raise DownloadError(
                        f"{self._page(number)} changes while it is fetched: run the command again later."
                    )
                total = stated
                bar.total, bar.n = total, sum(value == total for value in kept.values())
                bar.refresh()
        self._remove_beyond(total, folder)
        return [_path(folder, number) for number in range(1, total + 1)]

    def _remove_beyond(self, total: int, folder: Path) -> None:
        """Remove pages of an earlier and longer listing."""
        for path in folder.glob("page-*.json.gz"):
            if (provenance.read_download_entry(path) or {}).get("page", 0) > total:
                path.unlink()
                provenance.write_download_entry(path, None)

    def _kept(self, folder: Path) -> dict[int, int]:
        """Return the pages that are there, by number, with the number of pages that each states."""
        kept = {}
        for path in sorted(folder.glob("page-*.json.gz")):
            entry = provenance.read_download_entry(path)
            if entry and is_there(path) and entry.get("heading") == self.heading:
                kept[entry["page"]] = entry["pages"]
        return kept

    def _page(self, number: int) -> str:
        parameters = {"heading": self.heading, "heading_type": self.heading_type, "page": str(number)}
        return f"{self.url}?{httpx2.QueryParams(parameters)}"

    def _get(self, number: int, folder: Path, client: PatientClient, pace: RequestPace) -> int:
        """Fetch and save a page; return how many pages it says there are."""
        pace.wait()
        with client.get(self._page(number)) as response:
            pace.heed(response)
            content = b"".join(limit_size(response.iter_bytes(), self._page(number)))
        pages = read_page(response, content, number)
        path = _path(folder, number)
        new = path.with_name(f"{path.name}.part")
        new.write_bytes(gzip.compress(content, mtime=0))
        entry: provenance.DownloadEntry = {
            "url": self._page(number),
            "final_url": str(response.url) if str(response.url) != self._page(number) else None,
            "heading": self.heading,
            "page": number,
            "pages": pages,
            "bytes": new.stat().st_size,
            "sha256": digests(new, ["sha256"])["sha256"],
            "verified": "whole JSON page",
            "license": self.license,
        }
        provenance.write_download_entry(path, entry)
        replace_file(new, path)
        return pages


def first_missing(kept: Mapping[int, int], total: int) -> int | None:
    """Return the first page that is not there, or not of a listing of `total` pages (0: not known yet)."""
    return next((number for number in range(1, max(total, 1) + 1) if not total or kept.get(number) != total), None)


def read_page(response: httpx2.Response, content: bytes, number: int) -> int:
    """Return how many pages there are, by a whole page with the number asked for.

    Raises:
        TemporaryError: PubChem is busy, or sent something else or less.
        NoSuchPageError: there are fewer pages by now.
        DownloadError: another fault that another attempt would not mend.
    """
    try:
        data: Any = json.loads(content)
    except ValueError:
        data = None  # the answer is an HTML document, or half a page
    fault = data.get("Fault") if isinstance(data, dict) else None
    if isinstance(fault, dict):
        reason = f"HTTP {response.status_code}, {fault.get('Code')}: {fault.get('Message')}"
        if str(fault.get("Code")).split(".")[-1] in TRANSIENT:
            raise TemporaryError(reason, retry_after(response.headers))
        if str(fault.get("Code")).endswith(".NotFound") and number > 1:
            raise NoSuchPageError(reason)
        if response.status_code < 500:
            raise DownloadError(
                f"Cannot fetch {response.url}: {reason}. Fetch the pages by hand and pass them as SOURCE."
            )
    require_success(response)
    page = data.get("Annotations") if isinstance(data, dict) else None
    if not isinstance(page, dict) or not isinstance(page.get("Annotation"), list):
        raise TemporaryError("the answer is no whole page of annotations")
    if page.get("Page") != number or not isinstance(page.get("TotalPages"), int) or page["TotalPages"] < number:
        raise TemporaryError(
            f"the answer is page {page.get('Page')} of {page.get('TotalPages')} instead of page {number}"
        )
    return page["TotalPages"]


def _path(folder: Path, number: int) -> Path:
    return folder / f"page-{number:05d}.json.gz"
