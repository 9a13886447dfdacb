"""Checksums: in the catalogue's form, in publishers' files, and of files."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomedgpt_hf.download.checksums import ExpectedContent, digests, parse_checksum, read_published

METALINK_4 = b"""<?xml version="1.0" encoding="UTF-8"?>
<metalink xmlns="urn:ietf:params:xml:ns:metalink">
  <file name="folder/data.gz"><size>12</size><hash type="sha-256">%s</hash><hash type="md5">%s</hash></file>
  <file name="no-hash.gz"><size>3</size></file>
</metalink>
""" % (b"A" * 64, b"b" * 32)


def test_the_strongest_checksum_of_a_metalink_counts():
    assert read_published(METALINK_4, "data.gz", "o") == ExpectedContent("sha256", "a" * 64, "o", 12)
    assert read_published(METALINK_4, "no-hash.gz", "o") == ExpectedContent("", "", "o", 3)
    assert read_published(METALINK_4, "ata.gz", "o") is None


@given(st.binary(max_size=200), st.sampled_from(["data.gz", "x", "", "(", "CID-SMILES.gz"]))
def test_whatever_a_checksum_file_holds_it_is_read_or_not(content, name):
    found = read_published(content, name, "origin")
    assert found is None or found.kind in ("", "md5", "sha256")


@pytest.mark.parametrize(
    "text", ["", "md5:", "md5:12", "sha1:" + "0" * 40, "0" * 64, f"md5:{'g' * 32}", "sha256:" + "0" * 63]
)
def test_a_checksum_of_another_form_is_an_error(text):
    with pytest.raises(ValueError, match="none of sha256:…, git:… and md5:…"):
        parse_checksum(text, "")


def test_digests_are_those_of_hashlib_at_any_length(tmp_path):
    for size in (0, 1, 2**20 - 1, 2**20, 2**20 + 1):
        path = tmp_path / "file"
        path.write_bytes(b"x" * size)
        found = digests(path, ["sha256", "md5", "git", ""])
        assert found == {
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "md5": hashlib.md5(path.read_bytes()).hexdigest(),
            "git": hashlib.sha1(b"blob %d\0" % size + path.read_bytes()).hexdigest(),
        }
