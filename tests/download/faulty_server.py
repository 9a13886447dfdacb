"""A server of files on 127.0.0.1 that misbehaves as it is told, and clocks that do not wait."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from biomedgpt_hf.download.patient_client import Patience

DATE = "Fri, 21 Nov 2025 10:00:00 GMT"


class FakeTime:
    """Waiting that only counts."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    def patience(self, **settings: Any) -> Patience:
        return Patience(sleep=self.sleep, clock=lambda: self.now, timeout=settings.pop("timeout", 5.0), **settings)


class Request(NamedTuple):
    """What came in: path with parameters, headers, and the time on the server's clock."""

    path: str
    headers: Any
    time: float


class Handler(BaseHTTPRequestHandler):
    """One request; `self.server.faulty` says what happens to it."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        faulty: FaultyServer = self.server.faulty
        faulty.requests.append(Request(self.path, self.headers, faulty.clock()))
        faults = faulty.faults[self.path]
        fault = faults.pop(0) if faults else serve
        fault(self)

    do_HEAD = do_GET

    @property
    def faulty(self) -> "FaultyServer":
        return self.server.faulty

    def answer(self, status: int, headers: dict[str, str], body: bytes, sent: int | None = None) -> None:
        """Send an answer, or only the first `sent` bytes of its body."""
        self.send_response_only(status)
        self.send_header("Date", DATE)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers and "Transfer-Encoding" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:sent])
            self.wfile.flush()
        self.close_connection = sent is not None or self.close_connection

    def log_message(self, *arguments: Any) -> None:
        """Silence."""


Fault = Callable[[Handler], None]


class Server(ThreadingHTTPServer):
    """Threads of its own, and no word about clients that hang up."""

    daemon_threads = True

    def handle_error(self, *arguments: Any) -> None:
        """Silence."""


class FaultyServer:
    """What is served.

    Attributes:
        files: content by path with parameters.
        etags: ETag by path; None sends none.
        last_modified: sent with every file; None sends none.
        headers: more that is sent, by path.
        faults: what happens to the next requests for a path, one after the other; then all is well.
        requests: what came in.
        released: requests that hang go on when it is set.
        clock: time for `Request.time`.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.etags: dict[str, str | None] = {}
        self.last_modified: str | None = "Thu, 20 Nov 2025 08:00:00 GMT"
        self.headers: dict[str, dict[str, str]] = defaultdict(dict)
        self.faults: dict[str, list[Fault]] = defaultdict(list)
        self.requests: list[Request] = []
        self.released = threading.Event()
        self.clock: Callable[[], float] = lambda: 0.0
        self.url = ""

    def asked(self, name: str, path: str | None = None) -> list[str | None]:
        """One header of all requests (for a path)."""
        return [request.headers.get(name) for request in self.requests if path in (None, request.path)]


def serve(handler: Handler, sent: int | None = None) -> None:
    """As a good server does: `Range`, `If-Range`, 416."""
    faulty = handler.faulty
    content = faulty.files.get(handler.path)
    if content is None:
        handler.answer(404, {}, b"<html>not here</html>")
        return
    headers = {"ETag": faulty.etags.get(handler.path, '"1"'), "Last-Modified": faulty.last_modified}
    headers = faulty.headers[handler.path] | {name: value for name, value in headers.items() if value}
    asked, condition = handler.headers.get("Range"), handler.headers.get("If-Range")
    if asked and condition in (None, *headers.values()):
        start = int(asked.removeprefix("bytes=").removesuffix("-"))
        if start >= len(content):
            handler.answer(416, {**headers, "Content-Range": f"bytes */{len(content)}"}, b"")
            return
        headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        handler.answer(206, headers, content[start:], sent)
    else:
        handler.answer(200, headers, content, sent)


def cut(after: int) -> Fault:
    """The connection ends after so many bytes of the body."""
    return lambda handler: serve(handler, after)


def status(code: int, body: bytes = b"", **headers: str) -> Fault:
    """An error."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: handler.answer(code, named, body)


def changed(content: bytes, etag: str) -> Fault:
    """Another edition is there from now on."""

    def fault(handler: Handler) -> None:
        handler.faulty.files[handler.path], handler.faulty.etags[handler.path] = content, etag
        serve(handler)

    return fault


def instead(content: bytes, **headers: str) -> Fault:
    """Status 200 and something else, once."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: handler.answer(200, named, content)


def whole(handler: Handler) -> None:
    """`Range` is ignored."""
    handler.answer(200, {"ETag": '"1"'}, handler.faulty.files[handler.path])


def wrong_range(handler: Handler) -> None:
    """206, but from the beginning."""
    content = handler.faulty.files[handler.path]
    handler.answer(206, {"ETag": '"1"', "Content-Range": f"bytes 0-{len(content) - 1}/{len(content)}"}, content)


def without_length(sent: int) -> Fault:
    """No length is told and the connection is closed early: nobody can tell that anything is missing."""

    def fault(handler: Handler) -> None:
        handler.send_response_only(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(handler.faulty.files[handler.path][:sent])
        handler.close_connection = True

    return fault


def hang(after: int = 0) -> Fault:
    """The server falls silent after so many bytes, until it is released."""

    def fault(handler: Handler) -> None:
        serve(handler, after)
        handler.faulty.released.wait(30)

    return fault


def no_answer(handler: Handler) -> None:
    """Not even a status."""
    handler.close_connection = True


def redirect(location: str) -> Fault:
    """It is elsewhere."""
    return status(302, Location=location)


@contextmanager
def serving(faulty: FaultyServer) -> Iterator[FaultyServer]:
    """Answers at `faulty.url` as long as the context lasts."""
    server = Server(("127.0.0.1", 0), Handler)
    server.faulty = faulty
    faulty.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield faulty
    finally:
        faulty.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
