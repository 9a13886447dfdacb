"""Reading raw files: plain or gzip, and errors that name the file and the line."""

import gzip
import random
import re

import pytest

from biomedgpt_hf.building.splits import split_of_hash
from biomedgpt_hf.disk.manifests import describe_source
from biomedgpt_hf.files import sources
from biomedgpt_hf.files.records import RejectedRecord
from biomedgpt_hf.files.sources import SourceError, read_lines, require_utf8


def test_plain_and_gzip_files_read_the_same_whatever_their_names(tmp_path):
    text = "α-amino\tacid\r\nsecond\n".encode()
    (tmp_path / "plain.gz").write_bytes(text)
    (tmp_path / "packed.txt").write_bytes(gzip.compress(text))
    expected = [(1, "α-amino\tacid"), (2, "second")]
    assert list(read_lines(tmp_path / "plain.gz")) == list(read_lines(tmp_path / "packed.txt")) == expected


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path):
    (tmp_path / "file").write_bytes(b"\xef\xbb\xbfCID\n")
    assert list(read_lines(tmp_path / "file")) == [(1, "CID")]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (gzip.compress(b"", mtime=0), "empty file"),
        (gzip.compress(b"line\n" * 100_000, mtime=0)[:-20], "truncated or corrupt gzip"),
        (gzip.compress(b"line\n" * 1000, mtime=0)[:40] + b"garbage" * 20, "truncated or corrupt gzip"),
        (
            gzip.compress(random.Random(0).randbytes(50_000).hex("\n").encode(), mtime=0)[:-30_000],
            "truncated or corrupt gzip",
        ),
    ],
)
def test_a_file_that_ends_early_is_named_after_what_could_be_read(tmp_path, content, reason):
    path = tmp_path / "raw.txt"
    path.write_bytes(content)
    found = []
    with pytest.raises(SourceError, match=re.escape(str(path))) as caught:
        for line in read_lines(path):
            found.append(line)
    assert caught.value.reason == reason and caught.value.line == len(found)
    assert [number for number, _ in found] == list(range(1, len(found) + 1))


def test_bytes_of_another_encoding_cost_no_line(tmp_path):
    (tmp_path / "latin").write_bytes(b"fine\ncaf\xe9\nfine \xce\xb1\n")
    lines = [text for _, text in read_lines(tmp_path / "latin")]
    assert lines == ["fine", "caf\udce9", "fine α"]
    assert require_utf8(lines[2]) == lines[2]
    with pytest.raises(RejectedRecord, match="not UTF-8.*0xE9 after 'caf'"):
        require_utf8(lines[1])


@pytest.mark.parametrize("read", [lambda path: list(read_lines(path)), describe_source])
def test_a_missing_file_and_a_folder_are_told_apart(tmp_path, read):
    with pytest.raises(FileNotFoundError, match="no such file"):
        read(tmp_path / "absent.txt")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        read(tmp_path)


def test_a_source_is_described_by_its_checksum(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    described = describe_source(tmp_path / "abc")
    assert described["sha256"] == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert (described["file"], described["bytes"]) == ("abc", 3)


def test_hashing_splits_8_1_1_and_depends_on_seed_and_key_alone():
    keys = [str(number) for number in range(5000)]
    splits = [split_of_hash(0, key) for key in keys]
    assert splits == [split_of_hash(0, key) for key in keys]
    assert splits != [split_of_hash(1, key) for key in keys]
    shares = [splits.count(split) / len(keys) for split in ("train", "validation", "test")]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.02)


def test_a_gzip_in_a_gzip_is_to_be_unpacked_once(tmp_path):
    (tmp_path / "twice.gz").write_bytes(gzip.compress(gzip.compress(b"CCO\n")))
    with pytest.raises(SourceError, match="Unpack it once"):
        list(read_lines(tmp_path / "twice.gz"))


def test_a_gzip_that_unpacks_without_an_end_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "LARGEST_GZIP", 40_000)
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(b"CCO\n" * 50_000))
    with pytest.raises(SourceError, match="looks endless"):
        list(read_lines(tmp_path / "bomb.gz"))
    (tmp_path / "large.gz").write_bytes(gzip.compress(random.Random(0).randbytes(50_000).hex("\n").encode()))
    assert len(list(read_lines(tmp_path / "large.gz"))) == 50_000


def test_a_line_without_an_end_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "LONGEST_LINE", 1000)
    (tmp_path / "file").write_bytes(b"C" * 999 + b"\nCC\n" + b"C" * 1001)
    with pytest.raises(SourceError, match="line 3: the line goes on for more than 1,000 bytes"):
        list(read_lines(tmp_path / "file"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PK\x03\x04rest", "zip archive"),
        (b"BZh91AY&SY", "bzip2"),
        (b"\xfd7zXZ\x00\x00", "xz"),
        (b"\x28\xb5\x2f\xfd\x00", "zstd"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\x89PNG\r\n", "an image"),
        (b"\xff\xd8\xff\xe0", "an image"),
        ("CCO\n".encode("utf-16"), "UTF-16"),
        ("CCO\n".encode("utf-16-le"), "binary"),
    ],
)
@pytest.mark.parametrize("pack", [bytes, lambda content: gzip.compress(content, mtime=0)], ids=["plain", "gzip"])
def test_what_is_no_text_is_named(tmp_path, content, words, pack):
    (tmp_path / "file").write_bytes(pack(content))
    with pytest.raises(SourceError, match=words):
        list(read_lines(tmp_path / "file"))
