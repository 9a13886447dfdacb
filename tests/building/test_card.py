"""The card of a data set: what the Hub reads of it, and sizes and licences by depositor."""

import json

import pytest
from huggingface_hub import DatasetCard, DatasetCardData

from biomedgpt_hf.building.card import size_category
from biomedgpt_hf.building.pipeline import BuildSettings
from biomedgpt_hf.sets.pubchemqa.builder import build_pubchemqa
from biomedgpt_hf.sets.table.builder import build_table

QUIET = BuildSettings(progress=False)


@pytest.mark.parametrize(
    ("rows", "name"),
    [
        (0, "n<1K"),
        (999, "n<1K"),
        (1_000, "1K<n<10K"),
        (99_999, "10K<n<100K"),
        (100_000, "100K<n<1M"),
        (5_000_000_000, "1B<n<10B"),
        (10**12, "n>1T"),
    ],
)
def test_sizes_have_the_hubs_names(rows, name):
    assert size_category(rows) == name


def annotation(cid, source, **license):
    value = {"StringWithMarkup": [{"String": f"This is the compound {cid} of {source}."}]}
    data = [{"TOCHeading": {"#TOCHeading": "Record Description"}, "Value": value}]
    return {"SourceName": source, "ANID": cid, "Data": data, "LinkedRecords": {"CID": [cid]}, **license}


@pytest.fixture
def pubchem(tmp_path):
    by = {"LicenseURL": "https://creativecommons.org/licenses/by/4.0/"}
    annotations = [
        *(annotation(cid, "ChEBI") for cid in (1, 2, 3)),
        annotation(4, "ChEBI", **by),
        annotation(5, "A | Depositor", **by),
        annotation(6, "Another", LicenseNote="Ask us first."),
        annotation(7, "Silent"),
        annotation(8, "Open", LicenseURL="https://opendatacommons.org/licenses/odbl/1-0/"),
    ]
    page, structures = tmp_path / "page.json", tmp_path / "CID-SMILES"
    page.write_text(json.dumps({"Annotations": {"Annotation": annotations}}))
    structures.write_text("".join(f"{cid}\t{'C' * cid}\n" for cid in range(1, 9)))
    return build_pubchemqa([page, structures], tmp_path / "set", settings=QUIET), tmp_path / "set" / "README.md"


def test_the_hub_reads_what_the_set_is_for_how_large_it_is_and_its_licences(pubchem):
    data = DatasetCard.load(pubchem[1]).data
    assert isinstance(data, DatasetCardData)
    assert data.pretty_name == "PubChemQA" and data.language == ["en"]
    assert data.task_categories == ["question-answering", "text-generation"]
    assert data.size_categories == ["n<1K"]
    assert data.license == ["cc-by-4.0", "odbl", "other"]
    assert "chemistry" in data.tags


def test_each_depositor_has_its_licence_and_what_was_inferred_is_marked(pubchem):
    manifest, path = pubchem
    assert {(one["source"], one["license"], one["rows"]) for one in manifest["depositors"]} == {
        ("ChEBI", "unknown", 3),
        ("ChEBI", "CC-BY-4.0", 1),
        ("A | Depositor", "CC-BY-4.0", 1),
        ("Another", "Ask us first.", 1),
        ("Silent", "unknown", 1),
        ("Open", "ODbL-1.0", 1),
    }
    card = path.read_text("utf-8")
    for line in (
        "| ChEBI | CC-BY-4.0 (inferred) | 3 |",
        "| ChEBI | CC-BY-4.0 | 1 |",
        r"| A \| Depositor | CC-BY-4.0 | 1 |",
        "| Silent | unknown | 1 |",
        "Inferred: the source is known to give its texts under this licence",
    ):
        assert line in card


def test_a_table_of_ones_own_names_its_items_and_claims_no_language(tmp_path):
    path = tmp_path / "my: table.csv"
    path.write_text("m,p,a\nCCO,MKT,yes\n")
    columns = {"molecule_columns": ["m"], "protein_columns": ["p"], "answer_column": "a"}
    build_table([path], tmp_path / "set", **columns, question="Is it?", license="CC0-1.0", settings=QUIET)
    card = (tmp_path / "set" / "README.md").read_text("utf-8")
    data = DatasetCard.load(tmp_path / "set" / "README.md").data
    assert data.pretty_name == "Questions from my: table.csv" and data.language is None
    assert data.task_categories == ["question-answering"] and data.license == ["cc0-1.0"]
    assert data.tags == ["chemistry", "biology", "molecules", "proteins"]
    assert "inferred" not in card and "| my: table.csv | CC0-1.0 | 1 |" in card
