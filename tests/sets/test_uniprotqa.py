"""UniProtKB entries become questions and plain answers."""

import gzip
import json
import re

import pytest
from datasets import load_dataset

from biomedgpt_hf.building.pipeline import BuildSettings
from biomedgpt_hf.files.records import Record, RejectedRecord, UnwantedRecord
from biomedgpt_hf.files.uniprot.entry import ProteinEntry
from biomedgpt_hf.files.uniprot.formats import PARSERS, EntryContent, read_entries
from biomedgpt_hf.sets.uniprotqa import builder as uniprotqa
from biomedgpt_hf.sets.uniprotqa.builder import QUESTIONS, parse_protein

from ..files.uniprot import four_formats
from ..files.uniprot.four_formats import Comment, Facts

QUIET = BuildSettings(progress=False)
SEQUENCE = "MKTAYIAKQRQISFVKSHFSRQ"
LICENCE = """\
CC   ---------------------------------------------------------------------------
CC   Copyrighted by the UniProt Consortium, see https://www.uniprot.org/terms
CC   Distributed under the Creative Commons Attribution (CC BY 4.0) License
CC   ---------------------------------------------------------------------------
"""


def entry(accession="P12345", description="", comments="", status="Reviewed", sequence=SEQUENCE):
    lines = [
        f"ID   TEST_HUMAN              {status};         {len(sequence)} AA.",
        f"AC   {accession}; Q99999;",
        "DT   01-JAN-2000, integrated into UniProtKB/Swiss-Prot.",
        "DT   01-JAN-2000, sequence version 1.",
        "DT   01-JAN-2024, entry version 100.",
        description.strip("\n") or "DE   RecName: Full=Test protein;",
        "OS   Homo sapiens (Human).",
        "OC   Eukaryota; Metazoa.",
        "OX   NCBI_TaxID=9606;",
        comments.strip("\n"),
        LICENCE.strip("\n"),
        "PE   1: Evidence at protein level;",
        "KW   Reference proteome.",
        f"SQ   SEQUENCE   {len(sequence)} AA;  2600 MW;  0123456789ABCDEF CRC64;",
        f"     {' '.join(sequence[i : i + 10] for i in range(0, len(sequence), 10))}",
        "//",
    ]
    return "\n".join(line for line in lines if line) + "\n"


@pytest.fixture
def answers(tmp_path):
    """Return what one entry answers: kind of question → text."""

    def read(description="", comments=""):
        path = tmp_path / "entry.dat"
        path.write_text(entry(description=description, comments=comments), "utf-8")
        (record,) = read_entries(path)
        return {row["id"].split(":")[1]: row["messages"][1]["content"][0]["text"] for row in parse_protein(record).rows}

    return read


def test_evidence_citations_and_certainty_leave_no_trace(answers):
    comments = """
CC   -!- FUNCTION: Hydrolyzes sphingomyelin (PubMed:123, PubMed:45678). Binds
CC       Zn(2+) (By similarity). May act early (Probable); also late (Ref.3).
CC       {ECO:0000250|UniProtKB:P1, ECO:0000269|PubMed:123,
CC       ECO:0000255|HAMAP-Rule:MF_00051}.
"""
    expected = "Hydrolyzes sphingomyelin. Binds Zn(2+). May act early; also late."
    assert answers(comments=comments)["function"] == expected


def test_lines_wrapped_at_a_hyphen_are_joined_as_they_were(answers):
    comments = """
CC   -!- FUNCTION: Forms a non-
CC       covalent complex with di- and tripeptides, N-
CC       or C-terminal, of the E-cadherin/
CC       catenin kind. Cleaves L-, D- and meso-forms of type 5'-
CC       monophosphate, head-
CC       to-tail and up-and-
CC       down, di-
CC       and multimeric.
"""
    assert answers(comments=comments)["function"] == (
        "Forms a non-covalent complex with di- and tripeptides, N- or C-terminal, of the E-cadherin/catenin kind. "
        "Cleaves L-, D- and meso-forms of type 5'-monophosphate, head-to-tail and up-and-down, di- and multimeric."
    )


def test_several_blocks_are_kept_in_order_with_their_isoform_or_chain(answers):
    comments = """
CC   -!- FUNCTION: The precursor. {ECO:0000269|PubMed:1}.
CC   -!- FUNCTION: [Isoform 2]: Lacks activity. {ECO:0000269|PubMed:2}.
CC   -!- FUNCTION: [Beta-endorphin]: Endogenous opiate.
CC   -!- FUNCTION: (Microbial infection) Acts as a receptor (PubMed:9)
CC   -!- SUBUNIT: Not a function.
"""
    assert answers(comments=comments)["function"] == (
        "The precursor. Isoform 2: Lacks activity. Beta-endorphin: Endogenous opiate. "
        "(Microbial infection) Acts as a receptor."
    )


def test_locations_come_before_their_note(answers):
    comments = """
CC   -!- SUBCELLULAR LOCATION: Cell membrane {ECO:0000269|PubMed:1}; Multi-pass
CC       membrane protein {ECO:0000255}. Nucleus, PML body {ECO:0000250}.
CC       Note=Shuttles between both. {ECO:0000269|PubMed:1}.
CC   -!- SUBCELLULAR LOCATION: [Isoform 3]: Secreted {ECO:0000305}.
CC   -!- SUBCELLULAR LOCATION: Note=Found in granules.
"""
    assert answers(comments=comments)["location"] == (
        "Cell membrane; Multi-pass membrane protein. Nucleus, PML body. Shuttles between both. "
        "Isoform 3: Secreted. Found in granules."
    )


def test_only_families_answer_the_question_about_the_family(answers):
    comments = """
CC   -!- SIMILARITY: Belongs to the protein kinase superfamily. Tyr protein
CC       kinase family. JAK subfamily. {ECO:0000255|PROSITE-ProRule:PRU00159}.
CC   -!- SIMILARITY: In the N-terminal section; belongs to the enoyl-CoA
CC       hydratase/isomerase family. {ECO:0000305}.
CC   -!- SIMILARITY: Contains 1 EGF-like domain. {ECO:0000305}.
CC   -!- SIMILARITY: To V.cholerae AcfD. {ECO:0000305}.
"""
    assert answers(comments=comments)["family"] == (
        "Belongs to the protein kinase superfamily. Tyr protein kinase family. JAK subfamily. "
        "In the N-terminal section; belongs to the enoyl-CoA hydratase/isomerase family."
    )


def test_what_an_entry_does_not_say_is_not_answered(answers):
    found = answers()
    assert found == {"names": "Test protein."}


def test_names_are_the_proteins_own_not_those_of_its_parts(answers):
    description = """
DE   RecName: Full=Adenosine 5'-monophosphoramidase HINT2 {ECO:0000303|PubMed:1};
DE            Short=HINT-2 {ECO:0000303|PubMed:1};
DE            EC=3.9.1.- {ECO:0000269|PubMed:1};
DE            EC=2.7.11.1;
DE   AltName: Full=Histidine triad protein 2, mitochondrial;
DE            EC=1.1.1.1;
DE   AltName: CD_antigen=CD12;
DE   AltName: Allergen=Bet v 1;
DE   Includes:
DE     RecName: Full=Endoribonuclease;
DE              EC=3.1.26.-;
DE   Contains:
DE     RecName: Full=Small chain;
DE   Flags: Precursor; Fragment;
"""
    assert answers(description=description)["names"] == (
        "Adenosine 5'-monophosphoramidase HINT2 (EC 3.9.1.-; EC 2.7.11.1). Also known as HINT-2; "
        "Histidine triad protein 2, mitochondrial; CD antigen CD12; Bet v 1."
    )


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("DE   SubName: Full=Uncharacterized protein {ECO:0000313|EMBL:X};", "Uncharacterized protein."),
        ("DE   UBIQUITIN.", "UBIQUITIN."),
        (
            "DE   Proto-oncogene protein c-fos (Cellular oncogene fos) (G0/G1 switch\nDE   regulatory protein 7).",
            "Proto-oncogene protein c-fos. Also known as Cellular oncogene fos; G0/G1 switch regulatory protein 7.",
        ),
        (
            "DE   NAD(P)H dehydrogenase (EC 1.6.5.2) (Menadione (K3) reductase)\n"
            "DE   (Fragment) [Contains: Small chain].",
            "NAD(P)H dehydrogenase (EC 1.6.5.2). Also known as Menadione (K3) reductase.",
        ),
    ],
)
def test_submitted_names_and_those_of_old_releases_are_read(answers, description, expected):
    assert answers(description=description)["names"] == expected


FUNCTION = "CC   -!- FUNCTION: Does it.\nCC   -!- SIMILARITY: Belongs to the A family."


def test_each_question_of_a_protein_is_a_row_in_the_originals_words(tmp_path):
    (tmp_path / "raw.dat").write_text(entry(comments=FUNCTION), "utf-8")
    uniprotqa.build_uniprotqa([tmp_path / "raw.dat"], tmp_path / "set", settings=QUIET)
    (split,) = load_dataset(str(tmp_path / "set"), cache_dir=tmp_path / "cache").values()
    found = {row["id"]: row for row in split}
    assert {id: row["messages"][0]["content"][1]["text"] for id, row in found.items()} == {
        "P12345:function": "What is the function of this protein?",
        "P12345:names": "What are the official names of this protein?",
        "P12345:family": "What is the protein family that this protein belongs to?",
    }
    row = found["P12345:function"]
    assert row["proteins"] == [SEQUENCE] and row["molecules"] == []
    assert row["messages"][0]["content"][0]["type"] == "protein"
    assert (row["source"], row["license"]) == ("UniProtKB/Swiss-Prot", "CC-BY-4.0")


def test_a_protein_and_its_copies_are_never_split(tmp_path):
    sequences = [SEQUENCE + "A" * number for number in range(60)]
    entries = [entry(f"P{i:05d}", comments=FUNCTION, sequence=sequences[i // 2]) for i in range(120)]
    (tmp_path / "raw.dat.gz").write_bytes(gzip.compress("".join(entries).encode()))
    manifest = uniprotqa.build_uniprotqa([tmp_path / "raw.dat.gz"], tmp_path / "set", settings=QUIET)
    assert manifest["counts"]["rows"] == 360 and len(manifest["counts"]["rows_by_split"]) == 3
    loaded = load_dataset(str(tmp_path / "set"), cache_dir=tmp_path / "cache")
    seen = {split: {row["proteins"][0] for row in rows} for split, rows in loaded.items()}
    assert sum(map(len, seen.values())) == len(set.union(*seen.values())) == 60


def test_files_of_all_formats_make_one_set_and_the_first_entry_of_an_accession_wins(tmp_path):
    def facts(accession, name):
        return Facts(accession, functions=(Comment((f"Told by the {name}",)),))

    paths = []
    for number, (name, write) in enumerate(four_formats.WRITERS.items()):
        paths.append(tmp_path / f"entries.{name}")
        paths[-1].write_bytes(write(facts(f"P0000{number}", name), facts("P99999", name)))
    uniprotqa.build_uniprotqa(paths, tmp_path / "set", settings=QUIET._replace(processes=2))
    found = {}
    for rows in load_dataset(str(tmp_path / "set"), cache_dir=tmp_path / "cache").values():
        found |= {row["id"]: row["messages"][1]["content"][0]["text"] for row in rows if "function" in row["id"]}
    told = [f"P0000{number}:function" for number in range(4)]
    assert found == dict(zip(told, [f"Told by the {name}." for name in four_formats.WRITERS], strict=True)) | {
        "P99999:function": "Told by the flat."
    }
    rejected = [json.loads(line) for line in (tmp_path / "set/rejected.jsonl").read_text("utf-8").splitlines()]
    assert [(line["source"], line["id"], line["reason"]) for line in rejected] == [
        (path.name, "P99999", "duplicate") for path in paths[1:]
    ]


def test_bad_entries_are_counted_and_listed_and_the_rest_is_kept(tmp_path):
    whole = entry(comments=FUNCTION)
    cut = entry("P00001", comments=FUNCTION).split("SQ   ")[0]
    short = entry("P00002").replace(SEQUENCE[-2:], "")
    broken = entry("P00003").replace("Reviewed;         22 AA.", "")
    unreviewed = entry("P00004", status="Unreviewed")
    (tmp_path / "raw.dat").write_text("\n".join([cut + whole, whole, short, broken, unreviewed, cut]), "utf-8")
    manifest = uniprotqa.build_uniprotqa([tmp_path / "raw.dat"], tmp_path / "set", reviewed_only=True, settings=QUIET)
    assert manifest["counts"]["rejected"] == {
        "entry cut in the middle": 2,
        "duplicate": 1,
        "sequence length differs from the stated one": 1,
        "unreadable entry": 1,
        "not reviewed": 1,
    }
    assert manifest["counts"]["records_read"] == 7 and manifest["counts"]["rows"] == 3
    listed = (tmp_path / "set" / "rejected.jsonl").read_text("utf-8").splitlines()
    assert json.loads(listed[0])["id"] == "P00001" and json.loads(listed[0])["line"] == 1


def test_a_damaged_file_costs_only_what_is_missing_of_it(tmp_path):
    entries = "".join(entry(f"P{number:05d}", comments=FUNCTION) for number in range(2000))
    (tmp_path / "cut.dat.gz").write_bytes(gzip.compress(entries.encode())[:-3000])
    (tmp_path / "foreign.gff").write_bytes(b"##gff-version 3\n")
    (tmp_path / "whole.dat").write_text(entry("Q00001", comments=FUNCTION), "utf-8")
    paths = [tmp_path / name for name in ("cut.dat.gz", "foreign.gff", "whole.dat")]
    manifest = uniprotqa.build_uniprotqa(paths, tmp_path / "set", settings=QUIET)
    assert manifest["counts"]["rejected"] == {
        "entry cut in the middle": 1,
        "truncated or corrupt gzip": 1,
        "unknown format": 1,
    }
    assert 3 < manifest["counts"]["rows"] < 6003


def test_a_set_without_any_row_is_refused(tmp_path):
    (tmp_path / "raw.dat").write_text(entry(status="Unreviewed"), "utf-8")
    with pytest.raises(ValueError, match="not reviewed"):
        uniprotqa.build_uniprotqa([tmp_path / "raw.dat"], tmp_path / "set", reviewed_only=True, settings=QUIET)
    assert not (tmp_path / "set").exists()


def record_of(**told):
    """A record of an entry that says what is given, as a table would."""
    return Record(
        "raw", 1, "P1", EntryContent("entry", ProteinEntry(**({"accession": "P1", "sequence": "MKT"} | told)))
    )


@pytest.fixture
def bare_entries(monkeypatch):
    monkeypatch.setitem(PARSERS, "entry", lambda told: told)


@pytest.mark.parametrize(
    ("told", "kind", "reason", "detail"),
    [
        ({"accession": "", "names": ("A",)}, RejectedRecord, "no accession", ""),
        ({"sequence": "", "names": ("A",)}, RejectedRecord, "no sequence", ""),
        ({"length": 4}, RejectedRecord, "sequence length differs from the stated one", "stated: 4, residues: 3"),
        ({"sequence": "MK*T"}, RejectedRecord, "not a protein sequence", "residue 3 is '*'"),
        ({"sequence": "MK\u00c4"}, RejectedRecord, "not a protein sequence", "residue 3 is '\u00c4'"),
        ({"reviewed": None}, RejectedRecord, "not known whether reviewed", "export the table with the column Reviewed"),
        ({"reviewed": False}, UnwantedRecord, "not reviewed", ""),
        ({"reviewed": True}, UnwantedRecord, "answers no question", ""),
        ({"reviewed": True, "similarities": ("To yeast YBR1.",)}, UnwantedRecord, "answers no question", ""),
        ({"reviewed": True, "names": ("\ud800",)}, RejectedRecord, "not UTF-8 text", "byte 0x00"),
    ],
)
def test_an_entry_that_gives_no_row_says_why(bare_entries, told, kind, reason, detail):
    with pytest.raises(RejectedRecord) as rejected:
        parse_protein(record_of(**told), reviewed_only=True)
    assert type(rejected.value) is kind
    assert rejected.value.reason == reason and detail in rejected.value.detail


def test_a_sequence_in_small_letters_is_the_same_protein(bare_entries):
    example = parse_protein(record_of(sequence="mkt", names=("A",)))
    assert example.keys == ("MKT",) and example.rows[0]["proteins"] == ["MKT"]


LEFTOVERS = re.compile(r"ECO:|PubMed:|\(By similarity\)|Note=|\.\.|\s[.,;]|[{}\ue000]|Full=|Flags:|^\s|\s$|  ")


def test_real_entries_give_clean_sentences(shared):
    folder = shared / "data/proteins"
    counts = {}
    for path in sorted(folder.glob("uniprot_*/*")):
        for record in read_entries(path):
            for row in parse_protein(record).rows:
                answer = row["messages"][1]["content"][0]["text"]
                assert not (left := LEFTOVERS.search(answer)), f"{row['id']}: {left} in {answer}"
                assert answer.endswith(".") or re.fullmatch(r"(?:(?:^|; )EC \d+(?:\.(?:n?\d+|-)){3})+", answer)
            counts[path.name] = counts.get(path.name, 0) + 1
    known = {
        "entries_shared.json": 17,
        "sprot_head250_shared.xml": 118,
        "swissprot_shared.dat": 542,
        "trembl_shared.dat.gz": 82,
        "uniprot_human_shared.tsv": 244,
        "uniprot_results.json": 8,
    }
    assert counts.items() >= known.items()  # more files may lie there by now


def tasks_of(path):
    counts = dict.fromkeys((question.task for question in QUESTIONS), 0)
    for record in read_entries(path):
        for row in parse_protein(record, kinds=[question.kind for question in QUESTIONS]).rows:
            counts[row["task"]] += 1
    return counts


def test_real_entries_answer_as_often_as_their_lines_say(shared):
    path = shared / "data/proteins/uniprot_flat/swissprot_shared.dat"
    entries = path.read_text("utf-8").split("\n//\n")
    assert tasks_of(path) == {
        "protein_function": sum("\nCC   -!- FUNCTION:" in text for text in entries),
        "protein_names": sum("\nDE   RecName:" in text for text in entries),
        "protein_family": sum("belongs to" in " ".join(text.lower().split()) for text in similar(entries)),
        "protein_location": sum("\nCC   -!- SUBCELLULAR LOCATION:" in text for text in entries),
    }


def similar(entries):
    for text in entries:
        comments = text.replace("\nCC       ", " ").split("\nCC   -!- ")
        yield " ".join(comment for comment in comments if comment.startswith("SIMILARITY"))


def test_real_xml_and_json_answer_as_often_as_they_say(shared):
    folder = shared / "data/proteins"
    entries = (folder / "uniprot_xml/sprot_head250_shared.xml").read_text("utf-8").split("</entry>")
    found = tasks_of(folder / "uniprot_xml/sprot_head250_shared.xml")
    assert found["protein_function"] == sum('<comment type="function"' in text for text in entries) > 70
    assert found["protein_location"] == sum('<comment type="subcellular location"' in text for text in entries) > 30
    found = tasks_of(folder / "uniprot_json/entries_shared.json")
    assert found["protein_function"] + found["protein_location"] > 20


def test_every_small_flat_file_is_read(shared):
    folder = shared / "data/proteins/small_files"
    paths = [path for path in folder.rglob("*") if path.suffix in (".dat", ".txl", ".txt")]
    assert len(paths) > 40
    for path in paths:
        for record in read_entries(path):
            assert parse_protein(record).rows


FASTA = """\
>sp|P00001|A_B Kinase OS=C
MKTAYIAKQRQISFVKSHFSRQ
>P00001 2.7.11.1~~~k~~~Kinase~~~
MKTAYIAKQRQISFVKSHFSRQ
>WP_000000001.1 beta-lactamase TEM-1 [Bacteria]
MKTAYIAKQRQISFVKSHFSRQ
>P00001 Cytoplasm-Nucleus-S
MKTAYIAKQRQISFVKSHFSRQ
"""
SGD = (
    "accession\tlocus\tqualifier\tprotein_name\tec\tdescription\tsequence\n"
    "P00001\tYKL019W\tVerified\tkinase (ec 2.7) (k)\t2.7\tKinase; acts early\tMKTAYIAKQRQISFVKSHFSRQ\n"
    "P00002\tYKL020W\tDubious\tputative\t\tUnlikely to be\tMKTAYIAKQRQISFVKSHFSRQ\n"
    "P00003\tYKL021W\tVerified\tname\t9.9.9.9\tBinds\tMKTAYIAKQRQISFVKSHFSRQ\n"
)


@pytest.fixture
def mixed(tmp_path):
    """Return the rows, by id, and the manifest of a set from several sources that tell of one protein."""
    (tmp_path / "a.dat").write_text(entry("P00001", comments=FUNCTION), "utf-8")
    (tmp_path / "b.faa").write_text(FASTA, "utf-8")
    (tmp_path / "c.tsv").write_text(SGD, "utf-8")
    paths = [tmp_path / name for name in ("a.dat", "b.faa", "c.tsv")]
    manifest = uniprotqa.build_uniprotqa(paths, tmp_path / "set", settings=QUIET)
    (split,) = load_dataset(str(tmp_path / "set"), cache_dir=tmp_path / "cache").values()
    return {row["id"]: row for row in split}, manifest


def told(row):
    return row["messages"][0]["content"][1]["text"], row["messages"][1]["content"][0]["text"]


def test_each_source_of_a_protein_has_rows_of_its_own_whose_questions_tell_its_style(mixed):
    rows, _ = mixed
    assert {id: (row["task"], *told(row)) for id, row in rows.items() if id.count(":") == 2} == {
        "P00001:names:FASTA": ("protein_names", "What is the name of this protein?", "Kinase."),
        "P00001:names:Prokka": ("protein_names", "What is the name of this protein?", "Kinase."),
        "P00001:ec:Prokka": ("protein_ec", "Which EC number does this protein have?", "EC 2.7.11.1"),
        "WP_000000001.1:names:NCBI": (
            *("protein_names", "What is the name of this protein?", "beta-lactamase TEM-1."),
        ),
        "P00001:location:DeepLoc": (
            *("protein_location", "What is the main subcellular location of this protein?", "Cytoplasm. Nucleus."),
        ),
        "P00001:membrane:DeepLoc": (
            *("protein_membrane", "Is this protein bound to a membrane, or is it soluble?", "Soluble."),
        ),
        "P00001:names:SGD": (
            "protein_names",
            "What are the official names of this protein, in lower case?",
            "kinase (EC 2.7.-.-). Also known as k.",
        ),
        "P00001:ec:SGD": ("protein_ec", "Which EC number does this protein have?", "EC 2.7.-.-"),
        "P00001:description:SGD": (
            "protein_description",
            "How does the Saccharomyces Genome Database describe this protein?",
            "Kinase; acts early.",
        ),
    }
    assert {id for id in rows if id.count(":") == 1} == {"P00001:function", "P00001:names", "P00001:family"}


def test_rows_name_their_source_and_licence(mixed):
    rows, manifest = mixed
    found = {(row["source"], row["license"]) for row in rows.values()}
    assert found == {
        *(("UniProtKB/Swiss-Prot", "CC-BY-4.0"), ("UniProtKB", "CC-BY-4.0"), ("NCBI", "NCBI-PD")),
        *(("DeepLoc", "CC-BY-4.0"), ("UniProtKB (yeast)", "CC-BY-4.0"), ("SGD", "CC-BY-4.0")),
    }
    assert rows["P00001:description:SGD"]["source"] == "SGD"
    assert manifest["licenses"] == ["CC-BY-4.0", "NCBI-PD"]


def test_what_says_nothing_or_holds_no_ec_number_is_left_out_with_the_reason(mixed, tmp_path):
    _, manifest = mixed
    assert manifest["counts"]["rejected"] == {"Dubious ORF": 1, "not an EC number": 1}
    listed = [json.loads(line) for line in (tmp_path / "set/rejected.jsonl").read_text("utf-8").splitlines()]
    assert listed[1]["detail"] == "'9.9.9.9'; EC numbers are such as 3.4.21.4 or 3.4.-.-"
    assert [one["faulty"] for one in listed] == [False, True]


def test_proteins_that_deeploc_keeps_for_evaluation_are_in_the_test_split(tmp_path):
    (tmp_path / "a.faa").write_text(">P1 Nucleus-S test\nMKT\n>P2 Nucleus-S\nMKV\n>P3 Nucleus-S\nMKT\n")
    manifest = uniprotqa.build_uniprotqa([tmp_path / "a.faa"], tmp_path / "set", settings=QUIET)
    assert manifest["counts"]["rows_by_split"] == {"train": 2, "test": 2}
    assert manifest["counts"]["rejected"] == {"in a validation or test file": 1}


def test_only_the_wanted_questions_are_asked(tmp_path):
    (tmp_path / "a.dat").write_text(entry(comments=FUNCTION), "utf-8")
    build = uniprotqa.build_uniprotqa
    manifest = build([tmp_path / "a.dat"], tmp_path / "set", kinds=["family", "ec"], settings=QUIET)
    assert manifest["counts"]["rows"] == 1 and manifest["options"]["questions"] == "family ec"


@pytest.mark.parametrize(
    ("numbers", "answer"),
    [
        (("3.4.21.4",), "EC 3.4.21.4"),
        (("3.4.21.10", "3.4.21.4", "3.4.21.4"), "EC 3.4.21.4; EC 3.4.21.10"),
        (("3.4", "3.4.21.N1", "1.1.1.-"), "EC 1.1.1.-; EC 3.4.21.n1; EC 3.4.-.-"),
    ],
)
def test_ec_numbers_are_told_in_order_with_all_levels(bare_entries, numbers, answer):
    (row,) = parse_protein(record_of(all_enzyme_numbers=numbers)).rows
    assert told(row)[1] == answer


@pytest.mark.parametrize("number", ["8.1.1.1", "3.4.21.4.5", "3.-.21.4", "0.1.1.1", "EC", "3,4,21,4", "3.4.x.1"])
def test_an_ec_number_that_is_none_rejects_the_entry(bare_entries, number):
    with pytest.raises(RejectedRecord, match="not an EC number"):
        parse_protein(record_of(all_enzyme_numbers=(number,)))


def test_the_numbers_of_parts_and_other_names_count_too(answers):
    description = """
DE   RecName: Full=Bifunctional protein GAL10;
DE   Includes:
DE     RecName: Full=UDP-glucose 4-epimerase;
DE              EC=5.1.3.2;
DE   Contains:
DE     RecName: Full=Chain;
DE              EC=3.4.23.-;
"""
    found = answers(description=description)
    assert found["names"] == "Bifunctional protein GAL10." and found["ec"] == "EC 3.4.23.-; EC 5.1.3.2"
