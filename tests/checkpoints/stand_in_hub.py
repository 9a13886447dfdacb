"""A Hub for tests: the few endpoints that `push_to_hub` and `from_pretrained` ask, on 127.0.0.1, kept in memory."""

import base64
import hashlib
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs


class StandInHub:
    """Repositories of one branch each, and those that refuse.

    Attributes:
        files: content by repository and path; a data set's repository is called datasets/ORGANISATION/NAME.
        refusals: status and reason by gated repository.
        private: repositories that nobody else reads.
        user: what `whoami` tells; None where the token is not accepted.
        read_only: repositories that the user may not write to.
        down: an upload ends in an error of the server as long as it is set.
        commits: title of each commit, in order.
        uploads: content of large files by their sha256, sent before the commit that names them.
        url: to be set as HF_ENDPOINT.
    """

    def __init__(self) -> None:
        self.files: dict[str, dict[str, bytes]] = {}
        self.refusals: dict[str, tuple[int, str]] = {}
        self.private: set[str] = set()
        self.user: dict[str, Any] | None = {"name": "somebody", "orgs": [{"name": "org"}], "auth": {}}
        self.read_only: set[str] = set()
        self.down = False
        self.commits: list[str] = []
        self.uploads: dict[str, bytes] = {}
        self.url = ""

    def revision(self, repo: str) -> str:
        """A commit's id: it changes with the content."""
        return hashlib.sha1(repr(sorted(self.files[repo].items())).encode()).hexdigest()

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and content of the answer to a request."""
        path, _, query = path.partition("?")
        path = path.strip("/")
        if path == "api/repos/create":
            asked = json.loads(body)
            kind = "datasets" if asked.get("type") == "dataset" else None
            repo = "/".join(filter(None, (kind, asked.get("organization") or "somebody", asked["name"])))
            new = repo not in self.files
            self.files.setdefault(repo, {})
            if new and asked.get("visibility") == "private":
                self.private.add(repo)
            return self._json({"url": f"{self.url}/{repo}", "name": repo}, 200 if new else 409)
        if path == "api/whoami-v2":
            return self._json(self.user) if self.user else (401, {"X-Error-Message": "Invalid credentials"}, b"{}")
        if path == "api/validate-yaml":
            return self._json({"errors": [], "warnings": []})
        if path.startswith("uploads/"):
            if self.down:
                return 500, {"X-Error-Message": "The disk is full"}, b""
            self.uploads[path.removeprefix("uploads/")] = body
            return 200, {}, b""
        parts = path.removeprefix("api/").removeprefix("models/").split("/")
        size = 3 if parts[0] == "datasets" else 2
        repo, rest = "/".join(parts[:size]).removesuffix(".git"), parts[size:]
        if repo in self.refusals:
            status, reason = self.refusals[repo]
            return status, {"X-Error-Code": "GatedRepo", "X-Error-Message": reason}, b""
        if repo not in self.files:
            return 404, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}, b""
        return self._of_repo(repo, rest, parse_qs(query), body)

    def _of_repo(
        self, repo: str, rest: list[str], query: dict[str, list[str]], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        files = self.files[repo]
        if rest[:1] == ["auth-check"]:
            return self._json({}, 403 if repo in self.read_only else 200)
        if rest[:1] == ["branch"]:
            return self._json({})
        if rest[:1] == ["preupload"]:
            paths = [file["path"] for file in json.loads(body)["files"]]
            modes = {path: "lfs" if path.endswith(".parquet") else "regular" for path in paths}
            listed = [{"path": path, "uploadMode": mode, "shouldIgnore": False} for path, mode in modes.items()]
            return self._json({"files": listed})
        if rest == ["info", "lfs", "objects", "batch"]:
            objects = json.loads(body)["objects"]
            for one in objects:
                one["actions"] = {"upload": {"href": f"{self.url}/uploads/{one['oid']}"}}
            return self._json({"transfer": "basic", "objects": objects})
        if rest[:1] == ["commit"]:
            for line in map(json.loads, body.decode().splitlines()):
                if line["key"] == "header":
                    self.commits.append(line["value"]["summary"])
                elif line["key"] == "deletedFile":
                    del files[line["value"]["path"]]
                elif line["key"] == "lfsFile":
                    files[line["value"]["path"]] = self.uploads[line["value"]["oid"]]
                else:
                    files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            oid = self.revision(repo)
            return self._json({"commitUrl": f"{self.url}/{repo}/commit/{oid}", "commitOid": oid, "success": True})
        if rest[:1] == ["resolve"]:
            path = "/".join(rest[2:])
            commit = {"X-Repo-Commit": self.revision(repo)}
            if path not in files:
                return 404, {"X-Error-Code": "EntryNotFound", **commit}, b""
            etag = {"ETag": f'"{hashlib.sha1(files[path]).hexdigest()}"'}
            return 200, {**commit, **etag}, files[path]
        if rest[:1] == ["tree"]:
            entries = self._listed(files, "/".join([*rest[2:], ""]), query.get("recursive") == ["true"])
            return self._json(entries) if entries or not rest[2:] else (404, {"X-Error-Code": "EntryNotFound"}, b"")
        if rest[:1] == ["paths-info"]:
            asked = parse_qs(body.decode())["paths"]
            return self._json([self._entry(path, files) for path in asked if path in files])
        siblings = [{"rfilename": path} for path in files]
        about = {"id": repo.removeprefix("datasets/"), "sha": self.revision(repo), "private": repo in self.private}
        return self._json({**about, "modelId": about["id"], "siblings": siblings, "tags": []})

    @staticmethod
    def _entry(path: str, files: dict[str, bytes]) -> dict[str, Any]:
        """What the Hub says about a path: a file, or a folder."""
        if path not in files:
            return {"type": "directory", "path": path, "oid": "0"}
        return {"type": "file", "path": path, "size": len(files[path]), "oid": hashlib.sha1(files[path]).hexdigest()}

    def _listed(self, files: dict[str, bytes], folder: str, recursive: bool) -> list[dict[str, Any]]:
        inside = [path for path in files if path.startswith(folder)]
        if not recursive:
            inside = list(dict.fromkeys(folder + path.removeprefix(folder).split("/")[0] for path in inside))
        return [self._entry(path, files) for path in inside]

    @staticmethod
    def _json(content: Any, status: int = 200) -> tuple[int, dict[str, str], bytes]:
        return status, {"Content-Type": "application/json"}, json.dumps(content).encode()


@contextmanager
def serve(hub: StandInHub) -> Iterator[StandInHub]:
    """Answers at `hub.url` as long as the context lasts."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, content = hub.answer(self.command, self.path, body)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_HEAD = do_POST = do_PUT = handle_any

        def log_message(self, *arguments: Any) -> None:
            """Silence."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def reach(hub: StandInHub, monkeypatch: Any, cache: Path) -> None:
    """Let this process, whose libraries are imported already, ask a stand-in in the place of the Hub."""
    from huggingface_hub import constants

    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, hub.url)
    settings = {"ENDPOINT": hub.url, "HUGGINGFACE_CO_URL_TEMPLATE": template, "HF_HUB_OFFLINE": False}
    settings |= {"HF_HUB_CACHE": str(cache / "hub"), "HF_HUB_DISABLE_XET": True}
    for name, value in settings.items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HF_TOKEN", f"hf_{cache.name}")  # a new one for each test: what a token may do is remembered
    datasets = sys.modules.get("datasets")
    if datasets is not None:
        monkeypatch.setattr(datasets.config, "HF_ENDPOINT", hub.url)
        monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", cache / "datasets")
