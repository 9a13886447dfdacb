"""Files that are none of UniProtKB's, damaged ones, and ones larger than memory."""

import gzip
import tracemalloc

import pytest

from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.files.uniprot import cutting, formats
from biomedgpt_hf.files.uniprot.formats import parse_entry, read_entries

from .four_formats import WRITERS, Comment, Facts


@pytest.mark.parametrize(
    ("data", "reason", "message"),
    [
        (b"##gff-version 3\n", "unknown format", "begins a GFF file"),
        (b"", "empty file", "is empty"),
        (b"\n \n\n", "empty file", "is empty"),
        (gzip.compress(b"", mtime=0), "empty file", "is empty"),
        (b"<!DOCTYPE html><html><body>", "unknown format", "is a web page (HTML)"),
        (b"<html><entry>", "unknown format", "is a web page (HTML)"),
        (b"<?xml version='1.0'?><UniRef50 xmlns='a'><entry>", "unknown format", "is XML with the root <UniRef50>"),
        (b"<?xml version='1.0'?>\n<!-- <uniprot> --><rdf:RDF>", "unknown format", "is XML with the root <rdf:RDF>"),
        (b"PK\x03\x04rest", "unknown format", "is a zip archive, such as an Excel workbook. Save a workbook as CSV"),
        (b"PAR1rest", "unknown format", "a Parquet file"),
        ("ID   A".encode("utf-16"), "unknown format", "is text in UTF-16. Save it as UTF-8"),
        (b"what is this\n", "unknown format", "'what is this' begins none of UniProtKB's formats"),
        (b"A,B\n1,2\n", "unknown format", "'A,B' begins none of UniProtKB's formats. Give entries of UniProtKB in"),
        (b"<uniprot xmlns='http://uniprot.org/uniprot'></uniprot>", "no entry", "holds no entry"),
        (b'{"results": []}', "no entry", "holds no entry"),
        (b"Entry\tSequence\tProtein names\n", "no entry", "holds no entry"),
    ],
)
def test_a_foreign_or_empty_file_is_refused_and_named(tmp_path, data, reason, message):
    (tmp_path / "raw").write_bytes(data)
    with pytest.raises(SourceError) as refused:
        list(read_entries(tmp_path / "raw"))
    assert refused.value.reason == reason
    assert message in str(refused.value) and str(tmp_path / "raw") in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_told_by_the_system(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        next(read_entries(tmp_path / "none"))
    with pytest.raises(IsADirectoryError, match="is a folder"):
        next(read_entries(tmp_path))


def many(format, number):
    text = "Binds " + "something or other of the kind that proteins bind " * 20
    return WRITERS[format](*(Facts(f"P{n:05d}", functions=(Comment((text,)),)) for n in range(number)))


@pytest.mark.parametrize("format", WRITERS)
def test_a_truncated_gzip_keeps_what_could_be_read(tmp_path, format):
    (tmp_path / "raw.gz").write_bytes(gzip.compress(many(format, 3000))[:-2000])
    records = []
    with pytest.raises(SourceError, match="truncated or corrupt"):
        for record in read_entries(tmp_path / "raw.gz"):
            records.append(record)  # one by one: those before the error are kept
    whole = [record for record in records if not record.problem]
    assert [record.id for record in whole] == [f"P{n:05d}" for n in range(len(whole))]
    assert 100 < len(whole) < 3000 and len(records) - len(whole) <= 1


@pytest.mark.parametrize("format", WRITERS)
def test_memory_does_not_grow_with_the_file(tmp_path, monkeypatch, format):
    monkeypatch.setattr(formats, "BLOCK", 1 << 16)
    (tmp_path / "raw").write_bytes(many(format, 4000))
    assert (tmp_path / "raw").stat().st_size > 4_000_000
    tracemalloc.start()
    try:
        assert sum(bool(parse_entry(record.content)) for record in read_entries(tmp_path / "raw")) == 4000
        # What the garbage collector has not yet seen counts, which depends on what was imported before.
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("format", "end"), [("flat", b"//\n"), ("xml", b"</entry>")])
def test_a_file_without_ends_is_given_up_before_it_fills_the_memory(tmp_path, monkeypatch, format, end):
    monkeypatch.setattr(cutting, "LARGEST_RECORD", 100_000)
    monkeypatch.setattr(formats, "BLOCK", 10_000)
    (tmp_path / "raw").write_bytes(many(format, 300).replace(end, b""))
    with pytest.raises(SourceError, match="no end of the entry .* in 100,000 bytes"):
        list(read_entries(tmp_path / "raw"))
