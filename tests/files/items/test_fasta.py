"""FASTA files are read record by record, and what is no protein is told."""

import gzip
import warnings

import pytest
from Bio import SeqIO

from biomedgpt_hf.files.items import fasta, read_items, text_lines
from biomedgpt_hf.files.sources import SourceError


def rows(tmp_path, text):
    path = tmp_path / "x.fasta"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(read_items([path]))


@pytest.mark.parametrize(
    "text",
    [
        ">one first\nMKT\nAYI\n\n>two\nGIVEQ*\n",
        "\ufeff>one first\r\nMKT\r\nAYI\r\n\r\n>two\r\nGIVEQ*",
        ">one first\rMKT\rAYI\r\r>two\rgiveq*\r",
        "; a comment\n>one first\nM K T\nayi\n; another\n\n>two\nGIVEQ*\n",
        "# a comment\n\n>one\nMKTAYI\n\n>two\nGIVEQ\n",
    ],
)
def test_records_may_be_wrapped_commented_and_end_their_lines_in_any_way(tmp_path, text):
    found = rows(tmp_path, text)
    assert [(item.row, item.id, item.proteins) for item in found] == [(1, "one", ("MKTAYI",)), (2, "two", ("GIVEQ",))]
    assert [item.source.partition(":")[0] for item in found] == ["x.fasta"] * 2


def test_ids_are_first_words_and_sources_tell_the_line(tmp_path):
    found = rows(tmp_path, b">sp|P12345|AATM_RABIT Aspartate\nMKT\n>\nMK\n>caf\xe9 x\nMK\n")
    assert [item.id for item in found] == ["sp|P12345|AATM_RABIT", "", "caf\\udce9"]
    assert [item.source for item in found] == ["x.fasta:1", "x.fasta:3", "x.fasta:5"]


@pytest.mark.parametrize(
    ("sequence", "words"),
    [
        ("", "no residues"),
        ("*", "no residues"),
        ("MK-T", "'-' at index 2 is a gap"),
        ("MK*T", "'*' at index 2 is a stop inside"),
        ("MK2T", "'2' at index 2 is not a residue"),
        ("MKé", "'É' at index 2 is not a residue"),
        ("MßK", "'ß' at index 1 is not a residue"),
        ("MK\u0131", "'\u0131' at index 2 is not a residue"),
        ("\ufb01MK", "'\ufb01' at index 0 is not a residue"),
        ("M\uff2bT", "'\uff2b' at index 1 is not a residue"),
        ("M\u017f", "'\u017f' at index 1 is not a residue"),
        ("ACGTTGCANACGTTGCAACG", "nucleotides, not amino acids"),
        ("acguugcaacguugcaacgu", "nucleotides, not amino acids"),
    ],
)
def test_a_record_that_is_no_protein_costs_no_other(tmp_path, sequence, words):
    bad, good = rows(tmp_path, f">bad\n{sequence}\n>good\nMKT\n")
    assert words in f"{bad.problem.reason}: {bad.problem.detail}" and bad.id == "bad" and not bad.proteins
    assert good.proteins == ("MKT",)


@pytest.mark.parametrize("sequence", ["ACGTACGTACGTACGTACG", "GA" * 30, "A" * 40, "ACGTACGTACGTACGTACGTK"])
def test_short_and_monotonous_sequences_stay_proteins(tmp_path, sequence):
    (item,) = rows(tmp_path, f">x\n{sequence}\n")
    assert item.proteins == (sequence,)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("\n \n", "only blank lines"),
        ("MKTAYIAK\n", "which is not an item"),
        ("# comment\ntext\n>x\nMK\n", "not a header line|not an item"),
        (">P1;CRAB_ANAPL\nALPHA CRYSTALLIN\nMDITI*\n", "NBRF/PIR"),
        (gzip.compress(b">x\nMKT\n" * 3000, mtime=0)[:-20], "truncated"),
    ],
)
def test_what_is_no_fasta_is_one_error(tmp_path, text, words):
    with pytest.raises(SourceError, match=words):
        rows(tmp_path, text)


@pytest.mark.parametrize("end", ["\n", "", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b"\xef\xbb\xbf" * 2])
def test_files_that_were_joined_keep_every_record(tmp_path, mark, end):
    parts = [f">{name}{end or chr(10)}{sequence}{end}".encode() for name, sequence in (("a", "MKT"), ("b", "AYI"))]
    found = rows(tmp_path, b"".join(mark + part for part in parts))
    assert [(item.id, item.proteins) for item in found] == [("a", ("MKT",)), ("b", ("AYI",))]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_text_of_two_bytes_a_character_is_refused_with_what_to_do(tmp_path, encoding):
    with pytest.raises(SourceError, match="as UTF-8|in UTF-8"):
        rows(tmp_path, ">one\nMKT\n".encode(encoding))


def test_a_sequence_without_an_end_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(text_lines, "LONGEST_RECORD", 100)
    with pytest.raises(SourceError, match="line 11: a record of more than 100 characters"):
        rows(tmp_path, ">x\n" + "MKTAYIAKQR\n" * 20)


@pytest.mark.parametrize(
    "name", ["aster.pro", "bad.fasta", "dups.fasta", "fasta.fasta", "flowers.pro.gz", "rose.pro", "Isoform.fasta"]
)
def test_real_files_have_the_records_that_biopython_reads(shared, name):
    path = shared / "data/proteins/fasta" / name
    with gzip.open(path, "rt") if name.endswith(".gz") else path.open(encoding="utf-8-sig") as file:
        expected = [(record.id, (str(record.seq),)) for record in SeqIO.parse(file, "fasta")]
    assert [(item.id, item.proteins) for item in read_items([path])] == expected


def test_real_nucleotides_are_told_and_real_proteins_are_not_taken_for_them(shared):
    (item,) = read_items([shared / "data/proteins/fasta/lupine.nu"])
    assert item.problem.reason == "nucleotides, not amino acids"
    with warnings.catch_warnings(), (shared / "data/proteins/uniprot_flat/swissprot_shared.dat").open() as file:
        warnings.simplefilter("ignore")
        sequences = [str(record.seq) for record in SeqIO.parse(file, "swiss")]
    assert len(sequences) > 500 and not any(map(fasta.is_nucleotides, sequences))
