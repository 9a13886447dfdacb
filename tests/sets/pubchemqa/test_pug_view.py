"""The forms that PubChem's own pages and records have; texts and numbers here are made up."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biomedgpt_hf.files.records import RejectedRecord, UnwantedRecord
from biomedgpt_hf.sets.pubchemqa.findings import Description, Finding, Form, PubChemStructure
from biomedgpt_hf.sets.pubchemqa.formats import read_pubchem_value
from biomedgpt_hf.sets.pubchemqa.pug_view import read_annotation, read_record

LINKED = {"CID": [702]}


def texts(*strings):
    return {"StringWithMarkup": [{"String": string, "Markup": [{"Start": 0, "Length": 2}]} for string in strings]}


def datum(*strings, heading="Record Description", **fields):
    return {"TOCHeading": {"type": "Compound", "#TOCHeading": heading}, "Value": texts(*strings), **fields}


def annotation(*data, **fields):
    known = {"SourceName": "A Depositor", "SourceID": "d1", "ANID": 11, "LinkedRecords": LINKED}
    return known | {"Data": list(data)} | fields


def record(*information, references=(), descriptors=(), **fields):
    names = [
        {"TOCHeading": "Record Description", "Information": list(information)},
        {"TOCHeading": "Computed Descriptors", "Section": [
            {"TOCHeading": heading, "Information": [{"ReferenceNumber": 9, "Value": texts(value)}]}
            for heading, value in descriptors
        ]},
    ]  # fmt: skip
    sections = [{"TOCHeading": "Structures"}, {"TOCHeading": "Names and Identifiers", "Section": names}]
    return {"RecordType": "CID", "RecordNumber": 702, "Section": sections, "Reference": list(references)} | fields


def read(annotations_or_record):
    reader = read_record if "RecordType" in annotations_or_record else read_annotation
    return list(reader(annotations_or_record, 5))


def reasons(findings):
    return [(finding.cid, type(finding.content), finding.content.reason) for finding in findings]


def test_an_annotation_is_a_description_of_each_compound_that_it_is_linked_to():
    linked = {"CID": [702, 3, 702], "SID": [8]}
    found = read(annotation(datum("One text."), LicenseNote="Free.", LicenseURL="https://x.org", LinkedRecords=linked))

    description = Description("One text.", "A Depositor", "Free.", "https://x.org")
    assert found == [
        Finding(5, 702, "CID:702:ANID:11", description),
        Finding(5, 3, "CID:3:ANID:11", description),
    ]


def test_the_strings_of_an_entry_are_one_text_and_its_entries_are_several():
    found = read(annotation(datum("First", " part. "), datum("Density 1.2", heading="Density"), datum("Second.")))

    assert [(finding.id, finding.content.text) for finding in found] == [
        ("CID:702:ANID:11", "First  part. "),
        ("CID:702:ANID:11:2", "Second."),
    ]


@pytest.mark.parametrize(
    ("linked", "detail"),
    [
        (None, "linked to no compound"),
        ({}, "linked to no compound"),
        ({"CID": []}, "linked to no compound"),
        ({"CID": ["x", None, -1, 0, True, 1.5, 2**70]}, "linked to no compound"),
        ({"SID": [5, 6]}, "linked to the substances 5, 6 only"),
    ],
)
def test_an_annotation_of_no_compound_is_rejected(linked, detail):
    [found] = read(annotation(datum("One text."), LinkedRecords=linked))

    assert (found.cid, found.id, type(found.content)) == (0, "ANID:11", RejectedRecord)
    assert found.content.args == ("no CID", detail)


def test_what_is_no_description_is_unwanted():
    see_also = datum("See also: Something else (related).")
    named = datum("Something else", Name="See Also")
    picture = {**datum(), "Value": {"ExternalDataURL": ["https://x.org"], "MimeType": "image/png"}}

    assert reasons(read(annotation(see_also, named, picture, datum("See also the text.")))[:3]) == [
        (702, UnwantedRecord, "cross reference"),
        (702, UnwantedRecord, "cross reference"),
        (702, UnwantedRecord, "no text"),
    ]
    assert reasons(read(annotation(datum("Dense", heading="Density")))) == [(0, UnwantedRecord, "other heading")]
    assert reasons(read(annotation())) == [(0, UnwantedRecord, "other heading")]
    assert reasons(read(record())) == [(702, UnwantedRecord, "no description")]


def test_a_record_gives_its_structure_and_each_depositors_text():
    found = read(
        record(
            {"ReferenceNumber": 3, "Description": "Physical Description", "Value": texts("Clear liquid.")},
            {"ReferenceNumber": 8, "Value": texts("Found in wine.")},
            {"ReferenceNumber": 8, "Value": texts("Found in beer.")},
            {"ReferenceNumber": 7, "Value": texts("Nobody's text.")},
            {"ReferenceNumber": 1, "Name": "See Also", "Value": texts("See also: Wine (component of).")},
            references=[
                {"ReferenceNumber": 1, "SourceName": "PubChem", "SourceID": "PubChem"},
                {"ReferenceNumber": 3, "SourceName": "A  Depositor", "SourceID": "x", "ANID": 31, "LicenseURL": "u"},
                {"ReferenceNumber": 8, "SourceName": "A Thesaurus", "SourceID": "M01", "LicenseNote": "n"},
            ],
            descriptors=[("InChI", "InChI=1S/x"), ("IUPAC Name", "ethanol"), ("SMILES", "CCO")],
        )
    )

    assert found[0] == Finding(5, 702, "", PubChemStructure(Form.LINE, "CCO"))
    assert found[1] == Finding(5, 702, "CID:702:ANID:31", Description("Clear liquid.", "A Depositor", "", "u"))
    assert found[2] == Finding(5, 702, "CID:702:A Thesaurus:M01", Description("Found in wine.", "A Thesaurus", "n", ""))
    assert found[3].id == "CID:702:A Thesaurus:M01:2"
    assert found[4].content == Description("Nobody's text.", "PubChem", "", "")
    assert found[4].id.startswith("CID:702:TEXT:")
    assert reasons(found[5:]) == [(702, UnwantedRecord, "cross reference")]


def test_of_several_structures_the_one_with_stereo_is_taken():
    old = [("Canonical SMILES", "CC(N)O"), ("Isomeric SMILES", "C[C@H](N)O")]

    assert read(record(descriptors=old))[0].content.text == "C[C@H](N)O"
    assert read(record(descriptors=old[:1]))[0].content.text == "CC(N)O"
    assert read(record(descriptors=[*old, ("SMILES", "C[C@@H](N)O ")]))[0].content.text == "C[C@@H](N)O"
    assert read(record(descriptors=[("InChI", "InChI=1S/H2O/h1H2")]))[0].content.text == "InChI=1S/H2O/h1H2"


def test_a_record_of_something_else_is_rejected():
    assert reasons(read(record(RecordType="SID"))) == [(0, RejectedRecord, "not a compound")]
    assert reasons(read(record(RecordNumber=None))) == [(0, RejectedRecord, "not a compound")]


def test_the_form_of_before_2019_is_read():
    page = annotation(
        {"TOCHeading": "Record Description", "Value": {"StringValue": "An old text."}},
        {"TOCHeading": "Record Description", "StringValueList": ["Two", "strings."]},
        LinkToPubChemBy={"CID": [4]},
    )
    del page["LinkedRecords"]

    assert [(finding.cid, finding.content.text) for finding in read(page)] == [(4, "An old text."), (4, "Two strings.")]


def test_every_wrapping_of_annotations_and_records_is_known():
    one = annotation(datum("One text."))
    whole = record({"ReferenceNumber": 8, "Value": texts("Found in wine.")})
    for value in (one, {"Annotations": {"Annotation": [one], "Page": 1, "TotalPages": 1}}):
        assert [finding.id for finding in read_pubchem_value(value, "", 1)] == ["CID:702:ANID:11"]
    for value in (whole, {"Record": whole}):
        assert [finding.content.text for finding in read_pubchem_value(value, "", 1)] == ["Found in wine."]

    fault = {"Fault": {"Code": "PUGVIEW.NotFound", "Message": "No data found", "Details": []}}
    [found] = read_pubchem_value(fault, "", 1)
    assert found.content.args == ("error message of PubChem", "PUGVIEW.NotFound: No data found")


KEYS = st.sampled_from(
    "Annotations Annotation PC_Compounds Record RecordType RecordNumber Section TOCHeading #TOCHeading Information "
    "Reference ReferenceNumber Value StringWithMarkup String Data SourceName SourceID ANID LinkedRecords CID Fault "
    "Name id cid atoms props urn label value sval".split()
)
VALUES = st.recursive(
    st.sampled_from(["CID", "Record Description", "Computed Descriptors", "SMILES", "x", 1, 2**80, True, None, 0.5]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=25,
)


@settings(max_examples=300, deadline=None)
@given(VALUES, st.sampled_from(["", "Annotation", "PC_Compounds"]))
def test_no_json_whatever_breaks_the_reader(value, container):
    for finding in read_pubchem_value(value, container, 1):
        assert 0 <= finding.cid < 2**63
        assert isinstance(finding.content, Description | PubChemStructure | RejectedRecord)
        json.dumps(finding.id)
