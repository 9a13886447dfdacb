"""The same entry gives the same rows, whichever format it is written in."""

import gzip
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biomedgpt_hf.files.records import RejectedRecord
from biomedgpt_hf.files.uniprot.formats import parse_entry, read_entries
from biomedgpt_hf.sets.uniprotqa.builder import QUESTIONS, parse_protein

from .four_formats import TSV_COLUMNS, WRITERS, Comment, Facts, Name, tsv_file

WORDS = (
    "Hydrolyzes",
    "sphingomyelin",
    "(PubMed:123)",
    "(PubMed:12, PubMed:345678)",
    "(By similarity)",
    "(Probable)",
    "non-covalently",
    "di- and tripeptides",
    "oocyte-to-zygote",
    "N- or C-terminal",
    "E-cadherin/catenin",
    "5'->3'",
    "poly(A)",
    "[4Fe-4S]",
    "L-, D- and",
    "α-helix β–sheet",
    'so-called "anchor"',
    "A&B",
    "<1%",
    "Ca(2+)-dependent; it",
    "S.cerevisiae",
    "at 37 degrees Celsius. Then",
    r"a\b",
)
texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=40).map(lambda words: "Acts " + " ".join(words))
molecules = st.sampled_from(["", "", "Isoform 2", "C-terminal fragment, 30 kDa", "NAD(P)H oxidase [small] chain"])
comments = st.builds(Comment, st.lists(texts, min_size=1, max_size=2).map(tuple), molecules, st.just(()))
places = st.tuples(
    st.sampled_from(
        (
            "Secreted",
            "Cytoplasm, cytoskeleton",
            "Cytoplasm, P-body",
            "Cytoplasm, Stress granule",
            "Nucleus, PML body",
            "Golgi apparatus, Golgi stack membrane",
            "Golgi apparatus, trans-Golgi network",
            "Cytoplasm, myofibril, sarcomere, Z line",
            "Endoplasmic reticulum-Golgi intermediate compartment membrane",
        )
    ),
    st.sampled_from(("", "Multi-pass membrane protein", "Lipid-anchor, GPI-anchor")),
    st.sampled_from(("", "Cytoplasmic side")),
)
locations = st.builds(
    Comment, st.lists(texts, max_size=2).map(tuple), molecules, st.lists(places, min_size=1, max_size=3).map(tuple)
) | st.builds(Comment, st.tuples(texts), molecules, st.just(()))
families = st.lists(
    st.sampled_from(
        (
            "Belongs to the protein kinase superfamily. Tyr protein kinase family. JAK subfamily",
            "Belongs to the SNF2/RAD54 helicase family",
            "Belongs to the G-protein coupled receptor 1 family",
            "Belongs to the MIP/aquaporin (TC 1.A.8) family",
            "Belongs to the Bcl-2 family",
            "Belongs to the tRNA nucleotidyltransferase/poly(A) polymerase family",
            "Belongs to the class-I aminoacyl-tRNA synthetase family",
            "Contains 1 EGF-like domain",
        )
    ),
    max_size=3,
    unique=True,
).map(lambda texts: tuple(Comment((text,)) for text in texts))
numbers = st.lists(st.sampled_from(("1.1.1.1", "2.7.11.-", "3.4.24.n2")), max_size=2, unique=True).map(tuple)
recommended = st.builds(
    Name,
    full=st.sampled_from(
        (
            "Adenosine 5'-monophosphoramidase HINT2",
            "NAD(P)H dehydrogenase [quinone] 1, mitochondrial",
            "Probable 18S rRNA (guanine-N(7))-methyltransferase",
        )
    ),
    short=st.sampled_from(((), ("HINT-2",), ("PKA-R", "pKa(2)"))),
    numbers=numbers,
)
alternative = st.builds(
    Name,
    full=st.sampled_from(("Histidine triad protein, cytosolic", "Menadione (K3) reductase", "Long other title of it")),
    short=st.sampled_from(((), ("HIT-17kDa",))),
    numbers=numbers,
)
submitted = st.builds(Name, st.sampled_from(("Uncharacterized protein", "Zn(2+) hydrolase")), st.just(()), numbers)
named = st.one_of(
    st.fixed_dictionaries(
        {
            "recommended": recommended,
            "alternative": st.lists(alternative, max_size=2, unique_by=lambda name: name.full).map(tuple),
            "chains": st.sampled_from(((), (Name("Small chain"), Name("Large chain")))),
            "cd_antigens": st.sampled_from(((), ("CD12",), ("CD12", "CD204"))),
            "inns": st.sampled_from(((), ("Alteplase", "Reteplase"))),
            "allergen": st.sampled_from(("", "Bet v 1")),
        }
    ),
    st.fixed_dictionaries(
        {"recommended": st.none(), "submitted": st.lists(submitted, min_size=1, max_size=2).map(tuple)}
    ),
)
told = st.fixed_dictionaries(
    {
        "reviewed": st.booleans(),
        "sequence": st.text("ACDEFGHIKLMNPQRSTVWYUX", min_size=1, max_size=130),
        "functions": st.lists(comments, max_size=3).map(tuple),
        "locations": st.lists(locations, max_size=3).map(tuple),
        "similarities": families,
        "created": st.dates(date(1986, 1, 1), date(2025, 1, 1)),
    }
)
entries = st.tuples(named, told).map(lambda parts: Facts(**parts[0], **parts[1]))


def examples_of(path, data, **options):
    path.write_bytes(data)
    return [parse_protein(record, **options) for record in read_entries(path)]


@settings(max_examples=100, deadline=None, report_multiple_bugs=False)
@given(facts=entries)
def test_the_four_formats_of_an_entry_give_the_same_rows(tmp_path_factory, facts):
    folder = tmp_path_factory.getbasetemp()
    (expected,) = examples_of(folder / "entry", WRITERS["flat"](facts))
    for format in ("xml", "json", "tsv"):
        (example,) = examples_of(folder / "entry", WRITERS[format](facts))
        assert example == expected, format
    assert {row["entry_date"] for row in expected.rows} == {facts.created.isoformat()}
    answered = {row["task"] for row in expected.rows}
    assert ("protein_function" in answered) == bool(facts.functions)
    assert ("protein_location" in answered) == bool(facts.locations)


FULL = Facts(
    recommended=Name("Full enzyme", ("FE",), ("1.1.1.1",)),
    functions=(Comment(("Cuts A-\N{GREEK SMALL LETTER BETA}",)), Comment(("Rests",), "Isoform 2")),
    locations=(Comment(("Moves (PubMed:1)",), "", (("Cell membrane", "Multi-pass membrane protein", ""),)),),
    similarities=(Comment(("Belongs to the peptidase S1 family",)),),
)
ANSWERS = {
    "protein_function": "Cuts A-\N{GREEK SMALL LETTER BETA}. Isoform 2: Rests.",
    "protein_names": "Full enzyme (EC 1.1.1.1). Also known as FE.",
    "protein_family": "Belongs to the peptidase S1 family.",
    "protein_location": "Cell membrane; Multi-pass membrane protein. Moves.",
    "protein_ec": "EC 1.1.1.1",
}


@pytest.mark.parametrize("format", WRITERS)
@pytest.mark.parametrize(
    "pack", [bytes, gzip.compress, lambda data: b"\xef\xbb\xbf" + data, lambda data: b"\n\n" + data]
)
def test_a_format_is_recognised_by_its_content_plain_or_gzip(tmp_path, format, pack):
    second = FULL._replace(accession="Q00001", reviewed=False)
    examples = examples_of(tmp_path / "file.of_any_name", pack(WRITERS[format](FULL, second)))
    assert [example.marks for example in examples] == [("P12345",), ("Q00001",)]
    for example, source in zip(examples, ("UniProtKB/Swiss-Prot", "UniProtKB/TrEMBL"), strict=True):
        assert {row["task"]: row["messages"][1]["content"][0]["text"] for row in example.rows} == ANSWERS
        assert {row["source"] for row in example.rows} == {source}
        assert example.keys == (FULL.sequence,)


@pytest.mark.parametrize("format", WRITERS)
def test_line_breaks_of_windows_change_nothing(tmp_path, format):
    data = WRITERS[format](FULL, FULL._replace(accession="Q00001"))
    (tmp_path / "a").write_bytes(data)
    assert examples_of(tmp_path / "b", data.replace(b"\n", b"\r\n")) == [
        parse_protein(r) for r in read_entries(tmp_path / "a")
    ]


@pytest.mark.parametrize("format", WRITERS)
def test_unreviewed_entries_can_be_left_out(tmp_path, format):
    (tmp_path / "file").write_bytes(WRITERS[format](FULL._replace(reviewed=False), FULL))
    unreviewed, reviewed = read_entries(tmp_path / "file")
    with pytest.raises(RejectedRecord, match="not reviewed"):
        parse_protein(unreviewed, reviewed_only=True)
    assert parse_protein(reviewed, reviewed_only=True).marks == ("P12345",)


@pytest.mark.parametrize("format", ["flat", "xml", "json"])
def test_records_tell_where_their_entry_begins(tmp_path, format):
    data = WRITERS[format](FULL, FULL._replace(accession="Q00001"), FULL._replace(accession="Q00002"))
    (tmp_path / "file").write_bytes(data)
    begins = {"flat": b"ID   ", "xml": b"<entry "}.get(format)
    lines = [n for n, line in enumerate(data.split(b"\n"), 1) if line.startswith(begins)] if begins else [1, 2, 3]
    records = list(read_entries(tmp_path / "file"))
    assert [(record.line, record.id) for record in records] == list(
        zip(lines, ("P12345", "Q00001", "Q00002"), strict=True)
    )


def test_a_table_answers_what_its_columns_hold(tmp_path):
    columns = ("Sequence", "Gene Names", "Entry", "Function [CC]")
    data = tsv_file(FULL, columns=[c for c in columns if c != "Gene Names"]).decode()
    header, row = data.splitlines()
    (example,) = examples_of(tmp_path / "file", f"{header}\tGene Names\n{row}\tABC\n".encode())
    (row,) = example.rows
    assert (row["task"], row["source"]) == ("protein_function", "UniProtKB")
    assert row["messages"][1]["content"][0]["text"] == ANSWERS["protein_function"]


def test_the_column_of_similarities_says_more_than_that_of_families(tmp_path):
    said = "In the N-terminal section; belongs to the AAA ATPase family"
    facts = FULL._replace(similarities=(Comment((said,)),))
    columns = [*TSV_COLUMNS, "Sequence similarities"]
    (example,) = examples_of(tmp_path / "file", tsv_file(facts, columns=columns))
    (expected,) = examples_of(tmp_path / "file", WRITERS["flat"](facts))
    assert example == expected and f"{said}." in str(example.rows)


def test_real_entries_that_are_there_in_two_formats_give_the_same_rows(shared):
    """Pairs of one release; the table of another release lacks two questions, and one function was rewritten."""
    folder = shared / "data/proteins"
    files = [*(folder / "small_files").rglob("*.*"), *folder.glob("uniprot_*/*")]
    found = {}
    for path in files:
        if path.suffix != ".fasta":
            for record in read_entries(path):
                entry = parse_entry(record.content)
                answers = {question.task: question.answer(entry) for question in QUESTIONS}
                found.setdefault(entry.accession, []).append((record.content.format, answers, entry))
    compared = 0
    for accession, versions in found.items():
        by_format = {format: (answers, entry) for format, answers, entry in versions}
        for answers, entry in list(by_format.values())[1:]:
            first, first_entry = next(iter(by_format.values()))
            assert entry.sequence == first_entry.sequence
            both = [task for task in answers if answers[task] and first[task]]
            different = [task for task in both if answers[task] != first[task]]
            assert different == (["protein_function"] if accession == "P04406" else []), accession
            compared += len(both)
    assert compared > 60
