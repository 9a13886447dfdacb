"""UniProtKB's XML: what Biopython reads, what it drops, and files that are not as they should be."""

import re

import pytest
from Bio import SeqIO

from biomedgpt_hf.files.records import RejectedRecord
from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.files.uniprot.formats import parse_entry, read_entries
from biomedgpt_hf.files.uniprot.wording import PREFIX
from biomedgpt_hf.sets.uniprotqa import answers

from .four_formats import XML_HEAD, XML_TAIL, Comment, Facts, Name, xml, xml_file

FACTS = Facts(
    recommended=Name("Test protein", ("TP",), ("1.1.1.1",)),
    functions=(Comment(("Cuts", "Binds")), Comment(("Rests",), "Isoform 2")),
    locations=(Comment(("Moves",), "", (("Cytoplasm, cytoskeleton", "", "Side"),)),),
    similarities=(Comment(("Belongs to the A family",)),),
)


def entries_of(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return [parse_entry(record.content) for record in read_entries(path)]


def test_real_entries_are_read_as_biopython_reads_what_it_reads(shared):
    folder = shared / "data/proteins"
    count = 0
    for path in (*folder.glob("uniprot_xml/*"), *folder.glob("small_files/*.xml")):
        if path.name == "multiligand.xml":
            continue
        for record, expected in zip(read_entries(path), SeqIO.parse(path, "uniprot-xml"), strict=True):
            entry, told = parse_entry(record.content), expected.annotations
            assert entry.accession == record.id == expected.id == told["accessions"][0]
            assert entry.sequence == str(expected.seq) and entry.reviewed == (told["dataset"] == "Swiss-Prot")
            keys = ("recommendedName_fullName", "recommendedName_shortName", "submittedName_fullName")
            keys += ("alternativeName_fullName", "alternativeName_shortName", "recommendedName_ecNumber")
            named = {name for key in keys for name in told.get(key, [])}
            own = {re.sub("^CD antigen ", "", name) for name in entry.names} | set(entry.enzyme_numbers)
            assert named <= own | {name for key in told if "component" in key or "domain" in key for name in told[key]}
            functions = [PREFIX.sub("", text) for text in entry.functions]
            assert functions == told.get("comment_function", [])
            assert list(entry.similarities) == told.get("comment_similarity", [])
            places = [text for text in told.get("comment_subcellularlocation_location", [])]
            said = " ".join(entry.locations).lower()
            assert all(place.lower() in said for place in places)
            count += 1
    assert count >= 118 + 11


@pytest.mark.parametrize("namespace", ["http://uniprot.org/uniprot", "https://uniprot.org/uniprot", ""])
def test_the_namespace_may_be_any(tmp_path, namespace):
    head = XML_HEAD.replace("http://uniprot.org/uniprot", namespace)
    assert entries_of(tmp_path / "a", xml_file(FACTS, head=head)) == entries_of(tmp_path / "b", xml_file(FACTS))


def test_a_prefix_of_the_namespace_changes_nothing(tmp_path):
    text = xml_file(FACTS).decode().replace("xmlns=", "xmlns:up=")
    text = re.sub(r"<(/?)(?=[a-zA-Z])", r"<\1up:", text)
    assert entries_of(tmp_path / "a", text) == entries_of(tmp_path / "b", xml_file(FACTS))


def test_an_entry_may_stand_alone_or_files_one_after_another(tmp_path):
    (expected,) = entries_of(tmp_path / "a", xml_file(FACTS))
    assert entries_of(tmp_path / "b", xml(FACTS)) == [expected]
    assert entries_of(tmp_path / "c", xml_file(FACTS) + b"\n" + xml_file(FACTS)) == [expected, expected]


def test_entries_in_remarks_are_none(tmp_path):
    remark = f"<!-- {xml(FACTS._replace(accession='P00001'))} -->\n"
    text = XML_HEAD + remark + xml(FACTS) + "<!-- </entry> -->" + remark + remark + xml(FACTS) + remark + XML_TAIL
    assert [entry.accession for entry in entries_of(tmp_path / "a", text)] == ["P12345", "P12345"]


def test_a_declared_encoding_is_obeyed(tmp_path):
    facts = FACTS._replace(functions=(Comment(("Binds Müller's cells",)),))
    text = xml_file(facts).decode().replace("UTF-8", "ISO-8859-1")
    (entry,) = entries_of(tmp_path / "a", text.encode("latin-1"))
    assert entry.functions == ("Binds Müller's cells.",)
    (tmp_path / "b").write_bytes(xml_file(facts).decode().encode("latin-1"))
    (record,) = read_entries(tmp_path / "b")
    with pytest.raises(RejectedRecord, match="not UTF-8"):
        parse_entry(record.content)


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE uniprot [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>',
        '<!DOCTYPE uniprot SYSTEM "file:///etc/passwd">',
    ],
)
def test_a_document_type_definition_is_refused(tmp_path, doctype):
    text = xml_file(FACTS).decode().replace("<uniprot", f"{doctype}\n<uniprot", 1).replace("Cuts", "&b;")
    with pytest.raises(SourceError, match="document type definition.*remove it"):
        entries_of(tmp_path / "a", text)


def test_an_entity_in_an_entry_is_not_expanded(tmp_path):
    text = xml_file(FACTS, FACTS).decode().replace("Cuts", "&nbsp;", 1)
    (tmp_path / "a").write_text(text)
    broken, whole = read_entries(tmp_path / "a")
    with pytest.raises(RejectedRecord, match="not XML: undefined entity"):
        parse_entry(broken.content)
    assert parse_entry(whole.content).accession == "P12345"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<location><begin", "<loction><begin"),
        ("</text>", "</txt>"),
        ('type="function"', "type=function"),
        ("<sequence length", "<sequence & length"),
    ],
)
def test_an_entry_that_is_not_well_formed_costs_no_other(tmp_path, before, after):
    text = xml_file(FACTS, FACTS._replace(accession="P00001")).decode().replace(before, after, 1)
    (tmp_path / "a").write_text(text)
    broken, whole = read_entries(tmp_path / "a")
    with pytest.raises(RejectedRecord, match="unreadable entry.*not XML"):
        parse_entry(broken.content)
    assert parse_entry(whole.content).accession == "P00001"


def test_a_cut_file_keeps_its_whole_entries(tmp_path):
    text = xml_file(FACTS, FACTS._replace(accession="P00001"))
    (tmp_path / "a").write_bytes(text[: text.rindex(b"<sequence")])
    whole, cut = read_entries(tmp_path / "a")
    assert whole.problem is None and cut.id == "P00001" and cut.problem.reason == "entry cut in the middle"
    (tmp_path / "b").write_bytes(text[: text.index(b"</entry>") + 8])
    records = read_entries(tmp_path / "b")
    assert next(records).id == "P12345"
    with pytest.raises(SourceError, match="ends without </uniprot>"):
        next(records)


def test_an_entry_cut_by_another_or_without_beginning_is_rejected(tmp_path):
    second = xml(FACTS._replace(accession="P00001"))
    text = xml_file(FACTS, tail="").decode().removesuffix("</entry>\n") + second
    text += second.replace('<entry dataset="Swiss-Prot" created="2000-01-01" version="1">', "") + second + XML_TAIL
    (tmp_path / "a").write_text(text)
    found = [(record.id, record.problem and record.problem.reason) for record in read_entries(tmp_path / "a")]
    cut = "entry cut in the middle"
    assert found == [("P12345", cut), ("P00001", None), ("P00001", cut), ("P00001", None)]


def test_numbers_of_old_releases_are_found_by_their_reference(tmp_path):
    text = xml_file(FACTS).decode().replace("<recommendedName>", '<recommendedName ref="7 8">')
    text = text.replace("<ecNumber>1.1.1.1</ecNumber>", "")
    text = text.replace('<dbReference type="EC" id="9.9.9.9"/>', '<dbReference type="EC" id="9.9.9.9" key="8"/>')
    (entry,) = entries_of(tmp_path / "a", text)
    assert entry.enzyme_numbers == ("9.9.9.9",)


def test_names_of_parts_are_not_the_proteins(tmp_path):
    facts = FACTS._replace(chains=(Name("Small chain", ("SC",), ("3.4.5.6",)),))
    (entry,) = entries_of(tmp_path / "a", xml_file(facts))
    assert entry.names == ("Test protein", "TP") and entry.enzyme_numbers == ("1.1.1.1",)


def test_the_order_of_elements_does_not_matter(tmp_path):
    text = xml_file(FACTS).decode()
    sequence = re.search("<sequence .*</sequence>", text)[0]
    moved = text.replace(sequence, "").replace("<protein>", sequence + "<protein>")
    assert entries_of(tmp_path / "a", moved) == entries_of(tmp_path / "b", text)


def test_a_sequence_over_several_lines_is_one(tmp_path):
    text = xml_file(FACTS).decode().replace("MKTAYIAKQR", "\n  MKTAY\n  IAKQR")
    assert entries_of(tmp_path / "a", text) == entries_of(tmp_path / "b", xml_file(FACTS))


def test_several_molecules_of_a_comment_are_all_named(tmp_path):
    text = (
        xml_file(FACTS)
        .decode()
        .replace("<molecule>Isoform 2</molecule>", "<molecule>Isoform 2</molecule><molecule>Isoform 3</molecule>")
    )
    (entry,) = entries_of(tmp_path / "a", text)
    assert answers.function_answer(entry) == "Cuts. Binds. Isoform 2, Isoform 3: Rests."


def test_a_length_that_is_no_number_is_unreadable(tmp_path):
    with pytest.raises(RejectedRecord, match="has the length 'x'"):
        entries_of(tmp_path / "a", xml_file(FACTS).decode().replace('length="22"', 'length="x"'))
