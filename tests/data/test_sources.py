"""Reading raw files: plain or gzip, and errors that name the file and the line."""

import gzip

import pytest

from biomedgpt_hf.data.sources import describe_source, read_lines, split_of_hash


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
    ("content", "kind", "message"),
    [
        (b"", ValueError, "is empty"),
        (b"fine\n\xff\xfe\n", ValueError, "line 2: not UTF-8"),
        (gzip.compress(b"line\n" * 100_000)[:-20], OSError, "truncated or corrupt"),
        (gzip.compress(b"line\n" * 1000)[:40] + b"garbage" * 20, OSError, "truncated or corrupt"),
    ],
)
def test_an_unreadable_file_is_named(tmp_path, content, kind, message):
    path = tmp_path / "raw.txt"
    path.write_bytes(content)
    with pytest.raises(kind, match=message) as caught:
        list(read_lines(path))
    assert str(path) in str(caught.value)


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
