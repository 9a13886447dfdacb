"""What the headers of FASTA files tell, in each style."""

import gzip

import pytest

from biomedgpt_hf.files.records import RejectedRecord, UnwantedRecord
from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.files.uniprot.fasta_headers import PLACES
from biomedgpt_hf.files.uniprot.formats import parse_entry, read_entries

SEQUENCE = "MKTAYIAKQRQISFVKSHFSRQ"


@pytest.fixture
def read(tmp_path):
    """Return the entry of one header."""

    def entry_of(header, sequence=SEQUENCE):
        (tmp_path / "a.faa").write_text(f">{header}\n{sequence[:10]}\n{sequence[10:]}\n", "utf-8")
        (record,) = read_entries(tmp_path / "a.faa")
        if record.problem:
            raise record.problem
        return parse_entry(record.content)

    return entry_of


@pytest.mark.parametrize(
    ("header", "accession", "reviewed", "name", "numbers"),
    [
        (
            "sp|P62805|H4_HUMAN Histone H4 OS=Homo sapiens OX=9606 GN=H4C1 PE=1 SV=2",
            *("P62805", True, "Histone H4", ()),
        ),
        ("tr|A0A023GPI8|A0A023GPI8_X Lectin (Fragment) OS=Canavalia", "A0A023GPI8", False, "Lectin", ()),
        ("sp|Q13409-2|DC1I2_HUMAN Isoform 2B of Dynein 1 OS=Homo", "Q13409-2", True, "Isoform 2B of Dynein 1", ()),
        ("sp|P1|A_B Kinase (EC 2.7.11.1) (EC 2.7.-.-) OS=C", "P1", True, "Kinase", ("2.7.11.1", "2.7.-.-")),
        ("sp|P1|A_B Carboxykinase (ATP) OS=C", "P1", True, "Carboxykinase (ATP)", ()),
        ("sp|P1|A_B Uncharacterized protein YBR1 OS=C", "P1", True, "", ()),
    ],
)
def test_uniprots_headers_tell_the_recommended_name(read, header, accession, reviewed, name, numbers):
    entry = read(header)
    assert (entry.accession, entry.reviewed, entry.name, entry.all_enzyme_numbers) == (
        *(accession, reviewed, name, numbers),
    )
    assert (entry.sequence, entry.style, entry.license) == (SEQUENCE, "FASTA", "CC-BY-4.0")


@pytest.mark.parametrize(
    ("header", "accession", "name"),
    [
        ("WP_000000001.1 MULTISPECIES: beta-lactamase TEM-1 [Bacteria]", "WP_000000001.1", "beta-lactamase TEM-1"),
        ("WP_1234567.1 ABC transporter, partial [[Clostridium] symbiosum]", "WP_1234567.1", "ABC transporter"),
        ("XP_005247012.1 PREDICTED: LOW QUALITY PROTEIN: kinase X1 [Xenopus]", "XP_005247012.1", "kinase X1"),
        ("AAA16360.1 Shiga toxin Stx2b subunit A", "AAA16360.1", "Shiga toxin Stx2b subunit A"),
        ("gi|129295|ref|NP_000001.2| hemoglobin [Homo sapiens]", "NP_000001.2", "hemoglobin"),
        ("gi|4959044|gb|AAD34209.1|AF069992_1 RING finger protein", "AAD34209.1", "RING finger protein"),
        ("1ABC_A Chain A, Lysozyme C [Gallus gallus]", "1ABC_A", "Lysozyme C"),
        ("WP_000000002.1 hypothetical protein [Bacteria]", "WP_000000002.1", ""),
        ("WP_000000003.1 one [A]\x01WP_000000004.1 two [B]", "WP_000000003.1", "one"),
    ],
)
def test_ncbis_headers_tell_the_product(read, header, accession, name):
    entry = read(header)
    assert (entry.accession, entry.name, entry.reviewed) == (accession, name, None)
    assert (entry.source, entry.license, entry.style) == ("NCBI", "NCBI-PD", "NCBI")


@pytest.mark.parametrize("header", ["sp|P12345.2|H4_X {}", "P12345.2 {}"])
def test_swissprots_names_at_ncbi_are_the_official_ones(read, header):
    names = "RecName: Full=Histone H4; Short=H4; EC=1.1.1.1; AltName: Full=Old; Flags: Precursor [Homo sapiens]"
    entry = read(header.format(names))
    assert entry.accession == "P12345" and entry.names == ("Histone H4", "H4", "Old")
    assert entry.enzyme_numbers == entry.all_enzyme_numbers == ("1.1.1.1",)


@pytest.mark.parametrize(
    ("header", "name", "numbers", "source", "license"),
    [
        ("O57809 3.5.99.7~~~acd~~~Putative deaminase~~~COG1", "Putative deaminase", ("3.5.99.7",), "UniProtKB", "CC"),
        ("P11608 ~~~Mt-atp8~~~ATP synthase protein 8", "ATP synthase protein 8", (), "UniProtKB", "CC"),
        ("O57809 EC:3.5.99.7, 1.1.-.-~~~~~~Enzyme~~~", "Enzyme", ("3.5.99.7", "1.1.-.-"), "UniProtKB", "CC"),
        ("AAA16360.1 ~~~stxA2b~~~Shiga toxin Stx2b~~~", "Shiga toxin Stx2b", (), "NCBI", "NCBI-PD"),
        ("WP_005694653.1:64:folP_P64P ~~~folP~~~synthase FolP~~~", "synthase FolP", (), "NCBI", "NCBI-PD"),
        ("ISCR1 ~~~~~~hypothetical protein~~~", "", (), "Prokka", "unknown"),
    ],
)
def test_prokkas_headers_tell_name_and_number_and_the_accession_whose_they_are(
    read, header, name, numbers, source, license
):
    entry = read(header)
    assert (entry.name, entry.all_enzyme_numbers, entry.source) == (name, numbers, source)
    assert entry.license.startswith(license) and entry.accession == header.split()[0] and entry.style == "Prokka"


def test_sgds_headers_tell_the_description_of_what_is_verified(read):
    place = "SGDID:S000000001, Chr I from 151006-147594,151166-151097, Genome Release 64-1-1, reverse complement"
    entry = read(f'YAL001C TFC3 {place}, Verified ORF, "Subunit of TFIIIC; binds ""boxB"", DNA"', SEQUENCE + "*")
    assert entry.description == 'Subunit of TFIIIC; binds ""boxB"", DNA' and entry.accession == "YAL001C"
    assert (entry.source, entry.license, entry.sequence) == ("SGD", "CC-BY-4.0", SEQUENCE)
    with pytest.raises(UnwantedRecord, match="Dubious ORF") as rejected:
        read(f'YAL069W YAL069W {place}, Dubious ORF, "Unlikely to encode a protein"')
    assert rejected.value.reason == "Dubious ORF"


@pytest.mark.parametrize(
    ("header", "places", "in_membrane", "split"),
    [
        ("Q9H400 Cell.membrane-M test", ("Cell membrane",), True, "test"),
        ("Q12981 Endoplasmic.reticulum-U new_test_set", ("Endoplasmic reticulum",), None, "test"),
        ("P83906 Extracellular-S", ("Secreted",), False, None),
        ("P63033 Cytoplasm-Nucleus-U", ("Cytoplasm", "Nucleus"), None, None),
        ("P63034 Lysosome/Vacuole-M", ("Lysosome or vacuole",), True, None),
    ],
)
def test_deeplocs_headers_tell_place_membrane_and_what_is_kept_for_evaluation(read, header, places, in_membrane, split):
    entry = read(header)
    assert (entry.places, entry.in_membrane, entry.split) == (places, in_membrane, split)
    assert (entry.source, entry.license) == ("DeepLoc", "CC-BY-4.0")


def test_deeplocs_places_are_called_as_in_uniprots_vocabulary(shared):
    lines = (shared / "data/proteins/subcell.txt").read_text("utf-8").splitlines()
    terms = {line[5:].rstrip(".") for line in lines if line.startswith("ID   ")}
    assert {part.capitalize() for place in PLACES.values() for part in place.split(" or ")} <= terms


@pytest.mark.parametrize(
    ("header", "sequence", "reason", "detail"),
    [
        ("alpha", SEQUENCE, "header of no known style", "'alpha'; the styles are UniProtKB's (sp|P12345"),
        ("gene1 some product", SEQUENCE, "header of no known style", "'gene1 some product'"),
        ("", SEQUENCE, "header of no known style", "''"),
        ("P12345 Nucleus-Moon-S", SEQUENCE, "unknown location", "'Moon' is none of DeepLoc's: Cell.membrane"),
        ("sp|P1|A_B Name OS=C", "MK1T", "unreadable protein", "'1' at index 2 is not a residue"),
        ("sp|P1|A_B Name OS=C", "ACGT" * 8, "nucleotides, not amino acids", "translate it"),
        ("sp|P1|A_B Name OS=C", "", "no residues", "there is no sequence"),
    ],
)
def test_a_record_that_cannot_be_read_says_why(read, header, sequence, reason, detail):
    with pytest.raises(RejectedRecord) as rejected:
        read(header, sequence)
    assert rejected.value.reason == reason and detail in rejected.value.detail
    assert "\n" not in rejected.value.in_words


def test_comments_and_windows_line_ends_change_nothing(tmp_path):
    (tmp_path / "a").write_bytes(b"; a remark\r\n>sp|P1|A_B Name OS=C\r\nMKT\r\nAYI\r\n")
    (entry,) = (parse_entry(record.content) for record in read_entries(tmp_path / "a"))
    assert (entry.name, entry.sequence) == ("Name", "MKTAYI")


def test_a_cut_gzip_costs_only_what_is_missing_of_it(tmp_path):
    records = "".join(f">sp|P{n:05d}|A_B Name {n} OS=C\n{SEQUENCE * 20}\n" for n in range(5000))
    (tmp_path / "a.gz").write_bytes(gzip.compress(records.encode())[:-500])
    found = []
    with pytest.raises(SourceError, match="truncated or corrupt"):
        for record in read_entries(tmp_path / "a.gz"):
            found.append(parse_entry(record.content))
    assert len(found) > 100 and {entry.sequence for entry in found} == {SEQUENCE * 20}
