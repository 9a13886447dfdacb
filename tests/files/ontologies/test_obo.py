"""Stanzas, terms and names of OBO files, in the dialects in which ChEBI appears."""

import random

import pytest

from biomedgpt_hf.files.ontologies.obo import is_header, parse_term, read_stanzas, unescape
from biomedgpt_hf.files.ontologies.terms import Link
from biomedgpt_hf.files.records import RejectedRecord

FILE = r"""format-version: 1.2
ontology: test

[Term]
id: T:1
name: 2-\{[methyl]oxy}phenol
alt_id: T:100
alt_id: T:101 ! old
def: "A \"β\" phenol.\nIt is small." [PMID:1] {source="x"}
synonym: "Oc1ccccc1OC" RELATED SMILES [ChEBI]
is_a: T:2 {is_inferred="true"} ! phenols
relationship: has_role T:3 ! a role! of T
relationship: RO:0000087 T:4

[Typedef]
id: RO:0000087
name: has role

[Term]
id: T:2
name: phenols

[Term]
id: T:5
name: gone
is_obsolete: true

[Term]
id: T:6
is_obsolete: true
"""


def stanzas(text=FILE):
    return list(read_stanzas(enumerate(text.splitlines(), start=1)))


def term(*lines):
    return parse_term(lines)


def test_stanzas_know_their_kind_and_the_line_they_begin_in():
    assert [(stanza.kind, stanza.line) for stanza in stanzas()] == [
        ("Term", 4),
        ("Typedef", 15),
        ("Term", 19),
        ("Term", 23),
        ("Term", 28),
    ]


def test_a_term_has_its_definition_and_its_relations_in_order():
    parsed = parse_term(stanzas()[0].lines)
    assert (parsed.id, parsed.name) == ("T:1", "2-{[methyl]oxy}phenol")
    assert parsed.definition == 'A "β" phenol.\nIt is small.'
    assert parsed.links == [
        Link("is_a", "T:2", "phenols"),
        Link("has_role", "T:3", "a role! of T"),
        Link("RO:0000087", "T:4", ""),
    ]
    assert not parsed.obsolete


@pytest.mark.parametrize(
    "line",
    [
        'synonym: "CCO" RELATED SMILES [ChEBI]',
        'synonym: "CCO" RELATED SMILES [ChEBI:]',
        'property_value: http://purl.obolibrary.org/obo/chebi/smiles "CCO" xsd:string',
        'property_value: http://purl.obolibrary.org/obo/chebi#SMILES "CCO" xsd:string',
        'property_value: chemrof:smiles_string "CCO" xsd:string',
        'property_value: https://w3id.org/chemrof/smiles_string "CCO" xsd:string',
    ],
)
def test_a_structure_is_found_wherever_a_release_has_put_it(line):
    assert term("id: T:1", line).structure == "CCO"


def test_smiles_comes_before_inchi_and_inchi_before_nothing():
    smiles = 'property_value: chemrof:smiles_string "C" xsd:string'
    inchi = 'property_value: chemrof:inchi_string "InChI=1S/CH4/h1H4" xsd:string'
    old = 'synonym: "InChI=1S/CH4/h1H4" RELATED InChI [ChEBI]'
    assert term(inchi, smiles).structure == "C"
    assert term(inchi).structure == term(old).structure == "InChI=1S/CH4/h1H4"
    assert term('property_value: chemrof:inchi_key_string "VNWKTOKETHGBQD-UHFFFAOYSA-N" xsd:string').structure == ""
    assert term('synonym: "methane" EXACT []', 'synonym: "biogas" RELATED [ChEBI]').structure == ""


@pytest.mark.parametrize("written", [r"C/C=C\\\\[N+]", r"C/C=C\\[N+]", r"C/C=C\\n1cccc1", r"C/C=C\\\\n1cccc1"])
def test_backslashes_of_a_smiles_are_read_escaped_or_plain(written):
    plain = written.replace("\\\\", "\\")
    assert term(f'property_value: chemrof:smiles_string "{written}" xsd:string').structure == plain
    assert term(f'synonym: "{written}" RELATED SMILES [ChEBI]').structure == plain


def test_properties_that_point_to_something_are_no_text():
    pointing = ("property_value: seeAlso https://example.org", "property_value: smiles CCO", "property_value: RO:1 T:2")
    assert term(*pointing) == term()


@pytest.mark.parametrize(
    "line",
    [
        'def: "A phenol that was cu',
        'property_value: chemrof:smiles_string "CC(',
        'synonym: "meth',
        "def: no quotes []",
        "relationship: has_role",
        "is_a:",
    ],
)
def test_a_term_that_was_cut_is_rejected_with_the_line(line):
    with pytest.raises(RejectedRecord) as caught:
        term("id: T:1", line)
    assert caught.value.reason == "malformed line"
    tag, _, rest = line.partition(":")
    assert caught.value.detail.startswith(tag) and rest[-4:] in caught.value.detail


def test_escapes_are_resolved():
    assert unescape(r"a \"b\" \\c\nd\, e\:") == 'a "b" \\c\nd, e:'


@pytest.mark.parametrize("line", ["format-version: 1.2", "data-version: 252", "ontology: chebi", "[Term]"])
def test_an_ontology_is_known_by_its_first_line(line):
    assert is_header(line)


@pytest.mark.parametrize("line", ["CID\tSMILES\tdescription", "{}", "", "[1, 2]", "<rdf:RDF>", "Title: x", "[H]O"])
def test_other_files_are_no_ontologies(line):
    assert not is_header(line)


def test_scrambled_files_give_terms_or_rejections_and_nothing_else():
    chance = random.Random(0)
    for _ in range(300):
        letters = list(FILE)
        for _ in range(20):
            letters[chance.randrange(len(letters))] = chance.choice('\n"\\:[]{}! \ud800β')
        found = stanzas("".join(letters))
        for stanza in found:
            try:
                parse_term(stanza.lines)
            except RejectedRecord as rejected:
                assert rejected.reason == "malformed line"


def test_an_inchi_is_the_structure_even_where_no_kind_of_synonym_is_told():
    untyped = 'synonym: "InChI=1S/CH4/h1H4" RELATED []'
    assert term('synonym: "CH4" RELATED []', untyped, 'synonym: "C" RELATED []').structure == "InChI=1S/CH4/h1H4"
    assert term(untyped, 'synonym: "C" RELATED SMILES [ChEBI]').structure == "C"
    assert term('synonym: "methane" RELATED []', 'synonym: "VNWKTOKETHGBQD-UHFFFAOYSA-N" RELATED []').structure == ""
