"""The flat file reader gives what Bio.SwissProt gives, and sees the line breaks besides."""

import gzip
import io

import pytest
from Bio import SwissProt

from biomedgpt_hf.files.records import RejectedRecord
from biomedgpt_hf.files.uniprot.flat_file import TOPICS, parse_flat_entry, read_fields
from biomedgpt_hf.files.uniprot.formats import read_entries

from .four_formats import LICENCE, Comment, Facts, flat, flat_file


def assert_as_biopython_reads(text):
    """Each field that is used, of an entry's text; Biopython keeps blanks that a line is indented by."""
    expected, fields = SwissProt.read(io.StringIO(text)), read_fields(text)
    comments = [" ".join(comment.split()) for comment in expected.comments if comment.startswith(TOPICS)]
    assert [f"{topic}: {text}".replace("\n", " ") for topic, text in fields.comments] == comments
    assert fields.description.replace("\n", " ") == expected.description
    assert fields.accessions == expected.accessions
    assert (fields.name, fields.data_class) == (expected.entry_name, expected.data_class)
    assert fields.sequence == expected.sequence
    assert fields.length == expected.seqinfo[0] == expected.sequence_length


def test_every_real_entry_is_read_as_biopython_reads_it(shared):
    folder = shared / "data/proteins"
    paths = [*folder.glob("uniprot_flat/*"), *(folder / "small_files").rglob("*.txt")]
    paths += [*(folder / "small_files").rglob("*.dat"), *(folder / "small_files").rglob("*.txl")]
    count = 0
    for path in paths:
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
        for entry in text.split("\n//\n"):
            if entry.strip():
                assert_as_biopython_reads(entry.lstrip("\n") + "\n//\n")
                count += 1
    assert count >= 678


LONG = "A long text (By similarity) that goes on and on over non-covalent line breaks, " * 4
ODD = {
    "usual": flat(Facts(functions=(Comment((LONG,)), Comment((LONG,), "Isoform 2")))),
    "no comments": flat(Facts()).replace(LICENCE, "").partition("CC   -!-")[0] + flat(Facts()).partition(LICENCE)[2],
    "no licence": flat(Facts(functions=(Comment((LONG,)),))).replace(LICENCE, ""),
    "many accessions": flat(Facts()).replace("Q99999;", "Q99999; A0A024R161;\nAC   B0B024R161; C3PO12;"),
    "odd indentation": flat(Facts(functions=(Comment((LONG,)),))).replace("CC       ", "CC          ", 1),
    "space at line ends": flat(Facts(functions=(Comment((LONG,)),))).replace("\nCC ", "  \nCC "),
    "a line that goes on with CC": flat(Facts()).replace(
        LICENCE, "CC   -!- FUNCTION: Binds the\nCC       CCR4-NOT complex and the\nCC       CC motif.\n" + LICENCE
    ),
    "old": """\
ID   Q9Y736      PRELIMINARY;      PRT;    12 AA.
AC   Q9Y736;
DT   01-NOV-1999 (TrEMBLrel. 12, Created)
DT   01-NOV-1999 (TrEMBLrel. 12, Last sequence update)
DT   01-MAR-2001 (TrEMBLrel. 16, Last annotation update)
DE   NAD(P)H DEHYDROGENASE (EC 1.6.5.2) (MENADIONE (K3)
DE   REDUCTASE) (FRAGMENT).
OS   Homo sapiens (Human).
OC   Eukaryota; Metazoa.
CC   -!- FUNCTION: OXIDISES DI- AND TRIPEPTIDES, N-
CC       AND C-TERMINAL ONES (BY SIMILARITY).
CC   -!- SIMILARITY: BELONGS TO THE TEST FAMILY.
KW   Hydrolase.
SQ   SEQUENCE   12 AA;  1300 MW;  0123456789ABCDEF CRC64;
     MKTAYIAKQR QI
//
""",
    "long sequence": flat(Facts(sequence="ACDEFGHIKLMNPQRSTVWY" * 37)),
    "non-ASCII": flat(Facts(functions=(Comment(("Binds α-synuclein – Müller’s",)),))),
}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_odd_entries_are_read_as_biopython_reads_them(text):
    assert_as_biopython_reads(text)


def test_old_entries_with_capital_letters_answer():
    entry = parse_flat_entry(ODD["old"].encode())
    assert entry.names == ("NAD(P)H DEHYDROGENASE", "MENADIONE (K3) REDUCTASE") and entry.enzyme_numbers == ("1.6.5.2",)
    assert entry.reviewed is False


@pytest.mark.parametrize(
    ("before", "after", "detail"),
    [
        ("Reviewed;", "Revised;", "not an ID line with Reviewed or Unreviewed: 'ID   TEST_HUMAN"),
        ("SEQUENCE   22 AA;", "SEQUENCE   some AA;", "not an SQ line with a length: 'SQ   SEQUENCE   some"),
        ("Homo sapiens", "Homo sapi\udcffens", "byte 0xFF after 'ment;\\nOS   Homo sapi'"),
    ],
)
def test_an_unreadable_entry_says_what_is_wrong(before, after, detail):
    with pytest.raises(RejectedRecord) as rejected:
        parse_flat_entry(flat(Facts()).replace(before, after).encode("utf-8", "surrogateescape"))
    assert detail in rejected.value.detail


def test_entries_without_beginning_or_end_are_rejected_where_they_stand(tmp_path):
    whole = flat(Facts())
    headless = whole.partition("\nAC")[2]
    tailless = flat(Facts("P00001")).removesuffix("//\n")
    text = f"{tailless}{whole}AC{headless}{whole}\n\n{tailless}"
    (tmp_path / "raw").write_text(text)
    records = list(read_entries(tmp_path / "raw"))
    assert [(record.id, bool(record.problem)) for record in records] == [
        ("P00001", True),
        ("P12345", False),
        ("P12345", True),
        ("P12345", False),
        ("P00001", True),
    ]
    lines = text.split("\n")
    begins = [lines[record.line - 1] for record in records]
    assert [line[:5] for line in begins] == ["ID   ", "ID   ", "AC   ", "ID   ", "ID   "]
    assert {record.problem.reason for record in records if record.problem} == {"entry cut in the middle"}


@pytest.mark.parametrize(
    ("sequence", "resumes", "detail"),
    [
        ("MKTAYIAKQR", "OX   NCBI", "the ID line states 22 amino acids, the SQ line 10: they are of two entries"),
        ("MKTAYIAKQR", "AC   P00001", "the ID line states 22 amino acids, the SQ line 10: they are of two entries"),
        (Facts().sequence, "AC   P00001", "the AC lines of another entry follow, without // before them"),
    ],
)
def test_one_entrys_beginning_never_answers_for_anothers_sequence(sequence, resumes, detail, tmp_path):
    first, second = flat(Facts()), flat(Facts("P00001", sequence=sequence))
    missing_piece = first[: first.index("Homo")] + "\n" + second[second.index(resumes) :]
    (tmp_path / "raw").write_text(missing_piece)
    (record,) = read_entries(tmp_path / "raw")
    with pytest.raises(RejectedRecord) as rejected:
        parse_flat_entry(record.content.data)
    assert (rejected.value.reason, rejected.value.detail) == ("entry cut in the middle", detail)


def test_a_name_with_a_semicolon_or_without_its_own_is_whole():
    text = flat(Facts()).replace(
        "Full=Test protein {ECO:0000303|PubMed:1};", "Full=Test; protein;\nDE            Short=TP"
    )
    text = text.replace("DE   Flags: Precursor; Fragment;\n", "")
    assert parse_flat_entry(text.encode()).names == ("Test; protein", "TP")


def test_an_allergen_before_the_submitted_name_is_not_the_official_one():
    text = flat(Facts(recommended=None, submitted=(), allergen="Bet v 1"))
    text = text.replace("DE   Flags", "DE   SubName: Full=Pollen protein;\nDE            EC=1.1.1.1;\nDE   Flags")
    entry = parse_flat_entry(text.encode())
    assert entry.names == ("Pollen protein", "Bet v 1") and entry.enzyme_numbers == ("1.1.1.1",)


def test_an_entry_without_sequence_lines_has_no_sequence(tmp_path):
    text = flat(Facts())
    (tmp_path / "raw").write_bytes(flat_file(Facts()) + (text.partition("SQ   ")[0] + "//\n").encode())
    whole, without = (parse_flat_entry(record.content.data) for record in read_entries(tmp_path / "raw"))
    assert (without.sequence, without.length) == ("", None) and whole.length == len(whole.sequence)
