"""One ontology in all its forms, and files that are none of them."""

import gzip
import json
import random

import pytest

from biomedgpt_hf.files.ontologies.formats import ontology_reader, read_terms
from biomedgpt_hf.files.ontologies.terms import Term, joined, short_id
from biomedgpt_hf.files.records import Record
from biomedgpt_hf.files.sources import SourceError

from .forms import ADDRESS, FORMS, GRAPH, HEAD, OBO, OWL


def write(path, text):
    path.write_text(text, "utf-8")
    return path


def terms(path):
    """Return the terms of a file by identifier, what several places say of one put together."""
    found = {}
    for record in read_terms(path):
        assert record.problem is None and record.line > 0
        if record.id in found:
            found[record.id].absorb(record.content)
        else:
            found[record.id] = record.content
    return found


@pytest.mark.parametrize("name", FORMS)
def test_every_form_says_the_same_of_a_term(tmp_path, name):
    found = terms(write(tmp_path / name, FORMS[name]))
    acid = found["CHEBI:17"]
    assert (acid.name, acid.smiles, acid.inchi) == ("made-up acid", r"C\C=C/CC(=O)O", "InChI=1S/wrong")
    assert acid.definition == (
        'A keto acid called "β" that, by <i>R</i>-configuration, carries hydroxy groups 2 & 3 at one chain.'
    )
    assert acid.iupac_names == ["2-hydroxy-made-up acid"] and acid.other_ids == ["CHEBI:170"]
    assert {link.target for link in acid.links if link.relation == "is_a"} == {"CHEBI:30", "CHEBI:4"}
    assert {link.target for link in acid.links if link.relation.endswith("has_functional_parent")} == {"CHEBI:19"}
    assert {link.target for link in acid.links if "has_role" in link.relation or link.relation == "RO:0000087"} == {
        "CHEBI:5",
        "CHEBI:170",
    }
    assert found["CHEBI:18"].obsolete and not acid.obsolete
    assert found["CHEBI:19"].structure == "CCC(=O)C(O)=O"
    assert found["CHEBI:4"].name == "phenols" and not found["CHEBI:4"].structure


@pytest.mark.parametrize("name", ["chebi.obo", "chebi.owl", "chebi.json"])
def test_gzip_and_a_byte_order_mark_make_no_difference(tmp_path, name):
    expected = terms(write(tmp_path / name, FORMS[name]))
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress(FORMS[name].encode()))
    (tmp_path / f"marked-{name}").write_bytes(b"\xef\xbb\xbf" + FORMS[name].encode())
    assert terms(tmp_path / f"{name}.gz") == terms(tmp_path / f"marked-{name}") == expected


@pytest.mark.parametrize("name", ["chebi.owl", "nodes.owl", "chebi.json", "line.json"])
def test_a_file_that_was_cut_is_told_with_its_line_wherever_it_ends(tmp_path, name):
    whole = FORMS[name].rstrip()
    chance = random.Random(0)
    for end in [len(whole) - 1, *(chance.randrange(len(whole) // 3, len(whole)) for _ in range(60))]:
        path = write(tmp_path / name, whole[:end])
        with pytest.raises(SourceError) as caught:
            list(read_terms(path))
        assert caught.value.reason == "cut file", (end, caught.value)
        assert f"{path}, line {whole[:end].count(chr(10)) + 1}:" in str(caught.value) or name.endswith("json")
        assert "\n" not in str(caught.value) and "Download it again" in str(caught.value)


def test_an_obo_file_that_ends_inside_of_a_line_loses_its_last_term_and_tells(tmp_path):
    whole = OBO.rstrip()
    path = write(tmp_path / "chebi.obo", whole[: whole.index("relationship: has_part CHEBI:1") + 30])
    records = read_terms(path)
    with pytest.raises(SourceError, match="line 15: the file ends inside of a line .* term of line 4 is left out"):
        next(records)
    whole = write(tmp_path / "whole.obo", OBO)
    assert len(list(read_terms(whole))) == 7


def test_broken_xml_and_json_are_told_by_line_after_what_came_before(tmp_path):
    broken = OWL.replace("<rdfs:label>parent acid</rdfs:label>", "<rdfs:label>parent acid</rdfs:lapel>")
    found = []
    with pytest.raises(SourceError, match=r"line \d+: is not XML from here on: mismatched tag"):
        for record in read_terms(write(tmp_path / "chebi.owl", broken)):
            found.append(record.id)  # noqa: PERF402
    assert "CHEBI:17" in found and "CHEBI:19" not in found
    with pytest.raises(SourceError, match="undefined entity"):
        list(read_terms(write(tmp_path / "chebi.owl", OWL.replace("<!ENTITY obo", "<!ENTITY abc"))))
    text = json.dumps(GRAPH, indent=1).replace('"lbl": "parent acid"', '"lbl": parent acid')
    with pytest.raises(SourceError, match=r"line \d+: is not JSON from here on"):
        list(read_terms(write(tmp_path / "chebi.json", text)))


def test_a_node_that_is_none_costs_no_other(tmp_path):
    nodes = [
        5,
        {"id": f"{ADDRESS}CHEBI_1", "lbl": "x"},
        {"lbl": "no id"},
        {"id": 7},
        {"id": "A", "meta": {"synonyms": [1]}},
    ]
    path = write(tmp_path / "chebi.json", json.dumps({"nodes": nodes, "edges": [{"sub": f"{ADDRESS}CHEBI_1"}]}))
    found = list(read_terms(path))
    assert [record.problem and record.problem.reason for record in found] == [
        *("malformed term", None, "malformed term", "malformed term", "malformed term", "malformed term")
    ]


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.owl", "Prefix(:=<http://x#>)\nOntology(<http://x>\n)\n", "OWL in functional syntax"),
        ("a.owl", "\n# made by hand\nOntology(<http://x>\n)\n", "OWL in functional syntax"),
        ("a.omn", "Prefix: owl: <http://x#>\nOntology: <http://x>\nClass: A\n", "OWL in Manchester syntax"),
        ("a.ttl", "# a\n@prefix owl: <http://x#> .\nowl:A a owl:Class .\n", "RDF as Turtle"),
        ("a.ttl", "PREFIX owl: <http://x#>\nowl:A a owl:Class .\n", "RDF as Turtle"),
        ("a.nt", "<http://a> <http://b> <http://c> .\n", "RDF as N-Triples"),
        ("a.jsonld", '{\n "@context": {}, "@graph": []}', "RDF as JSON-LD"),
        ("a.jsonld", '[{"@id": "http://x"}]', "RDF as JSON-LD"),
        (
            "a.owx",
            '<?xml version="1.0"?>\n<Ontology xmlns="http://www.w3.org/2002/07/owl#"></Ontology>',
            "OWL as OWL/XML",
        ),
    ],
)
def test_other_dialects_are_refused_in_one_line_with_what_to_do(tmp_path, name, content, kind):
    path = write(tmp_path / name, content)
    with pytest.raises(SourceError) as caught:
        ontology_reader(path)
    message = str(caught.value)
    assert message.startswith(f"{path}, line ") and f"is {kind}, but" in message and "\n" not in message
    assert f"robot convert --input {name} --output NEW.obo" in message


@pytest.mark.parametrize(
    "content",
    [
        "CCO ethanol\n",
        "[H]O\n[Na]Cl\n",
        "CID\tSMILES\tdescription\n1\tC\tx\n",
        ">P1\nMKT\n",
        '{"smiles": "CCO"}\n',
        "<html></html>",
        "<uniprot></uniprot>",
        "chebi_id\tsomething else\n",
    ],
)
def test_other_files_are_no_ontologies(tmp_path, content):
    assert ontology_reader(write(tmp_path / "a", content)) is None
    with pytest.raises(SourceError, match="is no ontology: ontologies are read as OBO"):
        read_terms(tmp_path / "a")


def test_a_table_of_terms_names_its_relations_by_name_or_identifier(tmp_path):
    table = (
        "name\tChEBI_ID\tSMILES\tparents\trelations\tclasses\tsplit_flag\tdefinition\n"
        "acid\tCHEBI:1\tCC(=O)O\tketo acid;CHEBI:4\thas_role=toxin; is_tautomer_of=CHEBI:9 \t"
        'CHEBI:5;"b" acid\tnew\tAn "acid".\n'
        "too\tshort\n\n"
        "other\tCHEBI:2\tInChI=1S/CH4/h1H4\t\t\t\t\t\n"
    )
    first, bad, other = read_terms(write(tmp_path / "terms.tsv", table))
    assert first.content == Term(
        "CHEBI:1",
        "acid",
        'An "acid".',
        smiles="CC(=O)O",
        links=[
            ("is_a", "", "keto acid"),
            ("is_a", "CHEBI:4", ""),
            ("member_of", "CHEBI:5", ""),
            ("member_of", "", '"b" acid'),
            ("has_role", "", "toxin"),
            ("is_tautomer_of", "CHEBI:9", ""),
        ],
    )
    assert (bad.line, bad.id, bad.problem.in_words) == (3, "short", "malformed line: 2 columns instead of 8")
    assert other.content.inchi == other.content.structure == "InChI=1S/CH4/h1H4"


def test_entities_that_grow_without_end_are_refused(tmp_path):
    grow = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(9))
    text = HEAD.replace("<!ENTITY obo", f'<!ENTITY e0 "{"lol" * 10}">{grow}<!ENTITY obo')
    text += '<owl:Class rdf:about="&obo;CHEBI_1"><rdfs:label>&e9;</rdfs:label></owl:Class></rdf:RDF>'
    with pytest.raises(SourceError, match="amplification"):
        list(read_terms(write(tmp_path / "chebi.owl", text)))


def test_files_of_other_data_are_never_fetched(tmp_path):
    (tmp_path / "secret").write_text("SECRET")
    text = HEAD.replace("<!ENTITY obo", '<!ENTITY file SYSTEM "secret"><!ENTITY obo')
    text += '<owl:Class rdf:about="&obo;CHEBI_1"><rdfs:label>x &file;</rdfs:label></owl:Class></rdf:RDF>'
    found = terms(write(tmp_path / "chebi.owl", text))
    assert "SECRET" not in found["CHEBI:1"].name


def test_places_that_follow_each_other_are_joined():
    places = [
        Record("f", n, id, Term(id, name))
        for n, (id, name) in enumerate([("a", ""), ("a", "A"), ("b", "B"), ("a", "C")])
    ]
    assert [(record.line, record.content.name) for record in joined(places)] == [(0, "A"), (2, "B"), (3, "C")]


@pytest.mark.parametrize(
    ("address", "id"),
    [
        (f"{ADDRESS}CHEBI_15365", "CHEBI:15365"),
        ("http://example.org/old.owl#CHEBI_1", "CHEBI:1"),
        ("CHEBI_1", "CHEBI:1"),
        ("CHEBI:1", "CHEBI:1"),
        (f"{ADDRESS}chebi#BFO_0000051", "BFO:0000051"),
        (f"{ADDRESS}chebi#has_parent_hydride", f"{ADDRESS}chebi#has_parent_hydride"),
        ("is_a", "is_a"),
    ],
)
def test_addresses_have_short_identifiers(address, id):
    assert short_id(address) == id
