"""Terms out of several ontologies, and out of one in several forms."""

import gzip

import pytest

from biomedgpt_hf.building.pipeline import BuildSettings
from biomedgpt_hf.chemistry.caption_statements import statements
from biomedgpt_hf.evaluation.answers import Answered
from biomedgpt_hf.evaluation.metrics.caption_facts import CaptionFacts
from biomedgpt_hf.evaluation.metrics.listed_names import ListedNames
from biomedgpt_hf.files.records import UnwantedRecord
from biomedgpt_hf.sets.chebi.builder import FORMS as QUESTIONS
from biomedgpt_hf.sets.chebi.builder import parse_term
from biomedgpt_hf.sets.chebi.merging import read_merged
from biomedgpt_hf.sets.chebi20.builder import build_chebi20
from biomedgpt_hf.similarity.structure_key import structure_key

from ..files.ontologies.forms import FORMS

QUIET = BuildSettings(progress=False)
OLD = """format-version: 1.2

[Term]
id: CHEBI:1
name: acid
def: "An acid of old." []
synonym: "Cc1cncn1" RELATED SMILES []
is_a: CHEBI:9 ! oxide
relationship: has_role CHEBI:20 ! drug

[Term]
id: CHEBI:2
name: retired
def: "Gone." []
synonym: "CCC" RELATED SMILES []

"""
NEW = """format-version: 1.2

[Term]
id: CHEBI:3
name: only here
def: "Another." []
synonym: "CCCC" RELATED SMILES []

[Term]
id: CHEBI:2
is_obsolete: true

[Term]
id: CHEBI:1
name: new acid
def: "An acid of today." []
synonym: "Cc1cnc[nH]1" RELATED SMILES []
is_a: CHEBI:8 ! acid
is_a: CHEBI:9
relationship: RO:0000087 CHEBI:20

[Term]
id: CHEBI:20
name: drug

"""


def merged(folder, *texts, suffix="obo"):
    paths = []
    for number, text in enumerate(texts):
        paths.append(folder / f"source{number}.{suffix}")
        paths[-1].write_text(text, "utf-8")
    return list(read_merged(paths, folder / "scratch", progress=False))


def rows_of(record, *forms, **options):
    example = parse_term(record, forms or tuple(QUESTIONS), **options)
    return {row["task"]: row["messages"][1]["content"][0]["text"] for row in example.rows}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_of_an_ontology_gives_the_same_rows(tmp_path, name):
    (tmp_path / name).write_text(FORMS[name], "utf-8")
    records = {record.id: record for record in read_merged([tmp_path / name], tmp_path / "scratch", progress=False)}
    assert rows_of(records["CHEBI:17"]) == {
        "molecule_caption": 'The molecule is a keto acid called "β" that, by R-configuration, carries hydroxy '
        "groups 2 & 3 at one chain. It has a role as a toxin and a made-up acid. "
        "It is a member of phenols and a keto acid. It derives from a parent acid.",
        "molecule_definition": 'The molecule is a keto acid called "β" that, by R-configuration, carries hydroxy '
        "groups 2 & 3 at one chain.",
        "molecule_class": "It is a member of phenols and a keto acid.",
        "molecule_role": "It has a role as a toxin and a made-up acid.",
        "molecule_origin": "It derives from a parent acid.",
        "molecule_iupac_name": "2-hydroxy-made-up acid",
    }
    assert records["CHEBI:17"].content.nameless == 1
    assert set(records) == {"CHEBI:17", "CHEBI:18", "CHEBI:19", "CHEBI:30", "CHEBI:4", "CHEBI:5"}


def test_the_first_source_wins_and_relations_are_those_of_all(tmp_path):
    acid, retired, only_here, drug = merged(tmp_path, OLD, NEW)
    term = acid.content.term
    assert (term.name, term.definition) == ("acid", "An acid of old.")
    assert [(link.relation, link.target, link.name) for link in term.links] == [
        ("is_a", "CHEBI:8", "acid"),
        ("is_a", "CHEBI:9", "oxide"),
        ("has_role", "CHEBI:20", "drug"),
    ]
    assert acid.content.differing == ("name", "definition")
    assert (acid.file, acid.line, only_here.file, only_here.line) == ("source0.obo", 3, "source1.obo", 3)
    assert retired.content.term.obsolete and drug.id == "CHEBI:20"
    assert merged(tmp_path, NEW, OLD)[2].content.term.definition == "An acid of today."


def test_of_spoilt_and_differing_structures_one_that_can_be_read_is_taken_and_all_are_held_out(tmp_path):
    spoilt = merged(tmp_path, OLD, NEW)[0]
    example = parse_term(spoilt, ["definition"])
    assert example.rows[0]["molecules"] == ["Cc1cnc[nH]1"]
    assert "structure cannot be read: another one of the same term is taken" in example.notes
    other = merged(tmp_path, NEW, NEW.replace("Cc1cnc[nH]1", "Cc1cnco1"))[2]
    example = parse_term(other, ["definition"])
    assert example.rows[0]["molecules"] == ["Cc1cnc[nH]1"]
    assert example.keys == (structure_key("Cc1cnc[nH]1"), structure_key("Cc1cnco1"))
    assert "structure differs between sources: the first one that can be read is taken" in example.notes


def test_conflicts_stand_in_the_manifest(tmp_path):
    for name, text in (("old.obo", OLD), ("new.obo", NEW)):
        (tmp_path / name).write_text(text)
    sources = [tmp_path / "old.obo", tmp_path / "new.obo"]
    counts = build_chebi20(sources, tmp_path / "set", ontology_captions="definition", settings=QUIET)["counts"]
    assert counts["records_read"] == 4 and counts["rows"] == 2
    assert counts["notes"] == {
        "definition differs between sources: that of the first is taken": 1,
        "name differs between sources: that of the first is taken": 1,
        "structure cannot be read: another one of the same term is taken": 1,
        "relation left out: its target is obsolete or has no name": 1,
    }


def test_a_table_of_terms_finds_its_names_and_identifiers_in_other_sources(tmp_path):
    (tmp_path / "terms.tsv").write_text(
        "chebi_id\tname\tsmiles\tparents\tclasses\trelations\n"
        "CHEBI:1\t\tCCCO\tacid;drug\tCHEBI:20;CHEBI:404\thas_role=CHEBI:20;has_role=unheard-of\n"
    )
    (tmp_path / "new.obo").write_text(NEW)
    paths = [tmp_path / "terms.tsv", tmp_path / "new.obo"]
    first = next(read_merged(paths, tmp_path / "scratch", progress=False))
    assert rows_of(first, "classes", "broad-classes", "roles") == {
        "molecule_class": "It is an acid and a drug.",
        "molecule_broad_class": "It is a drug.",
        "molecule_role": "It has a role as a drug and an unheard-of.",
    }
    assert first.content.nameless == 2  # CHEBI:404, and CHEBI:9 of the other source
    assert parse_term(first, ["classes", "roles"]).rows[1]["id"] == "CHEBI:1:role"


def test_a_source_that_cannot_be_read_is_told_and_costs_no_other(tmp_path, caplog):
    (tmp_path / "new.obo.gz").write_bytes(gzip.compress(NEW.encode()))
    (tmp_path / "cut.owl").write_text(FORMS["chebi.owl"][:1500])
    (tmp_path / "turtle.ttl").write_text("@prefix owl: <x#> .\n")
    paths = [tmp_path / "turtle.ttl", tmp_path / "cut.owl", tmp_path / "new.obo.gz"]
    records = list(read_merged(paths, tmp_path / "scratch", progress=False))
    assert [(record.file, record.problem.reason) for record in records if record.problem] == [
        ("turtle.ttl", "unknown format"),
        ("cut.owl", "cut file"),
    ]
    assert len([record for record in records if not record.problem]) == 4
    assert not list((tmp_path / "scratch").iterdir())
    assert [message.split(":")[0].rsplit(",")[-1] for message in caplog.messages] == [" line 1", " line 32"]


def test_a_term_without_an_identifier_is_told_and_mixed_with_no_other(tmp_path):
    nameless = "[Term]\nname: a\n\n[Term]\nname: b\n\n"
    problems = [record for record in merged(tmp_path, NEW + nameless) if record.problem]
    assert [record.problem.in_words for record in problems] == [
        "no identifier: the term 'a' has none",
        "no identifier: the term 'b' has none",
    ]
    assert [record.line for record in problems] == [26, 29]


def test_ontologies_without_structures_or_without_chebi_are_told_in_a_line_each(tmp_path):
    (tmp_path / "names.obo").write_text("format-version: 1.2\n\n[Term]\nid: CHEBI:1\nname: x\nis_a: CHEBI:2\n\n")
    (tmp_path / "go.obo").write_text("format-version: 1.2\n\n[Term]\nid: GO:1\nname: x\n\n")
    paths = [tmp_path / "names.obo", tmp_path / "go.obo"]
    problems = [record.problem for record in read_merged(paths, tmp_path / "a", progress=False) if record.problem]
    assert [problem.reason for problem in problems] == ["no terms of ChEBI", "no structures", "no structures"]
    with pytest.raises(ValueError, match=r"names.obo, line 3: up to this last term there is no structure") as caught:
        build_chebi20(paths[:1], tmp_path / "set", settings=QUIET)
    assert "\n" not in str(caught.value)
    (tmp_path / "more.obo").write_text(NEW)
    records = list(read_merged([paths[0], tmp_path / "more.obo"], tmp_path / "b", progress=False))
    assert not [record for record in records if record.problem]  # the other one has them


@pytest.mark.parametrize(
    ("answer", "reference", "f1"),
    [
        ("It is a member of phenols and a keto acid.", "It is a member of phenols and a keto acid.", 1.0),
        ("It is a keto acid.", "It is a member of phenols and a keto acid.", 2 / 3),
        ("It has a role as a toxin.", "It has a role as a toxin and an EC 1.1.1.1 inhibitor.", 2 / 3),
        (
            "It derives from a hydride of an indane.",
            "It derives from a uracil. It derives from a hydride of an indane.",
            2 / 3,
        ),
        ("It is a drug.", "It has a role as a drug.", 0.0),
    ],
)
def test_answers_about_classes_roles_and_origins_are_scored_as_sets(answer, reference, f1):
    row = Answered("1", answer, reference, items={"molecule": ("CCO",)}, task="molecule_class")
    metric = CaptionFacts()
    assert metric.applies_to(row)
    assert metric.scores(metric.statistics([row]).sum(0))["fact_f1"] == pytest.approx(f1)


def test_iupac_names_are_scored_by_exact_match():
    row = Answered("1", "Propan-2-ol", "propan-2-ol", items={"molecule": ("CC(C)O",)}, task="molecule_iupac_name")
    metric = ListedNames()
    assert metric.applies_to(row)
    assert metric.scores(metric.statistics([row]).sum(0))["exact_match"] == 1


def test_every_relation_of_an_answer_is_one_that_the_metric_knows(tmp_path):
    (tmp_path / "a.obo").write_text(FORMS["chebi.obo"])
    record = next(read_merged([tmp_path / "a.obo"], tmp_path / "scratch", progress=False))
    for task, text in rows_of(record).items():
        assert statements(text) or task == "molecule_iupac_name"


def test_obsolete_terms_and_terms_of_other_ontologies_are_unwanted(tmp_path):
    retired = merged(tmp_path, OLD, NEW)[1]
    with pytest.raises(UnwantedRecord, match="obsolete"):
        parse_term(retired)
