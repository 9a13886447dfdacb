"""Requests to public servers: patient with faults, polite about limits, honest about who asks.

`download`, `hub_files` and `pubchem_pages` fetch through this.
"""

from __future__ import annotations

import errno
import random
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib import metadata
from typing import NamedTuple, TypeVar

import httpx2

DISTRIBUTION = "biomedgpt-hf"
TEMPORARY_STATUSES = {408, 425, 429}  # besides these, all from 500 on are temporary
UNREACHABLE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN}
SMALL_FILE = 64 * 2**20  # bytes; the largest checksum file or page of annotations that is read at once
T = TypeVar("T")


class DownloadError(OSError):
    """A file that cannot be had; the message, one line, names it, says why and what to do."""


class TemporaryError(Exception):
    """A fault that may be over at the next attempt.

    Attributes:
        reason: what happened.
        retry_after: seconds the server asks to wait, or None.
        progress: this attempt brought something; only attempts without progress are counted.
    """

    def __init__(self, reason: str, retry_after: float | None = None, progress: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.retry_after, self.progress = reason, retry_after, progress


class Patience(NamedTuple):
    """How long to try; times in seconds.

    Attributes:
        tries: attempts in a row without progress, before it is an error.
        tries_unreachable: the same where there is no network or no such host, unless it answered before.
        first_wait: longest wait before the second attempt; it doubles with each further one.
        longest_wait: where the doubling ends.
        longest_retry_after: a server that asks to wait longer gets an error instead.
        timeout: longest silence of a server. PubChem's own limit is 30 s.
        connect_timeout: longest silence before a connection is made.
        sleep: waits.
        clock: tells the time since some moment.
    """

    tries: int = 6
    tries_unreachable: int = 2
    first_wait: float = 1.0
    longest_wait: float = 60.0
    longest_retry_after: float = 600.0
    timeout: float = 60.0
    connect_timeout: float = 15.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic


class PatientClient:
    """An HTTP client. Redirects lead to http and https only, and never from https to http."""

    def __init__(self, patience: Patience) -> None:
        self.patience = patience
        self._answered = False
        self._client = httpx2.Client(
            headers={"User-Agent": user_agent()},
            timeout=httpx2.Timeout(patience.timeout, connect=patience.connect_timeout),
            follow_redirects=True,
            event_hooks={"response": [check_redirect, self._note_answer]},
        )

    def __enter__(self) -> PatientClient:
        return self

    def __exit__(self, *error: object) -> None:
        self._client.close()

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> AbstractContextManager[httpx2.Response]:
        """Make one request; the body is not read yet."""
        return self._client.stream("GET", url, headers=headers)

    def keep_trying(self, url: str, attempt: Callable[[], T]) -> T:
        """Return what `attempt` returns, which may raise `TemporaryError` or any error of httpx2.

        Raises:
            DownloadError: it did not succeed, or cannot.
        """
        failed = 0
        while True:
            limit = self.patience.tries
            try:
                return attempt()
            except TemporaryError as error:
                problem = error
            except httpx2.TransportError as error:
                if (unreachable := _is_unreachable(error)) is None:
                    raise DownloadError(f"{url}: {describe_network_error(error)}") from error
                problem = TemporaryError(describe_network_error(error))
                limit = self.patience.tries_unreachable if unreachable and not self._answered else limit
            except httpx2.DecodingError as error:
                problem = TemporaryError(describe_network_error(error))
            except (httpx2.TooManyRedirects, httpx2.InvalidURL) as error:
                raise DownloadError(f"{url}: {describe_network_error(error)}") from error
            failed = 1 if problem.progress else failed + 1
            if failed >= limit:
                raise DownloadError(
                    f"Cannot fetch {url}: {problem.reason} ({failed} attempts). Check the network or try later "
                    "(what has been fetched is kept), or fetch the file elsewhere and pass it as SOURCE."
                ) from problem
            self._wait(url, failed, problem)

    def read(self, url: str) -> bytes:
        """Return the content of a small file.

        Raises:
            DownloadError: it cannot be had, or is larger than `SMALL_FILE`.
        """

        def attempt() -> bytes:
            with self.get(url) as response:
                require_success(response)
                return b"".join(limit_size(response.iter_bytes(), url))

        return self.keep_trying(url, attempt)

    def _note_answer(self, response: httpx2.Response) -> None:
        self._answered = True

    def _wait(self, url: str, failed: int, problem: TemporaryError) -> None:
        longest = min(self.patience.longest_wait, self.patience.first_wait * 2 ** (failed - 1))
        asked = problem.retry_after or 0.0
        if asked > self.patience.longest_retry_after:
            raise DownloadError(
                f"Cannot fetch {url} now: {problem.reason}, and it asks to wait {asked:.0f} s. "
                "Run the same command again then; what has been fetched is kept."
            )
        # The wait is random, so that clients that were cut off together do not come back together.
        self.patience.sleep(max(asked, longest * random.uniform(0.5, 1.0)))


def user_agent() -> str:
    """Return the name under which requests are made: this package, its version and its URL if it has one."""
    try:
        about = metadata.metadata(DISTRIBUTION)
    except metadata.PackageNotFoundError:  # the program runs from its source and is not installed
        return DISTRIBUTION
    urls = [line.split(",", 1)[-1].strip() for line in about.get_all("Project-URL") or []]
    return f"{DISTRIBUTION}/{about['Version']}" + (f" (+{urls[0]})" if urls else "")


def require_success(response: httpx2.Response, by_hand: str = "") -> None:
    """Accept the statuses 200 and 206.

    Args:
        response: the answer.
        by_hand: where its file can be had with a browser, for the error.

    Raises:
        TemporaryError: 408, 425, 429 or 5xx.
        DownloadError: any other, of which another attempt would bring the same.
    """
    status = response.status_code
    if status in (200, 206):
        return
    reason = f"HTTP {status} {response.reason_phrase}".strip()
    if status in TEMPORARY_STATUSES or status >= 500:
        raise TemporaryError(reason, retry_after(response.headers))
    told = {401: "access is refused", 403: "access is refused", 404: "it is not there", 410: "it is gone"}
    raise DownloadError(
        f"Cannot fetch {response.url}: {reason}, {told.get(status, 'which is not understood')}. "
        f"{fetch_by_hand(by_hand)}"
    )


def fetch_by_hand(by_hand: str = "") -> str:
    """Return the remedy where a file cannot be had, with the place where a browser finds it, if that is known."""
    return f"Fetch it by hand{f' from {by_hand}' if by_hand else ''} and pass the file as SOURCE."


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that `Retry-After` asks to wait, or None (RFC 9110, §10.2.3: seconds or a date)."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    until, now = _parse_date(value), _parse_date(headers.get("Date", "")) or datetime.now(UTC)
    return max(0.0, (until - now).total_seconds()) if until else None


def limit_size(chunks: Iterator[bytes], url: str) -> Iterator[bytes]:
    """Yield `chunks`.

    Raises:
        DownloadError: they are more than `SMALL_FILE` bytes.
    """
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > SMALL_FILE:
            raise DownloadError(f"Cannot fetch {url}: it is larger than {SMALL_FILE} bytes, which is not what it was.")
        yield chunk


def describe_network_error(error: BaseException) -> str:
    """Return an error of the network in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _parse_date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def check_redirect(response: httpx2.Response) -> None:
    """Accept redirects to http and https, but none from https to http.

    Raises:
        DownloadError: any other.
    """
    if not response.has_redirect_location:
        return
    target = response.url.join(response.headers["Location"])
    if target.scheme != "https" and (target.scheme != "http" or response.url.scheme == "https"):
        raise DownloadError(
            f"{response.url} redirects to {target}, which is not followed: only http and https are, and https stays "
            "https. Fetch the file by hand and pass it as SOURCE."
        )


def _is_unreachable(error: BaseException | None) -> bool | None:
    """Tell whether there is no network or no such host; None is a fault that no further attempt mends."""
    if isinstance(error, httpx2.UnsupportedProtocol):
        return None
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return None
        if isinstance(error, socket.gaierror | httpx2.ConnectTimeout) or getattr(error, "errno", None) in UNREACHABLE:
            return True
        error = error.__cause__ or error.__context__
    return False
