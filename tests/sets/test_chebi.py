"""Captions composed from ontologies are worded as in ChEBI-20."""

import csv
import gzip
import random
import re
from collections import Counter

import pytest
from rdkit import Chem, rdBase

from biomedgpt_hf.files.ontologies.obo import parse_term
from biomedgpt_hf.sets.chebi.captions import (
    canonical_relation,
    compose_caption,
    definition_as_caption,
    enumerate_names,
    is_full,
    with_article,
)
from biomedgpt_hf.sets.chebi.merging import named_links, read_merged

ACID = """\
id: CHEBI:1
name: a made-up acid
def: "A  keto acid that melts at 3 degreeC" []
is_a: CHEBI:10 ! keto acid
is_a: CHEBI:11 ! phenols
relationship: has_parent_hydride CHEBI:20 ! indane
relationship: is_tautomer_of CHEBI:21 ! enol
relationship: is_enantiomer_of CHEBI:22 ! L-acid
relationship: is_conjugate_acid_of CHEBI:23 ! (8S)-oate
relationship: is_conjugate_base_of CHEBI:24 ! N-ium
relationship: has_functional_parent CHEBI:25 ! uracil
relationship: has_functional_parent CHEBI:26 ! octane
relationship: has_part CHEBI:27 ! water
relationship: has_role CHEBI:28 ! metabolite
relationship: has_role CHEBI:29 ! EC 1.1.1.1 inhibitor
relationship: has_role CHEBI:30 ! human metabolite
relationship: RO:0002180 CHEBI:31 ! something another ontology says
is_a: PATO:1 ! a quality
"""


def term_of(*lines, names=None):
    """Return the term that some lines describe, with named links, and how many of these have no name."""
    term = parse_term(lines)
    term.links, nameless = named_links(term.links, names or {}, {})
    return term, nameless


def compose(*lines, names=None):
    return compose_caption(term_of(*lines, names=names)[0])


def test_the_sentences_stand_in_the_order_of_chebi20():
    assert compose(*ACID.splitlines()) == (
        "The molecule is a keto acid that melts at 3 ℃. "
        "It has a role as a metabolite, an EC 1.1.1.1 inhibitor and a human metabolite. "
        "It is a keto acid and a member of phenols. It contains a water. "
        "It derives from a uracil and an octane. It is a conjugate base of a N-ium. "
        "It is a conjugate acid of an (8S)-oate. It is an enantiomer of a L-acid. "
        "It is a tautomer of an enol. It derives from a hydride of an indane."
    )


def test_markup_in_definitions_and_names_reaches_no_caption():
    lines = [
        "id: CHEBI:1",
        r'def: "An <em>N</em>-acyl &amp;alpha;-amine, C<small><sub>2</sub></small>H, p<0.05, (1<->1), <3 \"K\"" []',
        "relationship: has_role CHEBI:2 ! <i>R</i>-metabolite",
        "relationship: has_functional_parent CHEBI:3 ! &beta;-<small>D</small>-thing",
        "relationship: has_part CHEBI:4 ! H<sub>2</sub>O",
    ]
    assert compose(*lines, names={"CHEBI:4": "D<sub>2</sub>O"}) == (
        'The molecule is an N-acyl α-amine, C2H, p<0.05, (1<->1), <3 "K". It has a role as a R-metabolite. '
        "It contains a D2O. It derives from a β-D-thing."
    )
    assert definition_as_caption("A <i>gem</i>-diol &ndash; H<sub>2</sub>.") == "The molecule is a gem-diol – H2."
    assert definition_as_caption("<p></p>") == compose('def: "<p></p>" []') == ""


def test_a_single_parent_is_told_only_where_there_is_no_definition():
    parent, role = "is_a: CHEBI:10 ! oxide", "relationship: has_role CHEBI:11 ! refrigerant"
    assert compose('def: "A gas." []', parent, role) == "The molecule is a gas. It has a role as a refrigerant."
    assert compose(parent, role) == "The molecule is an oxide. It has a role as a refrigerant."
    assert compose(parent, "is_a: CHEBI:12 ! gas", role) == (
        "The molecule is an oxide and a member of gas. It has a role as a refrigerant."
    )
    assert compose(role) == compose("is_a: BFO:1 ! entity") == ""


@pytest.mark.parametrize(
    ("definition", "opening"),
    [
        ("An anion.", "The molecule is an anion."),
        ("The simplest acid", "The molecule is the simplest acid."),
        ("Zwitterionic form of X.", "The molecule is zwitterionic form of X."),
        ("Catechol in which two hydrogens are gone.", "The molecule is catechol in which two hydrogens are gone."),
        ("Any anion with thirty carbons.", "The molecule is any anion with thirty carbons."),
        ("L-Proline in which one hydrogen is gone.", "The molecule is L-Proline in which one hydrogen is gone."),
        ("UDP-glucose.", "The molecule is UDP-glucose."),
        ("(4R)-Limonene.", "The molecule is (4R)-Limonene."),
        ("Sucrose is a disaccharide. It is sweet.", "The molecule is a disaccharide. It is sweet."),
        ("Muramyl dipeptide is the smallest.", "The molecule is the smallest."),
        ("A primary alcohol is a compound with OH.", "The molecule is a compound with OH."),
        ("An acid is the opposite.", "The molecule is the opposite."),
        ("A sugar of which one is a drug.", "The molecule is a sugar of which one is a drug."),
        ("A salt whose anion is a drug.", "The molecule is a salt whose anion is a drug."),
        ("The sugar is a drug.", "The molecule is the sugar is a drug."),
        ("A sugar which is a drug.", "The molecule is a sugar which is a drug."),
        ("Saccharide which is a drug.", "The molecule is saccharide which is a drug."),
        ("Compounds of structure ROOR'.", "Compounds of structure ROOR'."),
        ("Organic aromatic compounds with oxygen.", "Organic aromatic compounds with oxygen."),
        ("This is what it is.", "This is what it is."),
        ("Major species at pH 7.3", "The molecule is major species at pH 7.3."),
        ("Tacrolimus in water.", "The molecule is tacrolimus in water."),
        ("trans,trans-Muconic acid.", "The molecule is trans,trans-Muconic acid."),
    ],
)
def test_definitions_open_as_in_chebi20_where_that_is_a_sentence(definition, opening):
    assert compose(f'def: "{definition}" []') == opening


@pytest.mark.parametrize(
    ("definition", "caption"),
    [
        ("A  gas", "The molecule is a gas."),
        ("Dianion of X.", "The molecule is dianion of X."),
        ("Any gas.", "Any gas."),
        ("A nitrile is a compound with a CN group.", "A nitrile is a compound with a CN group."),
        ("A nitrile that is a drug.", "The molecule is a nitrile that is a drug."),
        ("But-2-ene that burns.", "But-2-ene that burns."),
        ("", ""),
    ],
)
def test_a_definition_alone_keeps_its_opening_unless_it_is_a_noun_phrase(definition, caption):
    assert definition_as_caption(definition) == caption


@pytest.mark.parametrize(
    "text",
    (
        "an acid, an oxo steroid, an 11-oxo steroid, an 11beta-hydroxy steroid, an 8-hydroxy acid, an (11Z)-acid, "
        "an (E)-hexenal, an [8)-alpha-Neu5Ac-(2->]n, an UDP-glucose, an undecanoate, an ultra-long-chain acid, "
        "an ursane, an O-acyl ester, an EC 1.1.1.1 inhibitor, an unimolecular reaction, a 1-acyl ester, a 110-kDa X, "
        "a 18-hydroxy steroid, a (10Z)-acid, a ({[x]}y)z, a L-lysine, a N-acyl ester, a hydroxy acid, a uracil, "
        "a uridine, a urea, a uremic toxin, a uroporphyrinogen III, a eukaryotic metabolite, a eugenol, "
        "a one-carbon compound, a oneirogen, a useful X, a universal X, a member of phenols, a member of gas"
    ).split(", "),
)
def test_articles_are_those_of_chebi20(text):
    name = re.sub(r"^(a member of|an?) ", "", text)
    assert with_article(name) == text


def test_names_are_listed_once_each_with_an_and_before_the_last():
    assert enumerate_names(["acid"]) == "an acid"
    assert enumerate_names(["acid", "base", "acid"]) == "an acid and a base"
    assert enumerate_names(["acid", "base", "salt"]) == "an acid, a base and a salt"


@pytest.mark.parametrize(
    ("written", "relation"),
    [
        ("has_role", "has_role"),
        ("RO:0000087", "has_role"),
        ("http://purl.obolibrary.org/obo/RO_0000087", "has_role"),
        ("BFO:0000051", "has_part"),
        ("RO:0018038", "has_functional_parent"),
        ("obo:chebi#has_functional_parent", "has_functional_parent"),
        ("http://purl.obolibrary.org/obo/chebi/has_parent_hydride", "has_parent_hydride"),
        ("chebi:is_tautomer_of", "is_tautomer_of"),
        ("RO:0018033", "is_conjugate_base_of"),
        ("RO:0018034", "is_conjugate_acid_of"),
        ("RO:0002180", None),
        ("part_of", None),
    ],
)
def test_relations_are_known_in_every_dialect(written, relation):
    assert canonical_relation(written) == relation


def test_names_come_from_the_term_else_from_the_comment_without_the_relations_name():
    lines = (
        'def: "A gas." []',
        "relationship: has_role CHEBI:1",
        "relationship: RO:0000087 CHEBI:2 ! has role metabolite",
        "relationship: RO:0018033 CHEBI:3 ! is deprotonated form of acid",
        "relationship: RO:0018034 CHEBI:4 ! is conjugate acid of base",
    )
    names = {"CHEBI:1": "toxin", "RO:0018033": "is deprotonated form of"}
    assert compose(*lines, names=names) == (
        "The molecule is a gas. It has a role as a toxin and a metabolite. "
        "It is a conjugate base of an acid. It is a conjugate acid of a base."
    )


def test_relations_to_obsolete_or_nameless_terms_are_left_out_and_told():
    lines = ('def: "A gas." []', "relationship: has_role CHEBI:1 ! old role", "is_a: CHEBI:2")
    term, nameless = term_of(*lines, names={"CHEBI:1": ""})
    assert compose_caption(term) == "The molecule is a gas."
    assert nameless == 2


def test_a_term_of_a_release_without_comments_finds_the_names_after_it(tmp_path):
    path = tmp_path / "chebi.obo"
    path.write_text(
        "format-version: 1.2\ndata-version: 252\n\n"
        '[Term]\nid: CHEBI:1\nname: ozone\ndef: "An elemental gas." [ChEBI]\n'
        "relationship: RO:0000087 CHEBI:2\nrelationship: RO:0018038 CHEBI:4\n"
        'property_value: chemrof:smiles_string "[O-][O+]=O" xsd:string\n\n'
        "[Term]\nid: CHEBI:2\nname: greenhouse gas\n\n[Term]\nid: CHEBI:3\nname: dioxygen\nalt_id: CHEBI:4\n\n"
        "[Typedef]\nid: RO:0000087\nname: has role\n"
    )
    first, second, third = read_merged([path], tmp_path, progress=False)
    assert (first.id, first.line, second.id, third.id) == ("CHEBI:1", 4, "CHEBI:2", "CHEBI:3")
    assert compose_caption(first.content.term) == (
        "The molecule is an elemental gas. It has a role as a member of greenhouse gas. It derives from a dioxygen."
    )


def test_of_a_truncated_archive_the_whole_terms_come_before_the_error(tmp_path):
    chance = random.Random(0)
    smiles = 'synonym: "CC" RELATED SMILES []'
    terms = [f"[Term]\nid: CHEBI:{n}\nname: {chance.random()}\n{smiles}\nis_a: CHEBI:0\n\n" for n in range(5_000)]
    path = tmp_path / "chebi.obo.gz"
    path.write_bytes(gzip.compress(("format-version: 1.2\n\n" + "".join(terms)).encode())[:-20_000])
    cut, *found = read_merged([path], tmp_path, progress=False)
    assert cut.problem.reason == "truncated or corrupt gzip"
    assert 100 < len(found) < 5_000
    assert [record.id for record in found] == [f"CHEBI:{n}" for n in range(len(found))]
    assert found[-1].content.term.links[0].name.startswith("0.")


DEFINED = 'def: "A keto acid that is found in the roots of a plant of the family of the legumes and nowhere else." []'


def test_a_full_caption_has_a_definition_a_relation_and_twenty_words():
    role, parents = "relationship: has_role CHEBI:1 ! toxin", ["is_a: CHEBI:2 ! acid", "is_a: CHEBI:3 ! ketone"]
    assert is_full(term_of(DEFINED, role)[0]) and is_full(term_of(DEFINED, *parents)[0])
    assert not is_full(term_of(DEFINED)[0])
    assert not is_full(term_of(DEFINED, parents[0])[0])  # a single parent is not told
    assert not is_full(term_of('def: "A keto acid." []', role)[0])
    many = [f"is_a: CHEBI:{n} ! kind {n} of acid" for n in range(20)]
    assert not is_full(term_of(*many, role)[0])


# --- ChEBI-20 and three real modules, which come from releases two years before and after it ---

SENTENCE = re.compile(
    r"(It has a role as|It contains|It derives from a hydride of|It derives from|It is a conjugate base of|"
    r"It is a conjugate acid of|It is an enantiomer of|It is a tautomer of|It is) (an? .*)\."
)


def sentences(caption):
    """Return a caption's definition, and for each kind of sentence the things that it lists."""
    definition, found = [], {}
    for sentence in re.split(r"(?<=[.)\]\w]) (?=It (?:has a role as|contains|derives from|is) an? )", caption):
        kind = SENTENCE.fullmatch(sentence)
        things = re.split(r"(?:, | and )(?=an? )", kind[2]) if kind else []
        if kind is None or (kind[1] == "It is" and len(things) == 1):
            definition.append(sentence)  # "It is a gas." belongs to a definition: single parents are not told
        else:
            found[kind[1]] = things
    return " ".join(definition).rstrip("."), found


def canonical(molecule):
    read = Chem.MolFromInchi if molecule.startswith("InChI=") else Chem.MolFromSmiles
    parsed = read(molecule)
    return Chem.MolToSmiles(parsed) if parsed else None


def official_captions(shared):
    """Yield (SMILES, caption) of ChEBI-20's validation and test molecules whose CID is odd."""
    for split in ("validation", "test"):
        with (shared / f"data/captions/chebi20/{split}.txt").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                if int(row["CID"]) % 2:
                    yield row["SMILES"].replace("\\\\", "\\"), " ".join(row["description"].split())


@pytest.fixture(scope="module")
def pairs(shared, tmp_path_factory):
    """(composed caption, ChEBI-20's caption) of the molecules in both whose CID is odd."""
    modules = sorted((shared / "data/captions/chebi_ontology").glob("*.obo"))
    with rdBase.BlockLogs():
        captions = {canonical(smiles): caption for smiles, caption in official_captions(shared)}
        found = []
        for record in read_merged(modules, tmp_path_factory.mktemp("merged"), progress=False):
            term = record.content.term
            official = captions.get(canonical(term.structure)) if term.structure else None
            if official and is_full(term):
                found.append((compose_caption(term), official))
    assert len(found) > 200
    return found


def test_every_article_of_chebi20_is_reproduced_but_for_a_few(shared):
    listed = [
        thing
        for _, caption in official_captions(shared)
        for things in sentences(caption)[1].values()
        for thing in things
    ]
    wrong = [thing for thing in listed if with_article(re.sub(r"^(?:a member of|an?) ", "", thing)) != thing]
    assert len(listed) > 9_000 and len(wrong) / len(listed) < 0.002, wrong


def test_composed_captions_say_what_chebi20_says(pairs):
    alike = [
        (mine[0], {kind: sorted(things) for kind, things in mine[1].items()})
        == (theirs[0], {kind: sorted(things) for kind, things in theirs[1].items()})
        for mine, theirs in ((sentences(mine), sentences(theirs)) for mine, theirs in pairs)
    ]
    assert sum(alike) / len(pairs) > 0.8
    assert sum(mine == theirs for mine, theirs in pairs) / len(pairs) > 0.3  # the lists in the same order as well


def test_each_kind_of_sentence_agrees_with_chebi20(pairs):
    both, mine_only, theirs_only = Counter(), Counter(), Counter()
    for mine, theirs in ((sentences(mine)[1], sentences(theirs)[1]) for mine, theirs in pairs):
        for kind in mine.keys() | theirs.keys():
            said, expected = set(mine.get(kind, ())), set(theirs.get(kind, ()))
            both[kind] += len(said & expected)
            mine_only[kind] += len(said - expected)
            theirs_only[kind] += len(expected - said)
    assert len(both) == 9
    for kind, count in both.items():
        assert count / (count + mine_only[kind]) > 0.93, kind
        assert count / (count + theirs_only[kind]) > (0.7 if kind == "It contains" else 0.93), kind  # 7 sentences only


def test_where_the_facts_are_the_same_so_are_the_words(pairs):
    compared = 0
    for mine, theirs in pairs:
        (definition, said), (expected_definition, expected) = sentences(mine), sentences(theirs)
        same = {kind: sorted(things) for kind, things in said.items()} == {
            kind: sorted(things) for kind, things in expected.items()
        }
        if same and definition == expected_definition:
            compared += 1
            assert list(said) == list(expected), "another order of sentences"
            # But for the order in lists, and for full stops that definitions of ChEBI-20 lack.
            assert sorted(mine.replace(".", "")) == sorted(theirs.replace(".", "")), "other letters"
    assert compared > 150
