"""Pages of annotations from a PubChem that is busy, throttles and renews its listing."""

import gzip
import hashlib
import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomedgpt_hf.disk.provenance import recorded_download
from biomedgpt_hf.download.patient_client import DownloadError
from biomedgpt_hf.download.pubchem_pages import AnnotationPages, Throttling, first_missing, read_throttling
from biomedgpt_hf.download.transfer import download

from . import faulty_server as faults
from .faulty_server import FakeTime, FaultyServer, serving

GREEN = "Request Count status: Green (0%), Request Time status: Green (0%), Service status: Green (20%)"
YELLOW = "Request Count status: Yellow (62%), Request Time status: Green (0%), Service status: Green (20%)"
RED = "Request Count status: Yellow (62%), Request Time status: Red (80%), Service status: Green (20%)"
BLACK = "Request Count status: Green (0%), Request Time status: Green (0%), Service status: Black (100%)"
BLOCKED = (
    "Request Count status: Green (0%), Request Time status: Green (0%), Service status: Green (13%), "
    "too many requests per second or blacklisted"
)


def path_of(number):
    return f"/rest/pug_view/annotations/heading/JSON?heading=Record+Description&heading_type=Compound&page={number}"


def page(number, total, text="α"):
    annotation = {"SourceName": "Somebody", "Data": [{"Value": {"StringWithMarkup": [{"String": f"{text} {number}"}]}}]}
    content = {"Annotations": {"Annotation": [annotation], "Page": number, "TotalPages": total}}
    return json.dumps(content, ensure_ascii=False).encode()


def fault_json(code, message="Too many requests or server too busy"):
    return json.dumps({"Fault": {"Code": code, "Message": message}}).encode()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def fake():
    return FakeTime()


@pytest.fixture
def pubchem(fake):
    faulty = FaultyServer()
    faulty.clock = lambda: fake.now
    for number in range(1, 13):
        faulty.files[path_of(number)] = page(number, 12)
    with serving(faulty):
        yield faulty


@pytest.fixture
def fetch(pubchem, fake, tmp_path):
    def fetch(**settings):
        listing = AnnotationPages(
            "record-description",
            f"{pubchem.url}/rest/pug_view/annotations/heading/JSON",
            heading="Record Description",
            license="terms",
        )
        return download([listing], tmp_path, progress=False, patience=fake.patience(**settings))

    return fetch


def texts(paths):
    pages = [json.loads(gzip.decompress(path.read_bytes())) for path in paths]
    return [p["Annotations"]["Annotation"][0]["Data"][0]["Value"]["StringWithMarkup"][0]["String"] for p in pages]


def asked(server):
    return [int(request.path.rsplit("=", 1)[1]) for request in server.requests]


def test_every_page_is_kept_as_it_came_and_in_order(pubchem, fetch, tmp_path):
    paths = fetch()
    assert [path.name for path in paths] == [f"page-{number:05d}.json.gz" for number in range(1, 13)]
    assert [gzip.decompress(path.read_bytes()) for path in paths] == [page(number, 12) for number in range(1, 13)]
    assert asked(pubchem) == list(range(1, 13))
    assert sorted(path.name for path in (tmp_path / "record-description").iterdir()) == sorted(
        ["downloads.json", *(path.name for path in paths)]
    )
    known = recorded_download(paths[2], hashlib.sha256(paths[2].read_bytes()).hexdigest())
    assert known["url"] == pubchem.url + path_of(3) and known["license"] == "terms" and "downloaded" in known


def test_no_more_than_five_requests_start_in_any_second_nor_400_in_a_minute(pubchem, fetch):
    pubchem.faults[path_of(7)] = [faults.no_answer, faults.instead(b"")]
    fetch()
    times = [request.time for request in pubchem.requests]
    assert len(times) == 14
    # A fifth of a second between any two keeps both limits: 5 a second, 300 a minute.
    assert min(later - earlier for earlier, later in pairwise(times)) >= 0.2


@pytest.mark.parametrize(
    ("header", "wait"), [(GREEN, 0.25), (YELLOW, 1), (RED, 10), (BLACK, 60), (BLOCKED, 60), ("?", 0.25)]
)
def test_the_throttling_header_slows_the_next_request_down(pubchem, fetch, header, wait):
    pubchem.faults[path_of(1)] = [faults.instead(page(1, 12), X_Throttling_Control=header)]
    fetch()
    times = [request.time for request in pubchem.requests]
    assert times[1] - times[0] == pytest.approx(wait)
    assert times[2] - times[1] == pytest.approx(0.25)


def test_a_busy_pubchem_is_asked_again_when_it_says_so(pubchem, fetch):
    busy = faults.status(503, fault_json("PUGVIEW.ServerBusy"), Retry_After="30", X_Throttling_Control=GREEN)
    blocked = faults.status(503, fault_json("PUGREST.ServerBusy"), Retry_After="30", X_Throttling_Control=BLOCKED)
    pubchem.faults[path_of(3)] = [busy, blocked]
    assert len(fetch()) == 12
    times = [request.time for request in pubchem.requests if request.path == path_of(3)]
    assert times[1] - times[0] >= 30 and times[2] - times[1] >= 60


@pytest.mark.parametrize(
    "fault",
    [
        faults.status(404, fault_json("PUGVIEW.ServerBusy")),
        faults.instead(fault_json("PUGVIEW.ServerBusy")),
        faults.status(504, fault_json("PUGVIEW.Timeout")),
        faults.status(500, fault_json("PUGVIEW.ServerError")),
        faults.status(500, fault_json("PUGVIEW.Unknown")),
        faults.status(503, b"<html><p>Service unavailable</html>"),
        faults.instead(b"<html>maintenance</html>"),
        faults.instead(b""),
        faults.instead(b"[]"),
        faults.instead(b'{"Fault": "odd"}'),
        faults.instead(page(2, 12)[:-5]),
        faults.instead(page(3, 12)),
        faults.instead(page(2, 1)),
        faults.instead(page(2, 12).replace(b'"TotalPages": 12', b'"TotalPages": "12"')),
        faults.instead(b"not gzip", Content_Encoding="gzip"),
        faults.cut(30),
        faults.no_answer,
    ],
)
def test_anything_but_the_page_asked_for_is_asked_again(pubchem, fetch, fault):
    pubchem.faults[path_of(2)] = [fault]
    assert texts(fetch()) == [f"α {number}" for number in range(1, 13)]
    assert asked(pubchem) == [1, 2, 2, *range(3, 13)]


@pytest.mark.parametrize("code", [400, 404])
def test_a_fault_that_stays_is_told_with_its_code(pubchem, fake, fetch, code):
    pubchem.faults[path_of(1)] = [faults.status(code, fault_json("PUGVIEW.BadRequest", "No such heading"))]
    with pytest.raises(DownloadError, match="PUGVIEW.BadRequest: No such heading.*by hand"):
        fetch()
    assert len(pubchem.requests) == 1


def test_a_pubchem_that_stays_busy_is_given_up_and_the_next_run_goes_on(pubchem, fake, fetch):
    pubchem.faults[path_of(5)] = [faults.status(503, fault_json("PUGVIEW.ServerBusy"))] * 6
    with pytest.raises(DownloadError, match=r"PUGVIEW.ServerBusy: Too many requests .*6 attempts.*kept"):
        fetch()
    pubchem.requests.clear()
    assert texts(fetch()) == [f"α {number}" for number in range(1, 13)]
    assert asked(pubchem) == list(range(5, 13))
    pubchem.requests.clear()
    assert len(fetch()) == 12 and asked(pubchem) == []


@pytest.mark.parametrize("total", [11, 13])
def test_pages_of_an_older_listing_are_not_mixed_with_newer_ones(pubchem, fetch, total, tmp_path):
    pubchem.faults[path_of(9)] = [faults.status(403)]
    with pytest.raises(DownloadError):
        fetch()
    for number in range(1, 14):
        pubchem.files.pop(path_of(number), None)
    for number in range(1, total + 1):
        pubchem.files[path_of(number)] = page(number, total, "β")
    paths = fetch()
    assert texts(paths) == [f"β {number}" for number in range(1, total + 1)]
    assert sorted(path.name for path in (tmp_path / "record-description").glob("page*")) == [
        path.name for path in paths
    ]


def test_a_listing_that_became_shorter_than_what_is_left_to_fetch_begins_anew(pubchem, fetch):
    pubchem.faults[path_of(12)] = [faults.status(403)]
    with pytest.raises(DownloadError):
        fetch()
    for number in range(1, 13):
        missing = fault_json("PUGVIEW.NotFound", "No data found")
        pubchem.faults[path_of(number)] = [] if number < 5 else [faults.status(404, missing)] * 9
        pubchem.files[path_of(number)] = page(number, 4, "β")
    assert texts(fetch()) == [f"β {number}" for number in range(1, 5)]


def test_a_page_beyond_a_shorter_listing_is_removed(pubchem, fetch, tmp_path):
    fetch()
    (tmp_path / "record-description" / "page-00002.json.gz").unlink()
    for number in range(1, 13):
        pubchem.files[path_of(number)] = page(number, 3, "β")
    paths = fetch()
    assert texts(paths) == ["β 1", "β 2", "β 3"]
    record = json.loads((tmp_path / "record-description" / "downloads.json").read_text())["files"]
    assert sorted(record) == [path.name for path in paths] == sorted(p.name for p in tmp_path.rglob("page*"))


def test_a_listing_that_does_not_hold_still_is_told(pubchem, fetch):
    for number in (1, 2):
        pubchem.faults[path_of(number)] = [faults.instead(page(number, total)) for total in range(20 + number, 60, 2)]
    with pytest.raises(DownloadError, match="changes while it is fetched"):
        fetch()


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (None, None),
        ("", None),
        (GREEN, ("green", 20)),
        (YELLOW, ("yellow", 62)),
        (RED, ("red", 80)),
        (BLACK, ("black", 100)),
        (BLOCKED, ("black", 13)),
        ("Request Count status: Green (0%), WebConverter status: YELLOW (51%)", ("yellow", 51)),
        ("Request Count status: Purple (3%)", ("yellow", 3)),
        ("Remaining blocking time: some", ("black", 100)),
    ],
)
def test_the_worst_colour_of_the_throttling_header_counts(header, said):
    assert read_throttling(header) == (Throttling(*said) if said else None)


@given(st.text(max_size=200))
def test_any_throttling_header_is_read_or_not(header):
    said = read_throttling(header)
    assert said is None or said.colour in ("green", "yellow", "red", "black")


@given(st.dictionaries(st.integers(1, 9), st.integers(1, 9)), st.integers(0, 9))
def test_the_first_missing_page_is_the_first_that_is_not_of_this_listing(kept, total):
    number = first_missing(kept, total)
    if number is None:
        assert total and all(kept.get(page) == total for page in range(1, total + 1))
    else:
        assert number == 1 or all(kept.get(page) == total for page in range(1, number))
        assert not total or kept.get(number) != total
