"""Downloads from a server that cuts, shortens, throttles, errs, lies and changes its mind."""

import errno
import gzip
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomedgpt_hf.disk.provenance import recorded_download
from biomedgpt_hf.download import transfer as download_module
from biomedgpt_hf.download import unfinished_file
from biomedgpt_hf.download.patient_client import (
    DownloadError,
    Patience,
    PatientClient,
    check_redirect,
    retry_after,
    user_agent,
)
from biomedgpt_hf.download.transfer import RemoteFile, download
from biomedgpt_hf.files.sources import GZIP_MAGIC

from . import faulty_server as faults
from .faulty_server import DATE, FakeTime, FaultyServer, serving

CONTENT = GZIP_MAGIC + random.Random(7).randbytes(299_998)
MD5 = hashlib.md5(CONTENT).hexdigest()
METALINK = """<?xml version="1.0" encoding="utf-8"?>
<metalink version="3.0" xmlns="http://www.metalinker.org/">
  <version>2026_04</version>
  <files>
    <file name="uniprot.xsd"><size>7</size><verification><hash type="md5">{other}</hash></verification></file>
    <file name="data.gz"><size>{size}</size><verification><hash type="md5">{md5}</hash></verification>
      <resources><url type="https" location="gb">https://mirror.invalid/data.gz</url></resources></file>
  </files>
</metalink>
"""


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server():
    faulty = FaultyServer()
    faulty.files["/data.gz"] = CONTENT
    with serving(faulty):
        yield faulty


@pytest.fixture
def fake():
    return FakeTime()


@pytest.fixture
def fetch(server, fake, tmp_path):
    """Download /data.gz; returns its path."""

    def fetch(checksum=f"md5:{MD5}", patience=None, **fields):
        file = RemoteFile("data.gz", f"{server.url}/data.gz", checksum=checksum, **fields)
        return download([file], tmp_path / "sources", progress=False, patience=patience or fake.patience())[0]

    return fetch


def leftovers(path):
    return sorted(other.name for other in path.parent.iterdir() if not other.name.startswith("."))


def test_a_file_is_fetched_once_and_its_provenance_kept(server, fetch):
    path = fetch(license="CC-BY-4.0", release="2026_04")
    assert path.read_bytes() == CONTENT and leftovers(path) == ["data.gz", "downloads.json"]
    assert fetch() == path
    assert len(server.requests) == 1
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    entry = json.loads((path.parent / "downloads.json").read_text())["files"]["data.gz"]
    assert entry["bytes"] == len(CONTENT) and entry["sha256"] == sha256
    known = recorded_download(path, sha256)
    assert known.pop("downloaded").startswith("20")
    assert known == {
        "url": f"{server.url}/data.gz",
        "release": "2026_04",
        "etag": '"1"',
        "last_modified": server.last_modified,
        "verified": "md5 by this program's catalogue",
        "license": "CC-BY-4.0",
    }
    assert recorded_download(path, "0" * 64) == {}


def test_requests_say_honestly_who_asks(server, fetch):
    fetch()
    assert server.asked("User-Agent") == [user_agent()]
    assert user_agent().startswith("biomedgpt-hf/0.") and "Mozilla" not in user_agent()
    assert server.asked("Accept-Encoding") == ["identity"]


def test_a_cut_connection_is_taken_up_where_it_broke(server, fake, fetch):
    server.faults["/data.gz"] = [faults.cut(100_000), faults.cut(50_000), faults.no_answer]
    assert fetch().read_bytes() == CONTENT
    assert server.asked("Range") == [None, "bytes=100000-", "bytes=150000-", "bytes=150000-"]
    assert server.asked("If-Range") == [None, '"1"', '"1"', '"1"']
    assert len(fake.waits) == 3 and (0.5 <= fake.waits[0] <= 1 <= fake.waits[1] <= 2 <= fake.waits[2] <= 4)


def test_the_date_of_the_last_change_stands_in_for_a_weak_or_missing_etag(server, fetch):
    for etag in ('W/"1"', None):
        server.requests.clear()
        server.etags["/data.gz"] = etag
        server.faults["/data.gz"] = [faults.cut(1000)]
        fetch().unlink()
        assert server.asked("Range") == [None, "bytes=1000-"]
        assert server.asked("If-Range") == [None, server.last_modified]


def test_without_etag_and_date_nothing_is_taken_up(server, fetch):
    server.etags["/data.gz"] = server.last_modified = None
    server.faults["/data.gz"] = [faults.cut(100_000)]
    assert fetch().read_bytes() == CONTENT
    assert server.asked("Range") == [None, None]


@pytest.mark.parametrize("ill_behaved", [False, True])
def test_a_file_that_changed_in_between_is_fetched_anew_and_never_mixed(server, fetch, ill_behaved):
    new = GZIP_MAGIC + random.Random(8).randbytes(249_998)

    def change(handler):
        handler.faulty.files["/data.gz"], handler.faulty.etags["/data.gz"] = new, '"2"'
        if ill_behaved:  # the server takes no notice of If-Range
            start = int(handler.headers["Range"][6:-1])
            headers = {"ETag": '"2"', "Content-Range": f"bytes {start}-{len(new) - 1}/{len(new)}"}
            handler.answer(206, headers, new[start:])
        else:
            faults.serve(handler)

    server.faults["/data.gz"] = [faults.cut(200_000), change]
    path = fetch(checksum=None)
    assert path.read_bytes() == new
    assert server.asked("Range") == [None, "bytes=200000-"] + [None] * ill_behaved
    assert recorded_download(path, hashlib.sha256(new).hexdigest())["etag"] == '"2"'


def test_a_change_noticed_just_before_the_machine_stops_mixes_nothing_either(server, fetch, monkeypatch):
    new = GZIP_MAGIC + random.Random(8).randbytes(299_998)
    server.faults["/data.gz"] = [faults.cut(200_000), faults.changed(new, '"2"')]

    def stop(part):
        if part.facts.etag == '"2"':
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(unfinished_file.UnfinishedFile, "require_space", stop)
        with pytest.raises(KeyboardInterrupt):
            fetch(checksum=None)
    assert fetch(checksum=None).read_bytes() == new


@pytest.mark.parametrize("fault", [faults.whole, faults.wrong_range])
def test_a_server_that_does_not_know_ranges_gives_the_same_file(server, fetch, fault):
    server.faults["/data.gz"] = [faults.cut(100_000), fault]
    assert fetch().read_bytes() == CONTENT


def test_a_file_that_was_whole_but_not_yet_named_is_not_fetched_again(server, fetch, monkeypatch):
    with monkeypatch.context() as patched:

        def killed(new, path):
            if path.name == "data.gz":
                raise KeyboardInterrupt
            os.replace(new, path)

        patched.setattr(download_module, "replace_file", killed)
        with pytest.raises(KeyboardInterrupt):
            fetch()
    path = fetch()
    assert path.read_bytes() == CONTENT and leftovers(path) == ["data.gz", "downloads.json"]
    assert server.asked("Range") == [None, f"bytes={len(CONTENT)}-"]  # answered with 416


def test_a_part_longer_than_the_file_is_thrown_away(server, fetch, tmp_path):
    server.faults["/data.gz"] = [faults.cut(1000)] * 2
    with pytest.raises(DownloadError):
        fetch(patience=FakeTime().patience(tries=2))
    part = tmp_path / "sources" / "data.gz.part"
    assert part.stat().st_size == 2000
    part.write_bytes(CONTENT + b"more")
    assert fetch().read_bytes() == CONTENT


def test_a_part_whose_notes_are_broken_is_fetched_anew(server, fetch, tmp_path):
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "data.gz.part").write_bytes(b"something else")
    (tmp_path / "sources" / "data.gz.part.json").write_text('{"url": "http')
    assert fetch().read_bytes() == CONTENT
    assert server.asked("Range") == [None]


def test_a_wrong_checksum_is_tried_once_more_and_then_told_with_both(server, fetch, tmp_path):
    wrong = "0" * 32
    with pytest.raises(DownloadError) as caught:
        fetch(checksum=f"md5:{wrong}", by_hand="https://example.org/page")
    said = str(caught.value)
    assert MD5 in said and wrong in said and f"{server.url}/data.gz" in said and "https://example.org/page" in said
    assert "\n" not in said and len(server.requests) == 2
    assert leftovers(tmp_path / "sources" / "x") == []


def test_bytes_that_were_damaged_on_the_way_are_fetched_again(server, fetch):
    damaged = bytes([CONTENT[0] ^ 1]) + CONTENT[1:]
    server.faults["/data.gz"] = [faults.instead(damaged)]
    assert fetch().read_bytes() == CONTENT
    assert len(server.requests) == 2


def test_a_short_file_of_which_nobody_tells_the_length_does_not_pass_the_checksum(server, fetch):
    server.faults["/data.gz"] = [faults.without_length(200_000)]
    assert fetch().read_bytes() == CONTENT
    assert len(server.requests) == 2


def test_where_no_checksum_is_known_the_length_is_checked(server, fetch):
    server.faults["/data.gz"] = [faults.cut(299_999)]
    path = fetch(checksum=None)
    assert path.read_bytes() == CONTENT
    assert recorded_download(path, hashlib.sha256(CONTENT).hexdigest())["verified"] == "length"


def test_a_page_about_maintenance_does_not_pass_for_a_gzip_file(server, fetch):
    page = faults.instead(b"<!DOCTYPE html><html>We are back soon.</html>")
    server.faults["/data.gz"] = [page]
    assert fetch(checksum=None).read_bytes() == CONTENT
    server.faults["/other.gz"] = [page, page]
    with pytest.raises(DownloadError, match="begins with b'<!DOCTYPE html><html', as no gzip file does"):
        download([RemoteFile("other.gz", f"{server.url}/other.gz")], fetch().parent, patience=FakeTime().patience())


def test_a_file_of_which_nothing_is_known_is_told(server, fetch, caplog):
    server.faults["/data.gz"] = [faults.without_length(300_000)]
    path = fetch(checksum=None)
    assert path.read_bytes() == CONTENT and "nothing is known of it" in caplog.text
    assert recorded_download(path, hashlib.sha256(CONTENT).hexdigest())["verified"] == "nothing"


def test_a_git_id_checks_a_file_as_git_itself_does(server, fetch):
    blob = hashlib.sha1(b"blob %d\0" % len(CONTENT) + CONTENT).hexdigest()
    assert fetch(checksum=f"git:{blob}").read_bytes() == CONTENT
    # `printf hello | git hash-object --stdin`
    assert hashlib.sha1(b"blob 5\0hello").hexdigest() == "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0"


@pytest.mark.parametrize(
    ("name", "published", "release"),
    [
        ("RELEASE.metalink", METALINK.format(size=len(CONTENT), md5=MD5, other="1" * 32), "2026_04"),
        ("data.gz.md5", f"{MD5}  data.gz\n", None),
        ("data.gz.md5", f"{MD5.upper()} */pub/x/data.gz\r\n", None),
        ("data.gz.md5", MD5, None),
        ("sums", f"{'1' * 32}  big-data.gz\n{MD5}  data.gz\n{'2' * 32}  data.gz.md5\n", None),
        ("sums", f"MD5 (data.gz) = {MD5}\n", None),
    ],
)
def test_publishers_checksum_files_are_read_and_obeyed(server, fetch, name, published, release):
    server.files[f"/{name}"] = published.encode()
    path = fetch(checksum=None, checksum_url=f"{server.url}/{name}")
    known = recorded_download(path, hashlib.sha256(CONTENT).hexdigest())
    assert known["verified"] == f"md5 by {server.url}/{name}" and known.get("release") == release
    path.unlink()
    server.files["/data.gz"] = CONTENT[:-1] + b"?"
    with pytest.raises(DownloadError, match=MD5):
        fetch(checksum=None, checksum_url=f"{server.url}/{name}")


def test_a_release_that_comes_out_in_the_middle_is_fetched_whole(server, fetch):
    new = random.Random(9).randbytes(310_000)

    def release(handler):
        server.files["/data.gz"] = new
        md5 = hashlib.md5(new).hexdigest()
        server.files["/RELEASE.metalink"] = METALINK.format(size=len(new), md5=md5, other="1" * 32).encode()
        server.etags["/data.gz"] = '"2"'
        faults.serve(handler)

    server.files["/RELEASE.metalink"] = METALINK.format(size=len(CONTENT), md5=MD5, other="1" * 32).encode()
    server.faults["/data.gz"] = [faults.cut(100_000), release]
    path = fetch(checksum=None, checksum_url=f"{server.url}/RELEASE.metalink")
    assert path.read_bytes() == new
    assert [request.path for request in server.requests].count("/RELEASE.metalink") == 2


@pytest.mark.parametrize("content", [None, b"<html><p>maintenance</html>", b"nothing of use", b"<open"])
def test_a_checksum_file_that_is_gone_or_useless_is_told_and_the_length_checked(server, fetch, caplog, content):
    if content is not None:
        server.files["/sums"] = content
    path = fetch(checksum=None, checksum_url=f"{server.url}/sums")
    assert path.read_bytes() == CONTENT
    assert "only its length is checked" in caplog.text and f"{server.url}/sums" in caplog.text
    assert recorded_download(path, hashlib.sha256(CONTENT).hexdigest())["verified"] == "length"


def test_a_checksum_file_that_is_out_of_reach_for_now_is_an_error(server, fetch):
    server.faults["/sums"] = [faults.status(503)] * 6
    with pytest.raises(DownloadError, match="/data.gz: its checksum is out of reach.*/sums: HTTP 503"):
        fetch(checksum=None, checksum_url=f"{server.url}/sums")


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
def test_temporary_errors_are_tried_again_ever_more_slowly(server, fake, fetch, code):
    server.faults["/data.gz"] = [faults.status(code, b"<html>busy</html>")] * 5
    assert fetch().read_bytes() == CONTENT
    assert len(server.requests) == 6
    for attempt, wait in enumerate(fake.waits):
        assert 0.5 * 2**attempt <= wait <= 2**attempt


def test_attempts_end_some_time(server, fake, fetch):
    server.faults["/data.gz"] = [faults.status(503)] * 20
    with pytest.raises(DownloadError, match=r"HTTP 503 .*\(6 attempts\).*elsewhere and pass it as SOURCE"):
        fetch()
    assert len(server.requests) == 6


def test_attempts_that_bring_much_are_no_failures(server, fake, fetch, monkeypatch):
    monkeypatch.setattr(download_module, "MEANINGFUL", 10_000)
    server.faults["/data.gz"] = [faults.cut(10_000)] * 29
    assert fetch().read_bytes() == CONTENT
    assert max(fake.waits) <= 1


def test_an_attempt_that_only_repeats_is_a_failure(server, fetch, monkeypatch):
    monkeypatch.setattr(download_module, "MEANINGFUL", 10_000)
    server.etags["/data.gz"] = server.last_modified = None  # so it begins anew each time
    server.faults["/data.gz"] = [faults.cut(50_000)] * 20
    with pytest.raises(DownloadError, match="attempts"):
        fetch()
    assert len(server.requests) == 6


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7), ("Fri, 21 Nov 2025 10:00:30 GMT", 30), ("Fri, 21 Nov 2025 09:00:00 GMT", 0), ("soon", 0), ("-5", 0)],
)
def test_retry_after_is_obeyed_as_seconds_and_as_a_date(server, fake, fetch, value, seconds):
    server.faults["/data.gz"] = [faults.status(429, Retry_After=value)]
    fetch()
    assert len(fake.waits) == 1 and max(seconds, 0.5) <= fake.waits[0] <= max(seconds, 1)


def test_a_server_that_asks_to_come_back_tomorrow_is_not_waited_for(server, fake, fetch):
    server.faults["/data.gz"] = [faults.status(503, Retry_After="86400")]
    with pytest.raises(DownloadError, match="asks to wait 86400 s.*what has been fetched is kept"):
        fetch()
    assert fake.waits == []


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_retry_after_is_a_wait_or_nothing(value, date):
    wait = retry_after({"Retry-After": value, "Date": date})
    assert wait is None or wait >= 0


@pytest.mark.parametrize(
    ("code", "why"),
    [(403, "access is refused"), (404, "it is not there"), (410, "it is gone"), (418, "not understood")],
)
def test_what_another_attempt_would_not_mend_is_told_at_once(server, fake, fetch, code, why):
    server.faults["/data.gz"] = [faults.status(code)] * 9
    with pytest.raises(DownloadError) as caught:
        fetch(by_hand="https://example.org/page")
    said = str(caught.value)
    assert f"{server.url}/data.gz: HTTP {code}" in said and why in said and "\n" not in said
    assert "Fetch it by hand from https://example.org/page and pass the file as SOURCE" in said
    assert len(server.requests) == 1 and fake.waits == []


def test_a_silent_server_is_given_up_after_the_timeout(server, fake, fetch):
    server.faults["/data.gz"] = [faults.hang(1000)]
    assert fetch(patience=fake.patience(timeout=0.2)).read_bytes() == CONTENT
    assert server.asked("Range") == [None, "bytes=1000-"]


def test_a_host_that_does_not_exist_is_told_in_one_line_and_soon(fake, tmp_path, monkeypatch):
    def unknown(*arguments, **options):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(DownloadError) as caught:
        download(
            [RemoteFile("data.gz", "https://host.invalid/data.gz")], tmp_path, progress=False, patience=fake.patience()
        )
    said = str(caught.value)
    assert "https://host.invalid/data.gz" in said and "Name or service not known" in said and "\n" not in said
    assert "pass it as SOURCE" in said and "2 attempts" in said and sum(fake.waits) <= 1


def test_a_network_that_goes_away_in_the_middle_gets_more_time(server, fetch, fake, monkeypatch):
    real, calls = socket.getaddrinfo, []

    def sometimes(*arguments, **options):
        calls.append(arguments)
        if 1 < len(calls) < 6:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return real(*arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", sometimes)
    server.faults["/data.gz"] = [faults.cut(100_000)]
    assert fetch().read_bytes() == CONTENT
    assert len(calls) == 6 and len(fake.waits) == 5


def test_a_port_where_nobody_listens_is_tried_several_times(server, fake, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/data.gz"
        with pytest.raises(DownloadError, match=f"Cannot fetch {url}: ConnectError.*6 attempts"):
            download([RemoteFile("data.gz", url)], tmp_path, progress=False, patience=fake.patience())


def test_redirects_are_followed_and_put_on_record(server, fetch):
    server.files["/elsewhere"] = CONTENT
    server.faults["/data.gz"] = [faults.redirect("/elsewhere")]
    path = fetch()
    known = recorded_download(path, hashlib.sha256(CONTENT).hexdigest())
    assert known["url"].endswith("/data.gz") and known["final_url"] == f"{server.url}/elsewhere"


def test_a_redirected_transfer_is_taken_up_through_the_redirect(server, fetch):
    server.files["/elsewhere"] = CONTENT
    server.faults["/data.gz"] = [faults.redirect("/elsewhere")] * 2
    server.faults["/elsewhere"] = [faults.cut(100_000)]
    assert fetch().read_bytes() == CONTENT
    assert server.asked("Range", "/elsewhere") == [None, "bytes=100000-"]


@pytest.mark.parametrize("target", ["file:///etc/hostname", "ftp://127.0.0.1/data.gz", "gopher://127.0.0.1/1"])
def test_redirects_lead_to_http_and_https_only(server, fake, fetch, target):
    server.faults["/data.gz"] = [faults.redirect(target)]
    with pytest.raises(DownloadError, match="not followed"):
        fetch()
    assert len(server.requests) == 1 and fake.waits == []


@pytest.mark.parametrize(
    ("start", "target", "followed"),
    [
        ("https://a.org/x", "https://b.org/x", True),
        ("https://a.org/x", "/y", True),
        ("http://a.org/x", "http://b.org/x", True),
        ("http://a.org/x", "https://a.org/x", True),
        ("https://a.org/x", "http://a.org/x", False),
        ("https://a.org/x", "//b.org/x", True),
    ],
)
def test_https_stays_https(start, target, followed):
    response = httpx2.Response(302, headers={"Location": target}, request=httpx2.Request("GET", start))
    if followed:
        return check_redirect(response)
    with pytest.raises(DownloadError, match="https stays https"):
        check_redirect(response)


def test_a_circle_of_redirects_is_told_at_once(server, fake, fetch):
    server.faults["/data.gz"] = [faults.redirect("/data.gz")] * 99
    with pytest.raises(DownloadError, match="TooManyRedirects"):
        fetch()
    assert fake.waits == []


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/data.gz", "file:///data.gz", "data.gz", "http://[::1"])
def test_a_url_of_another_kind_is_an_error(fake, tmp_path, url):
    with pytest.raises(DownloadError):
        download([RemoteFile("data.gz", url)], tmp_path, progress=False, patience=fake.patience())
    assert fake.waits == []


@pytest.mark.parametrize("name", ["../data.gz", "a/b", "/data.gz", "", ".."])
def test_a_name_may_not_lead_out_of_the_folder(name):
    with pytest.raises(ValueError, match="no file name"):
        RemoteFile(name, "https://example.org/x")


def test_tls_certificates_are_verified(monkeypatch):
    seen = {}
    real = httpx2.Client

    def client(**options):
        seen.update(options)
        return real(**options)

    monkeypatch.setattr(httpx2, "Client", client)
    PatientClient(Patience())
    assert seen.get("verify", True) is True


def test_a_file_that_was_there_before_is_never_overwritten(server, fetch, tmp_path):
    path = tmp_path / "sources" / "data.gz"
    path.parent.mkdir()
    path.write_bytes(b"mine")
    with pytest.raises(DownloadError, match=f"md5 is .* instead of {MD5}.*move it away"):
        fetch()
    with pytest.raises(DownloadError, match="no checksum is known"):
        fetch(checksum=None)
    assert path.read_bytes() == b"mine" and server.requests == []


def test_a_file_that_was_there_before_and_is_right_is_put_on_record(server, fetch, tmp_path):
    path = tmp_path / "sources" / "data.gz"
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    assert fetch() == path
    assert server.requests == []
    assert recorded_download(path, hashlib.sha256(CONTENT).hexdigest())["url"] == f"{server.url}/data.gz"


def test_a_download_that_was_changed_on_the_disk_is_told(server, fetch):
    path = fetch()
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(DownloadError, match="was changed after it was downloaded"):
        fetch()


def test_a_record_of_another_program_is_neither_read_nor_overwritten(server, fetch, tmp_path):
    record = tmp_path / "sources" / "downloads.json"
    record.parent.mkdir()
    record.write_text('["mine"]')
    with pytest.raises(ValueError, match="is not a list of downloads"):
        fetch()
    assert record.read_text() == '["mine"]'
    (tmp_path / "sources" / "x").write_bytes(b"")
    assert recorded_download(tmp_path / "sources" / "x", "") == {}


def test_a_disk_without_room_is_told_before_the_transfer(server, fetch, monkeypatch, tmp_path):
    usage = type("Usage", (), {"free": 20_000})
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(OSError, match=r"17\.1 MB are needed, and .*sources has 20 kB free") as caught:
        fetch()
    assert caught.value.errno == errno.ENOSPC and caught.value.filename == str(tmp_path / "sources" / "data.gz.part")
    assert len(server.requests) == 1


def test_a_disk_that_fills_up_keeps_what_was_fetched(server, fetch, monkeypatch, tmp_path):
    real = os.fsync

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(unfinished_file.os, "fsync", full)
    with pytest.raises(OSError, match="the disk is full; 300000 bytes more were needed") as caught:
        fetch()
    assert caught.value.filename == str(tmp_path / "sources" / "data.gz.part") and len(server.requests) == 1
    monkeypatch.setattr(unfinished_file.os, "fsync", real)
    assert fetch().read_bytes() == CONTENT
    assert server.asked("Range") == [None, "bytes=300000-"]


def test_ctrl_c_keeps_what_was_fetched(server, fetch, monkeypatch, tmp_path):
    class Bar(download_module.tqdm):
        def update(self, n=1):
            if self.n + n > 100_000:
                raise KeyboardInterrupt
            self.n += n

    server.faults["/data.gz"] = [faults.cut(150_000)]
    with monkeypatch.context() as patched:
        patched.setattr(download_module, "tqdm", Bar)
        with pytest.raises(KeyboardInterrupt):
            fetch()
    kept = (tmp_path / "sources" / "data.gz.part").stat().st_size
    assert 0 < kept <= 150_000
    assert fetch().read_bytes() == CONTENT
    assert server.asked("Range")[-1] == f"bytes={kept}-"


def test_a_bar_shows_the_bytes_of_a_file_from_where_it_goes_on(server, fetch, monkeypatch):
    bars = []

    class Bar(download_module.tqdm):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **{**options, "disable": False, "file": open(os.devnull, "w")})
            bars.append(self)

        def close(self):
            self.seen = (self.initial, self.n, self.total, self.desc)
            super().close()

    monkeypatch.setattr(download_module, "tqdm", Bar)
    server.faults["/data.gz"] = [faults.cut(100_000)]
    fetch()
    assert [bar.seen for bar in bars] == [(100_000, 300_000, 300_000, "data.gz")]


def test_two_downloads_into_one_folder_do_not_get_into_each_others_way(server, fetch, tmp_path):
    server.faults["/data.gz"] = [faults.hang(1000)]
    said = []

    def first():
        said.append(fetch())

    thread = threading.Thread(target=first)
    thread.start()
    while not server.requests:
        time.sleep(0.01)
    with pytest.raises(DownloadError, match="another download into this folder is running"):
        fetch()
    server.released.set()
    thread.join()
    assert said[0].read_bytes() == CONTENT


@pytest.mark.fault
def test_a_download_that_was_killed_goes_on_where_it_was(server, fetch, tmp_path):
    server.faults["/data.gz"] = [faults.hang(200_000)]
    program = (
        "import sys; from pathlib import Path\n"
        "from biomedgpt_hf.download.transfer import RemoteFile, download\n"
        "download([RemoteFile('data.gz', sys.argv[1])], Path(sys.argv[2]), progress=False)"
    )
    process = subprocess.Popen([sys.executable, "-c", program, f"{server.url}/data.gz", str(tmp_path / "sources")])
    part = tmp_path / "sources" / "data.gz.part"
    try:
        while not part.exists() or part.stat().st_size < 150_000:
            assert process.poll() is None
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    kept = part.stat().st_size
    path = fetch()
    assert path.read_bytes() == CONTENT and leftovers(path) == ["data.gz", "downloads.json"]
    assert server.asked("Range")[-1] == f"bytes={kept}-"


def test_several_files_come_in_their_order_and_a_missing_one_costs_no_other(server, fake, tmp_path):
    server.files["/b"] = gzip.compress(b"b")
    files = [RemoteFile("a", f"{server.url}/data.gz"), RemoteFile("b", f"{server.url}/b")]
    assert [path.name for path in download(files, tmp_path, progress=False, patience=fake.patience())] == ["a", "b"]
    missing = RemoteFile("c", f"{server.url}/c")
    with pytest.raises(DownloadError, match="/c: HTTP 404"):
        download([*files, missing], tmp_path, progress=False, patience=fake.patience())
    assert [request.path for request in server.requests] == ["/data.gz", "/b", "/c"]


def test_the_date_of_the_server_counts_for_its_own_retry_after():
    assert retry_after({"Retry-After": "Fri, 21 Nov 2025 10:01:00 GMT", "Date": DATE}) == 60
