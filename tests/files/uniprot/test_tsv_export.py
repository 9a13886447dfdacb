"""UniProtKB's table: names, families and columns."""

import pytest

from biomedgpt_hf.files.records import RejectedRecord, UnwantedRecord
from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.files.uniprot.formats import parse_entry, read_entries
from biomedgpt_hf.files.uniprot.tsv_names import family_sentence, read_tsv_names

HEADER = "Entry\tReviewed\tProtein names\tLength\tSequence"
ROW = "P12345\treviewed\tTest protein\t4\tMKTA"


def entries_of(path, *lines):
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return [parse_entry(record.content) for record in read_entries(path)]


@pytest.mark.parametrize(
    ("cell", "names", "numbers"),
    [
        ("Uncharacterized protein", ("Uncharacterized protein",), ()),
        ("Name (EC 1.1.1.1) (EC 2.2.2.-) (Other)", ("Name", "Other"), ("1.1.1.1", "2.2.2.-")),
        ("Long name (LN) (EC 1.1.1.1) (Other (old))", ("Long name", "LN", "Other (old)"), ("1.1.1.1",)),
        ("Long kinase (L kinase) (EC 1.1.1.1)", ("Long kinase", "L kinase"), ("1.1.1.1",)),
        ("Torsin-1B (Torsin ATPase-1B) (EC 3.6.4.-)", ("Torsin-1B", "Torsin ATPase-1B"), ()),
        ("Esterase sws (Swiss cheese) (DSWS) (EC 3.1.1.5)", ("Esterase sws", "Swiss cheese", "DSWS"), ()),
        ("Long name (LN) (EC 1.1.1.1, EC 2.2.2.2)", ("Long name", "LN"), ()),
        ("Name (EC 1.1.1.1) (Other) (EC 2.2.2.2)", ("Name", "Other"), ("1.1.1.1",)),
        ("Submitted (EC 1.1.1.1, EC 2.2.2.2)", ("Submitted",), ("1.1.1.1", "2.2.2.2")),
        ("First (Second (EC 1.1.1.1))", ("First", "Second"), ("1.1.1.1",)),
        ("NADH kinase [ubiquinone] 1 (CI-1) (Fragment)", ("NADH kinase [ubiquinone] 1", "CI-1"), ()),
        ("Name (allergen Bet v 1) (CD antigen CD12)", ("Name", "Bet v 1", "CD antigen CD12"), ()),
        ("Name (NM) [Cleaved into: A (EC 1.1.1.1); B (C)]", ("Name", "NM"), ()),
        ("Name [Includes: A (EC 1.1.1.1)] [Cleaved into: B]", ("Name",), ()),
        ("Glycine dehydrogenase (decarboxylating) (GDH)", ("Glycine dehydrogenase (decarboxylating)", "GDH"), ()),
        ("Carboxykinase (ATP) (EC 4.1.1.49)", ("Carboxykinase (ATP)",), ("4.1.1.49",)),
        ("18S rRNA (guanine-N(7))-methyltransferase", ("18S rRNA (guanine-N(7))-methyltransferase",), ()),
        ("Unbalanced) (brackets", ("Unbalanced) (brackets",), ()),
        ("Unbalanced) bracket)", ("Unbalanced) bracket)",), ()),
        ("", (), ()),
    ],
)
def test_names_in_brackets_are_told_apart(cell, names, numbers):
    assert read_tsv_names(cell) == (names, numbers)


@pytest.mark.parametrize(
    ("family", "sentence"),
    [
        ("SNF2/RAD54 helicase family", "Belongs to the SNF2/RAD54 helicase family."),
        ("Asfivirus MGF 100 family", "Belongs to the asfivirus MGF 100 family."),
        (
            "Protein kinase superfamily, Tyr protein kinase family, JAK subfamily",
            "Belongs to the protein kinase superfamily. Tyr protein kinase family. JAK subfamily.",
        ),
        ("G-protein coupled receptor 1 family", "Belongs to the G-protein coupled receptor 1 family."),
        ("Bcl-2 family", "Belongs to the Bcl-2 family."),
        ("Two pore domain potassium channel family", "Belongs to the two pore domain potassium channel family."),
        ("BZIP family, Fos subfamily", "Belongs to the bZIP family. Fos subfamily."),
        ("TRNA pseudouridine synthase TruA family", "Belongs to the tRNA pseudouridine synthase TruA family."),
        ("Nudix hydrolase family", "Belongs to the Nudix hydrolase family."),
        ("14-3-3 family", "Belongs to the 14-3-3 family."),
        ("[NiFe]/[NiFeSe] hydrogenase family", "Belongs to the [NiFe]/[NiFeSe] hydrogenase family."),
        ("Class-I, eukaryotic family", "Belongs to the class-I, eukaryotic family."),
    ],
)
def test_a_family_becomes_the_sentence_of_the_entry(family, sentence):
    assert family_sentence(family) == sentence


def test_the_table_of_the_site_before_2022_is_read(tmp_path):
    header = "yourlist:M2020\tEntry\tEntry name\tStatus\tProtein names\tProtein families\tFunction [CC]\tSequence"
    row = "x\tP12345\tT_HUMAN\tunreviewed\tName (Fragment)\tA family; B family, C subfamily\tFUNCTION: Cuts.\tMKT"
    (entry,) = entries_of(tmp_path / "a", header, row)
    assert entry.reviewed is False and entry.names == ("Name",) and entry.functions == ("Cuts.",)
    assert entry.similarities == ("Belongs to the A family.", "Belongs to the B family. C subfamily.")


def test_quotes_are_letters_and_blank_lines_and_second_headers_nothing(tmp_path):
    entries = entries_of(tmp_path / "a", HEADER, ROW.replace("Test", '"Test'), "", HEADER, ROW.replace("Test", "'5'"))
    assert [entry.names for entry in entries] == [('"Test protein',), ("'5' protein",)]


def test_a_length_with_a_thousands_separator_is_a_number(tmp_path):
    (entry,) = entries_of(tmp_path / "a", HEADER, ROW.replace("\t4\t", "\t1,004\t"))
    assert entry.length == 1004


def test_bad_rows_say_what_is_wrong_with_them(tmp_path):
    rows = [
        ROW,
        ROW.removesuffix("\tMKTA"),
        ROW + "\tmore",
        ROW.replace("\t4\t", "\tfour\t"),
        ROW.replace("Test", "T\udcffst"),
        "P00001\t\tdeleted\t\t",
    ]
    (tmp_path / "a").write_bytes("\n".join([HEADER, *rows]).encode("utf-8", "surrogateescape"))
    reasons = []
    for record in read_entries(tmp_path / "a"):
        try:
            if record.problem:
                raise record.problem
            reasons.append(parse_entry(record.content).accession)
        except RejectedRecord as rejected:
            reasons.append((record.line, type(rejected), rejected.reason, rejected.detail))
    assert reasons == [
        "P12345",
        (3, RejectedRecord, "wrong number of columns", "4 instead of 5"),
        (4, RejectedRecord, "wrong number of columns", "6 instead of 5"),
        (5, RejectedRecord, "unreadable entry", "the column Length holds 'four'"),
        (6, RejectedRecord, "not UTF-8 text", "byte 0xFF after 'T'; save the file as UTF-8"),
        (7, UnwantedRecord, "inactive entry", "DELETED"),
    ]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("Entry\tProtein names\tOrganism", "has no column Sequence, only Entry, Protein names, Organism. Export it"),
        ("Entry\tGene Names\tSequence", "has no column that answers a question, only Entry, Gene Names, Sequence"),
        ("Accession\tSequence", "a table without the column Entry; its columns are Accession, Sequence"),
    ],
)
def test_a_table_without_the_needed_columns_says_how_to_export_one(tmp_path, header, message):
    with pytest.raises(SourceError) as refused:
        entries_of(tmp_path / "a", header, "\t".join("x" for _ in header.split("\t")))
    assert message in str(refused.value)
    assert "column Entry" in str(refused.value) or "fields=accession,reviewed,protein_name" in str(refused.value)


def test_accession_may_be_missing_from_a_row(tmp_path):
    (entry,) = entries_of(tmp_path / "a", HEADER, ROW.replace("P12345", ""))
    assert entry.accession == ""


YEAST_GEM = "uniprot\tname\tgene_id\tec_code\tMW\tsequence"
SGD = "accession\tlocus\tgene\tqualifier\tprotein_name\tec\tdescription\tsequence"


@pytest.mark.parametrize(
    "header",
    [
        "entry\tprotein names\tEC number\tfunction [cc]\tsubcellular location [cc]\tsequence",
        "accession\tprotein_name\tec\tcc_function\tcc_subcellular_location\tsequence",
        "Entry\tProtein_names\tEC_number\tFunction_CC\tSubcellular_location_CC\tSequence",
    ],
)
def test_titles_may_be_written_otherwise_and_cells_in_lower_case(tmp_path, header):
    row = "P1\tKinase (ec 2.7.11.1)\t2.7.11.1; 2.7.-.-\tfunction: Acts.\tSUBCELLULAR LOCATION: Nucleus.\tMKT"
    (entry,) = entries_of(tmp_path / "a", header, row)
    assert (entry.names, entry.enzyme_numbers) == (("Kinase",), ("2.7.11.1",))
    assert entry.all_enzyme_numbers == ("2.7.11.1", "2.7.-.-", "2.7.11.1")
    assert (entry.functions, entry.locations, entry.style) == (("Acts.",), ("Nucleus.",), "")


@pytest.mark.parametrize("mark", [",", ";"])
def test_a_table_that_a_spreadsheet_saved_as_csv_is_read(tmp_path, mark):
    header = mark.join(["Entry", "Reviewed", "Protein names", "Length", "Sequence"])
    row = mark.join(["P12345", "reviewed", '"Kinase, long; ""old"""', "3", "MKT"])
    (entry,) = entries_of(tmp_path / "a.csv", header, row)
    assert (entry.accession, entry.names, entry.length) == ("P12345", ('Kinase, long; "old"',), 3)


def test_yeast_gems_table_has_names_in_lower_case_with_their_numbers(tmp_path):
    rows = [
        "P29703\tfarnesyltransferase alpha (ec 2.5.1.58) (ec 2.5.1.59) (ftase)\tRAM2 YKL019W\t2.5.1.58\t1.0\tMKT",
        "P0\tuncharacterized protein ybr1\tYBR001C\t\t1.0\tMKT",
        "P1\tfrataxin [cleaved into: form (ec 1.1.1.1)]\tFTX\t1.16.3.1\t1.0\tMKT",
    ]
    first, unknown, other = entries_of(tmp_path / "a", YEAST_GEM, *rows)
    assert first.names == ("farnesyltransferase alpha", "ftase") and first.lower_case
    assert first.enzyme_numbers == ("2.5.1.58", "2.5.1.59")
    assert (first.style, first.source) == ("yeast-GEM", "UniProtKB (yeast)")
    assert unknown.names == () and other.names == ("frataxin",) and other.source == "UniProtKB"
    assert set(other.all_enzyme_numbers) == {"1.16.3.1", "1.1.1.1"}


def test_sgds_table_has_descriptions_of_verified_reading_frames(tmp_path):
    row = "P1\tYKL019W\tRAM2\t{}\tferase (ec 2.5.1.58)\t2.5.1.58\tSubunit; binds\tMKT"
    entries = entries_of(tmp_path / "a", SGD, row.format("Verified"), row.format("Verified|silenced_gene"))
    assert {entry.description for entry in entries} == {"Subunit; binds"}
    assert {(entry.style, entry.source, entry.names) for entry in entries} == {
        ("SGD", "UniProtKB (yeast)", ("ferase",)),
    }
    for qualifier, reason in (
        ("Dubious", "Dubious ORF"),
        ("Uncharacterized", "Uncharacterized ORF"),
        ("", "unverified"),
    ):
        with pytest.raises(UnwantedRecord, match=reason):
            entries_of(tmp_path / "a", SGD, row.format(qualifier))
