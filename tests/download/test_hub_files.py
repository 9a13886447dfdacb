"""Files from a Hub that this machine plays itself."""

import hashlib
import socket

import pytest
from huggingface_hub import constants

from biomedgpt_hf.disk.provenance import recorded_download
from biomedgpt_hf.download.hub_files import HubFile
from biomedgpt_hf.download.patient_client import DownloadError, user_agent
from biomedgpt_hf.download.transfer import download

from . import faulty_server as faults
from .faulty_server import FakeTime, FaultyServer, serving

COMMIT = "c" * 40
CONTENT = b"PAR1 and so on" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
GIT = hashlib.sha1(b"blob %d\0" % len(CONTENT) + CONTENT).hexdigest()


def path_at(revision):
    return f"/datasets/org/name/resolve/{revision}/data/train.parquet"


@pytest.fixture
def hub(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    faulty = FaultyServer()
    for revision in ("main", COMMIT):
        faulty.headers[path_at(revision)] = {"X-Repo-Commit": COMMIT}
        faulty.files[path_at(revision)], faulty.etags[path_at(revision)] = CONTENT, f'"{SHA256}"'
    with serving(faulty):
        yield faulty


@pytest.fixture
def fetch(hub, tmp_path):
    def fetch(**fields):
        file = HubFile("org/name", "data/train.parquet", license="MIT", endpoint=hub.url, **fields)
        return download([file], tmp_path, progress=False, patience=FakeTime().patience())[0]

    return fetch


@pytest.mark.parametrize("revision", ["main", COMMIT])
def test_a_hub_file_is_fetched_once_with_its_commit_on_record(hub, fetch, tmp_path, revision):
    path = fetch(revision=revision)
    assert path == tmp_path / "name" / "data" / "train.parquet" and path.read_bytes() == CONTENT
    known = recorded_download(path, SHA256)
    assert known["release"] == COMMIT and known["url"] == hub.url + path_at(COMMIT) and known["license"] == "MIT"
    assert known["verified"] == "sha256 by the Hub"
    hub.requests.clear()
    assert fetch(revision=revision) == path and hub.requests == []


def test_requests_to_the_hub_say_who_asks(hub, fetch):
    fetch()
    assert all(agent.startswith(user_agent().split(" ")[0]) for agent in hub.asked("User-Agent"))


def test_a_small_file_is_checked_by_its_git_id(hub, fetch):
    for path in hub.files:
        hub.etags[path] = f'"{GIT}"'
    assert recorded_download(fetch(), SHA256)["verified"] == "git by the Hub"


@pytest.mark.parametrize("checksum", [None, f"sha256:{SHA256}"])
def test_another_content_than_the_checksum_says_is_fetched_twice_and_told(hub, fetch, tmp_path, checksum):
    for path in hub.files:
        hub.files[path] = CONTENT[:-1] + b"?"
    with pytest.raises(DownloadError, match=f"fetched twice .*{SHA256}.*from https://original and pass"):
        fetch(checksum=checksum, by_hand="https://original")
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_damaged_transfer_is_mended(hub, fetch):
    damaged = faults.instead(CONTENT[:-1] + b"?", X_Repo_Commit=COMMIT, ETag=f'"{SHA256}"')
    hub.faults[path_at(COMMIT)] = [faults.serve, damaged]  # HEAD, GET
    assert fetch().read_bytes() == CONTENT


def test_a_busy_hub_is_asked_again(hub, fetch):
    hub.faults[path_at("main")] = [faults.status(503), faults.status(502)]
    assert fetch().read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("code", "error", "why"),
    [
        (404, "EntryNotFound", "it is not there"),
        (404, "RepoNotFound", "it is not there"),
        (404, "RevisionNotFound", "it is not there"),
        (401, "GatedRepo", "access is refused"),
        (403, "", "access is refused"),
    ],
)
def test_what_the_hub_does_not_give_is_told_in_one_line(hub, fetch, code, error, why):
    hub.faults[path_at("main")] = [faults.status(code, X_Error_Code=error, X_Error_Message="x")]
    with pytest.raises(DownloadError) as caught:
        fetch(by_hand="https://original (train.json)")
    said = str(caught.value)
    assert why in said and "org/name" in said and "\n" not in said
    assert "Fetch it by hand from https://original (train.json) and pass the file as SOURCE" in said


def test_an_offline_hub_is_told_in_one_line(hub, fetch, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DownloadError, match=r"^Cannot fetch org/name/data/train.parquet: HF_HUB_OFFLINE is set\."):
        fetch()
    assert hub.requests == []


def test_a_hub_out_of_reach_is_told_in_one_line(fetch, tmp_path, monkeypatch):
    def unknown(*arguments, **options):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    fake = FakeTime()
    file = HubFile("org/name", "data/train.parquet", endpoint="http://hub.invalid")
    with pytest.raises(DownloadError, match="Cannot fetch http://hub.invalid/.*Name or service not known") as caught:
        download([file], tmp_path, progress=False, patience=fake.patience())
    assert "\n" not in str(caught.value) and sum(fake.waits) <= 1


def test_a_mirror_of_the_hub_is_asked_instead():
    file = HubFile("org/name", "x")
    assert file.moved({}) is file
    assert (
        file.moved({"https://huggingface.co": "https://mirror.example/hub/"}).endpoint == "https://mirror.example/hub"
    )


def test_a_mirror_does_not_get_the_users_token(hub, fetch, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    fetch()
    assert set(hub.asked("Authorization")) == {None}
