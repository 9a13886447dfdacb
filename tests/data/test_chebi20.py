"""ChEBI-20 files and ChEBI ontology modules become rows."""

import csv
import gzip
import json

import pytest
from datasets import load_dataset

from biomedgpt_hf.data import chebi20
from biomedgpt_hf.data.obo import read_terms, unescape
from biomedgpt_hf.data.structure_key import structure_key

HEADER = "CID\tSMILES\tdescription\n"
ETHANOL = '702\tCCO\tThe molecule is a primary alcohol, "spirit".\n'
BUTENE = "1\tC/C=C\\\\C\tThe molecule is  a β-alkene. \n"
BROKEN = "2\tC(C\tThe molecule is broken.\n3\tCC\n4\tCC\t \n"
MODULE = r"""format-version: 1.2
ontology: test

[Term]
id: CHEBI:1
name: 2-naphthol
def: "A  naphthol called \"β\" carrying a hydroxy group at position 2" [PMID:1]
synonym: "Oc1ccc2ccccc2c1" RELATED SMILES [ChEBI]
synonym: "InChI=1S/wrong" RELATED InChI [ChEBI]

[Term]
id: CHEBI:2
name: an alkene
def: "But-2-ene in which both methyl groups are on one side." []
property_value: http://purl.obolibrary.org/obo/chebi/smiles "C\\C=C/C" xsd:string

[Term]
id: CHEBI:3
name: methane
def: "Methane." []
synonym: "InChI=1S/CH4/h1H4" RELATED InChI [ChEBI]

[Term]
id: CHEBI:4
name: a class without structure
def: "Any thing." []

[Term]
id: CHEBI:5
name: a structure without definition
synonym: "CCC" RELATED SMILES [ChEBI]

[Term]
id: CHEBI:6
name: obsolete
def: "Gone." []
synonym: "CCCC" RELATED SMILES [ChEBI]
is_obsolete: true

[Typedef]
id: has_role
def: "A relation." []
"""


@pytest.fixture
def raw(tmp_path):
    (tmp_path / "train.txt").write_text(HEADER + ETHANOL + BUTENE + BROKEN, "utf-8")
    (tmp_path / "test.txt").write_text(HEADER + "9\tC[C@H](F)Cl\tThe molecule is chiral.\n", "utf-8")
    (tmp_path / "module.obo").write_text(MODULE, "utf-8")
    return tmp_path


def load(folder):
    return load_dataset(str(folder), cache_dir=folder.parent / "cache")


def rows(folder):
    return {row["id"]: row for split in load(folder).values() for row in split}


def test_chebi20_files_keep_their_split_and_the_papers_question(raw):
    manifest = chebi20.build([raw / "train.txt", raw / "test.txt"], raw / "set", progress=False)
    assert manifest["counts"]["rows_by_split"] == {"train": 2, "test": 1}
    row = rows(raw / "set")["CID:702"]
    question, answer = row["messages"]
    assert question["content"][1]["text"] == "Please describe this molecule."
    assert answer["content"][0]["text"] == 'The molecule is a primary alcohol, "spirit".'
    assert (row["task"], row["source"], row["license"]) == ("molecule_caption", "ChEBI-20", "CC-BY-4.0")


def test_backslashes_are_undoubled_and_white_space_is_tidied(raw):
    chebi20.build([raw / "train.txt"], raw / "set", progress=False)
    row = rows(raw / "set")["CID:1"]
    assert row["molecules"] == ["C/C=C\\C"]
    assert row["messages"][1]["content"][0]["text"] == "The molecule is a β-alkene."


def test_bad_lines_are_counted_and_listed_and_the_rest_is_kept(raw):
    manifest = chebi20.build([raw / "train.txt"], raw / "set", progress=False)
    assert manifest["counts"]["rejected"] == {"unreadable molecule": 1, "malformed line": 1, "no caption": 1}
    listed = [json.loads(line) for line in (raw / "set" / "rejected.jsonl").read_text("utf-8").splitlines()]
    assert [(entry["id"], entry["line"]) for entry in listed] == [("CID:2", 4), ("CID:3", 5), ("CID:4", 6)]
    assert "C(C" in listed[0]["detail"]


def test_ontology_terms_with_definition_and_structure_become_rows(raw):
    chebi20.build([raw / "module.obo"], raw / "set", progress=False)
    found = rows(raw / "set")
    assert {id: row["molecules"][0] for id, row in found.items()} == {
        "CHEBI:1": "Oc1ccc2ccccc2c1",
        "CHEBI:2": "C\\C=C/C",
        "CHEBI:3": "InChI=1S/CH4/h1H4",
    }
    answers = {id: row["messages"][1]["content"][0]["text"] for id, row in found.items()}
    assert answers["CHEBI:1"] == 'The molecule is a naphthol called "β" carrying a hydroxy group at position 2.'
    assert answers["CHEBI:3"] == "Methane."


def test_excluded_structures_never_occur_stereo_and_salts_ignored(raw):
    salt = "8\tC[C@@H](F)Cl.[Na+].[Cl-]\tThe molecule is a stereoisomer and a salt.\n"
    (raw / "validation.txt").write_text(HEADER + ETHANOL + salt, "utf-8")
    manifest = chebi20.build([raw / "validation.txt"], raw / "set", exclude=[raw / "test.txt"], progress=False)
    assert list(rows(raw / "set")) == ["CID:702"]
    assert manifest["counts"]["rejected"] == {"in an excluded file": 1}
    assert [source["role"] for source in manifest["sources"]] == ["rows", "exclusion"]


def test_definitions_beside_official_splits_go_to_train_and_never_repeat_held_out_molecules(raw):
    (raw / "validation.txt").write_text(HEADER + "5\tC\tThe molecule is an alkane.\n", "utf-8")
    sources = [raw / "module.obo", raw / "validation.txt"]
    manifest = chebi20.build(sources, raw / "set", progress=False)
    assert manifest["counts"]["rows_by_split"] == {"train": 2, "validation": 1}
    assert manifest["counts"]["rejected"] == {"in a validation or test file": 1}


def test_a_term_found_in_two_modules_is_kept_once(raw):
    (raw / "copy.obo.gz").write_bytes(gzip.compress(MODULE.encode()))
    manifest = chebi20.build([raw / "module.obo", raw / "copy.obo.gz"], raw / "set", progress=False)
    assert manifest["counts"]["rows"] == 3
    assert manifest["counts"]["rejected"] == {"duplicate": 3}


def test_the_same_seed_gives_the_same_split_in_any_order_of_files(raw):
    lines = [f"{n}\t{'C' * n}O\tThe molecule is number {n}.\n" for n in range(1, 40)]
    (raw / "first.txt").write_text(HEADER + "".join(lines[:20]), "utf-8")
    (raw / "second.txt").write_text(HEADER + "".join(lines[20:]), "utf-8")

    def splits(name, sources, seed):
        chebi20.build(sources, raw / name, seed=seed, progress=False)
        loaded = load(raw / name)
        return {row["id"]: split for split, found in loaded.items() for row in found}

    sources = [raw / "first.txt", raw / "second.txt"]
    assert splits("a", sources, 0) == splits("b", sources[::-1], 0) != splits("c", sources, 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("SMILES\tdescription\nC\tMethane.\n", "line 1: 'SMILES.tdescription' is neither"),
        ("<html>", "line 1: '<html>' is neither"),
        ("", "is empty"),
    ],
)
def test_a_foreign_file_is_refused_by_its_first_line(raw, content, message):
    (raw / "train.txt").write_text(content, "utf-8")
    with pytest.raises(ValueError, match=message):
        chebi20.build([raw / "train.txt"], raw / "set", progress=False)
    assert not (raw / "set").exists()


def test_obo_escapes_are_resolved():
    assert unescape(r"a \"b\" \\c\nd\, e\:") == 'a "b" \\c\nd, e:'


def test_terms_know_the_line_they_begin_in(raw):
    terms = list(read_terms(enumerate(MODULE.splitlines(), start=1)))
    assert [(term.id, term.line) for term in terms][:2] == [("CHEBI:1", 4), ("CHEBI:2", 11)]
    assert len(terms) == 6


def test_all_of_chebi20_validation_is_read_as_another_reader_reads_it(shared):
    path = shared / "data/captions/chebi20/validation.txt"
    captions = list(chebi20.read_captions(path))
    with path.open(encoding="utf-8", newline="") as file:
        expected = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert len(captions) == len(expected) == 3301
    for caption, row in zip(captions, expected, strict=True):
        assert caption.id == f"CID:{row['CID']}" and not caption.problem and caption.split == "validation"
        assert caption.molecule == row["SMILES"].replace("\\\\", "\\")
        assert caption.text.split() == row["description"].split()


@pytest.mark.parametrize(("module", "count"), [("ecto", 1758), ("fypo", 1069), ("phipo", 486)])
def test_real_modules_give_the_known_number_of_definitions(shared, module, count):
    path = shared / f"data/captions/chebi_ontology/{module}_chebi_import.obo"
    captions = list(chebi20.read_captions(path))
    assert len(captions) == count
    assert all(caption.text and "  " not in caption.text for caption in captions)


@pytest.mark.slow
def test_the_official_splits_keep_every_row_that_rdkit_reads(shared, tmp_path):
    folder = shared / "data/captions/chebi20"
    sources = [folder / "validation.txt", folder / "test.txt"]
    counts = chebi20.build(sources, tmp_path / "set", progress=False)["counts"]
    assert counts["rows_by_split"] == {"validation": 3301, "test": 3300}, counts["rejected"]


@pytest.mark.slow
def test_no_structure_of_the_test_split_is_left_in_a_real_set(shared, tmp_path):
    captions = shared / "data/captions"
    sources = [captions / "chebi20/validation.txt", *sorted((captions / "chebi_ontology").glob("*.obo"))]
    test = captions / "chebi20/test.txt"
    manifest = chebi20.build(sources, tmp_path / "set", exclude=[test], progress=False)
    excluded = chebi20.structure_keys([test])
    assert all(structure_key(row["molecules"][0]) not in excluded for row in rows(tmp_path / "set").values())
    counts = manifest["counts"]
    assert counts["records_read"] == counts["rows"] + counts["records_rejected"]
