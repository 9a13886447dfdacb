"""The catalogue of public sources, and fetching all that a set needs."""

import dataclasses
import gzip
import hashlib
import json
import socket
from pathlib import Path

import pytest
from huggingface_hub import constants

from biomedgpt_hf.console import in_one_line
from biomedgpt_hf.disk.provenance import recorded_download
from biomedgpt_hf.download.checksums import digests, parse_checksum
from biomedgpt_hf.download.hub_files import HubFile
from biomedgpt_hf.download.patient_client import DownloadError
from biomedgpt_hf.download.pubchem_pages import AnnotationPages
from biomedgpt_hf.download.transfer import RemoteFile
from biomedgpt_hf.sets import catalogue
from biomedgpt_hf.sets.biomedical_qa.roles import part_of_file
from biomedgpt_hf.sets.catalogue import CATALOGUE, fetch_sources

from ..download import faulty_server as faults
from ..download.faulty_server import FakeTime, FaultyServer, serving

HOSTS = ("UNIPROT", "CHEBI", "PUBCHEM_FTP", "PUBCHEM", "GITHUB")
ALL = [file for files in CATALOGUE.values() for file in files]
SHARED = {
    "captions/chebi20/test.txt": "test.txt",
    "captions/chebi20/validation.txt": "validation.txt",
    "qa/pubmedqa/ori_pqal.json": "ori_pqal.json",
    "qa/pubmedqa/test_ground_truth.json": "test_ground_truth.json",
}


def path_of(url):
    """Path and parameters of a URL as the stand-in serves it."""
    return "/" + url.split("://", 1)[1].split("/", 1)[1]


def content_of(file):
    return gzip.compress(repr(file).encode(), mtime=0)


@pytest.fixture
def world(monkeypatch):
    """All hosts of the catalogue, with made-up contents that have the checksums they should."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    faulty = FaultyServer()
    with serving(faulty):
        served = {name: tuple(put(faulty, file) for file in files) for name, files in CATALOGUE.items()}
        monkeypatch.setattr(catalogue, "CATALOGUE", served)
        yield faulty


def put(faulty, file):
    """Serve a file of the catalogue; returns it with the checksum of what is served."""
    content = content_of(file)
    if isinstance(file, AnnotationPages):
        for number in (1, 2):
            page = {"Annotations": {"Annotation": [], "Page": number, "TotalPages": 2}}
            parameters = f"heading=Record+Description&heading_type=Compound&page={number}"
            faulty.files[f"{path_of(file.url)}?{parameters}"] = json.dumps(page).encode()
        return file
    if isinstance(file, HubFile):
        path = f"/datasets/{file.repository}/resolve/{file.revision}/{file.path}"
        faulty.headers[path] = {"X-Repo-Commit": file.revision}
        faulty.files[path], faulty.etags[path] = content, f'"{hashlib.sha256(content).hexdigest()}"'
    else:
        faulty.files[path_of(file.url)] = content
    if isinstance(file, RemoteFile) and file.checksum_url:
        md5 = hashlib.md5(content).hexdigest()
        faulty.files[path_of(file.checksum_url)] = f"{md5}  {file.name}\n".encode()
    return (
        dataclasses.replace(file, checksum=f"sha256:{hashlib.sha256(content).hexdigest()}") if file.checksum else file
    )


def mirrors(server):
    """Every host at the stand-in, under the paths it has."""
    known = {
        getattr(catalogue, host): server.url + path_of(getattr(catalogue, host) + "/").rstrip("/") for host in HOSTS
    }
    return known | {"https://huggingface.co": server.url}


def fetch(name, server, folder, fake=None, **settings):
    patience = (fake or FakeTime()).patience(**settings)
    return fetch_sources(name, folder, progress=False, mirrors=mirrors(server), patience=patience)


@pytest.mark.parametrize("name", CATALOGUE)
def test_all_sources_of_a_set_are_fetched_once_and_on_record(world, tmp_path, name):
    paths = fetch(name, world, tmp_path)
    assert len(paths) == len(set(paths)) >= len(CATALOGUE[name]) and all(path.is_file() for path in paths)
    for path in paths:
        known = recorded_download(path, hashlib.sha256(path.read_bytes()).hexdigest())
        assert known["url"].startswith(world.url) and known["license"] != "unknown" and known["verified"]
    world.requests.clear()
    assert fetch(name, world, tmp_path) == paths and world.requests == []


def test_structures_come_before_descriptions_and_are_checked_by_pubchems_md5(world, tmp_path):
    paths = fetch("pubchemqa", world, tmp_path)
    assert [path.name for path in paths] == ["CID-SMILES.gz", "page-00001.json.gz", "page-00002.json.gz"]
    asked = [request.path.split("?")[0] for request in world.requests]
    assert asked[0].endswith("/Compound/Extras/CID-SMILES.gz.md5") and asked[1].endswith("/Extras/CID-SMILES.gz")


def test_swiss_prot_is_of_the_release_that_the_metalink_names(world, tmp_path):
    file = CATALOGUE["uniprotqa"][0]
    content, md5 = content_of(file), hashlib.md5(content_of(file)).hexdigest()
    metalink = (
        '<metalink xmlns="http://www.metalinker.org/" version="3.0"><version>2026_04</version><files>'
        f'<file name="uniprot_sprot.dat.gz"><size>{len(content)}</size>'
        f'<verification><hash type="md5">{md5}</hash></verification></file></files></metalink>'
    )
    world.files[path_of(file.checksum_url)] = metalink.encode()
    (path,) = fetch("uniprotqa", world, tmp_path)
    assert recorded_download(path, hashlib.sha256(content).hexdigest())["release"] == "2026_04"


def test_the_files_of_biomedical_questions_tell_their_parts_by_their_names(world, tmp_path):
    paths = [path.relative_to(tmp_path).as_posix() for path in fetch("biomedical-qa", world, tmp_path)]
    assert len(paths) == 25
    parts = {
        "medmcqa/data/train-00000-of-00001.parquet": ("MedMCQA", "train"),
        "medmcqa/data/validation-00000-of-00001.parquet": ("MedMCQA", "dev"),
        "MedQA-USMLE-4-options/phrases_no_exclude_train.jsonl": ("MedQA", "train"),
        "MedQA-USMLE-4-options/phrases_no_exclude_test.jsonl": ("MedQA", "test"),
        "mmlu/anatomy/test-00000-of-00001.parquet": ("MMLU", "test"),
        "mmlu/anatomy/validation-00000-of-00001.parquet": ("MMLU", "validation"),
        "mmlu/anatomy/dev-00000-of-00001.parquet": ("MMLU", "dev"),
        "PubMedQA/pqa_artificial/train-00000-of-00001.parquet": ("PQA-A", ""),
        "ori_pqal.json": ("PQA-L", ""),
    }
    for path, (holds, part) in parts.items():
        assert path in paths and part_of_file(Path(path), holds) == part


def test_a_set_that_was_interrupted_goes_on_with_the_file_it_was_at(world, tmp_path):
    train, validation, _ = (path_of(file.url) for file in CATALOGUE["chebi20"])
    world.faults[validation] = [faults.cut(10), faults.no_answer]
    with pytest.raises(DownloadError, match="2 attempts"):
        fetch("chebi20", world, tmp_path, tries=2)
    world.requests.clear()
    assert [path.name for path in fetch("chebi20", world, tmp_path)] == ["train.txt", "validation.txt", "test.txt"]
    assert world.asked("Range", train) == [] and world.asked("Range", validation) == ["bytes=10-"]


@pytest.mark.parametrize("name", ["molecule-facts", "table", "pubchem", ""])
def test_a_set_without_public_sources_says_so(tmp_path, name):
    with pytest.raises(
        ValueError, match=f"^{name} has no public source to download: .*uniprotqa, chebi20, chebi, pubchemqa"
    ):
        fetch_sources(name, tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", CATALOGUE)
def test_without_a_network_there_is_one_clear_line_and_soon(tmp_path, monkeypatch, name):
    def unknown(*arguments, **options):
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    for variable in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
    fake = FakeTime()
    with pytest.raises(OSError) as caught:
        fetch_sources(name, tmp_path, progress=False, patience=fake.patience())
    said = in_one_line(caught.value)
    assert "Temporary failure in name resolution" in said and "SOURCE" in said and "https://" in said
    assert "\n" not in said and sum(fake.waits) <= 1


def test_a_host_that_needs_a_browser_is_named_where_a_copy_is_gone(world, tmp_path):
    medmcqa = next(path for path in world.files if "medmcqa" in path)
    world.faults[medmcqa] = [faults.status(404, X_Error_Code="EntryNotFound")]
    with pytest.raises(
        DownloadError, match=r"Fetch it by hand from https://drive.google.com/\S+ .* pass the file as SOURCE"
    ):
        fetch("biomedical-qa", world, tmp_path)


@pytest.mark.parametrize("file", ALL, ids=lambda file: getattr(file, "name", getattr(file, "path", None)))
def test_every_entry_is_complete(file):
    urls = [getattr(file, "url", None), getattr(file, "checksum_url", None)]
    assert all(url.startswith("https://") for url in urls if url) and "drive.google" not in str(urls)
    assert file.license != "unknown"
    if isinstance(file, HubFile):
        assert len(file.revision) == 40 and int(file.revision, 16)
    if not isinstance(file, AnnotationPages):
        assert file.by_hand.startswith("https://")
        assert file.checksum is None or parse_checksum(file.checksum, "").kind in ("sha256", "git")


def test_pinned_checksums_are_those_of_the_real_files(shared):
    pinned = {file.name: file.checksum for file in ALL if isinstance(file, RemoteFile) and file.checksum}
    for place, name in SHARED.items():
        kind, _, digest = pinned[name].partition(":")
        assert digests(shared / "data" / place, [kind]) == {kind: digest}


def test_a_mirror_replaces_the_longest_beginning_that_it_names():
    file = RemoteFile("x", "https://a.org/pub/x", checksum_url="https://b.org/x.md5")
    moved = file.moved({"https://a.org": "https://m.org/a", "https://a.org/pub": "http://n.org/", "https://a.or": "no"})
    assert moved.url == "http://n.org/x" and moved.checksum_url == "https://b.org/x.md5"
    assert file.moved({}) == file
