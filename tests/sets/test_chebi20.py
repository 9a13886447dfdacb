"""ChEBI-20 files and ChEBI ontologies become rows."""

import csv
import gzip
import json
import random

import pytest
from datasets import load_dataset

from biomedgpt_hf.building.pipeline import BuildSettings
from biomedgpt_hf.files.records import RejectedRecord
from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.sets.chebi20 import builder as chebi20
from biomedgpt_hf.similarity.structure_key import structure_key

HEADER = "CID\tSMILES\tdescription\n"
ETHANOL = '702\tCCO\tThe molecule is a primary alcohol, "spirit".\n'
BUTENE = "1\tC/C=C\\\\C\tThe molecule is  a β-alkene. \n"
BROKEN = "2\tC(C\tThe molecule is broken.\n3\tCC\n4\tCC\t \n\n\tCC\tThe molecule has no number.\n"
MODULE = r"""format-version: 1.2
ontology: test

[Term]
id: CHEBI:1
name: 2-naphthol
def: "A  naphthol called \"β\" carrying a hydroxy group at position 2 of its two rings" [PMID:1]
synonym: "Oc1ccc2ccccc2c1" RELATED SMILES [ChEBI]
synonym: "InChI=1S/wrong" RELATED InChI [ChEBI]
is_a: CHEBI:9 ! naphthol
relationship: RO:0000087 CHEBI:8 ! has role antinematodal drug

[Term]
id: CHEBI:2
name: an alkene
def: "But-2-ene in which both methyl groups are on one side." []
property_value: http://purl.obolibrary.org/obo/chebi/smiles "C\\C=C/C" xsd:string

[Term]
id: CHEBI:3
name: methane
def: "Methane." []
property_value: chemrof:inchi_string "InChI=1S/CH4/h1H4" xsd:string

[Term]
id: CHEBI:4
name: a class without structure
def: "Any thing." []

[Term]
id: CHEBI:5
name: a structure of which little is known
synonym: "CCC" RELATED SMILES [ChEBI]
is_a: CHEBI:10 ! alkane

[Term]
id: CHEBI:6
name: obsolete
def: "Gone." []
synonym: "CCCC" RELATED SMILES [ChEBI]
is_obsolete: true

[Term]
id: CHEBI:7
name: a structure described by its relations
synonym: "OC(*)=O" RELATED SMILES [ChEBI]
is_a: CHEBI:10 ! carboxylic acid
is_a: CHEBI:11 ! volatile organic compound
is_a: CHEBI:12 ! solvent
relationship: has_role CHEBI:6 ! obsolete
relationship: is_conjugate_acid_of CHEBI:13 ! carboxylic acid anion

[Term]
id: PATO:1
name: a molecule that another ontology knows
def: "A thing." []
synonym: "CCCCC" RELATED SMILES []

[Typedef]
id: has_role
def: "A relation." []
"""
QUIET = BuildSettings(progress=False)


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


def read(*paths):
    return chebi20.read_captions(paths, paths[0].parent / "scratch", progress=False)


def parse_all(path, *forms):
    """Return the row of each record of a file, by id, or why there is none."""
    found = {}
    for record in read(path):
        try:
            if record.problem:
                raise record.problem
            options = {"forms": forms or ("composed",), "fewest_heavy_atoms": 0, "generic": True}
            found[record.id] = chebi20.parse_caption(record, **options).rows[0]
        except RejectedRecord as rejected:
            found[record.id] = rejected.reason
    return found


def answer(row):
    return row["messages"][1]["content"][0]["text"]


def question(row):
    return row["messages"][0]["content"][1]["text"]


def test_chebi20_files_keep_their_split_and_the_papers_question(raw):
    manifest = chebi20.build_chebi20([raw / "train.txt", raw / "test.txt"], raw / "set", settings=QUIET)
    assert manifest["counts"]["rows_by_split"] == {"train": 2, "test": 1}
    row = rows(raw / "set")["CID:702"]
    assert question(row) == "Please describe this molecule."
    assert answer(row) == 'The molecule is a primary alcohol, "spirit".'
    assert (row["task"], row["source"], row["license"]) == ("molecule_caption", "ChEBI-20", "CC-BY-4.0")


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train.txt", "train"),
        ("Validation.txt.gz", "validation"),
        ("valid.txt", "validation"),
        ("validation_rows1-500.csv", "validation"),
        ("test-part.txt", "test"),
        ("testing.txt", None),
        ("my_train.txt", None),
        ("captions.txt", None),
    ],
)
def test_the_first_word_of_a_files_name_is_its_split(tmp_path, name, split):
    (tmp_path / name).write_text(HEADER + ETHANOL, "utf-8")
    [record] = read(tmp_path / name)
    assert chebi20.parse_caption(record).split == split


@pytest.mark.parametrize("written", [r"C/C=C\\C=C/C", r"C/C=C\C=C/C", r"C/C=C\\\\C=C/C", r" C/C=C\\C=C/C "])
def test_backslashes_are_read_doubled_and_plain_and_white_space_is_tidied(tmp_path, written):
    (tmp_path / "train.txt").write_text(f"{HEADER}1\t{written}\t The molecule is  a β-alkene. \r\n", "utf-8")
    row = parse_all(tmp_path / "train.txt")["CID:1"]
    assert row["molecules"] == [r"C/C=C\C=C/C"]
    assert answer(row) == "The molecule is a β-alkene."


def test_bad_lines_are_counted_and_listed_and_the_rest_is_kept(raw):
    manifest = chebi20.build_chebi20([raw / "train.txt"], raw / "set", settings=QUIET)
    assert manifest["counts"]["rejected"] == {"malformed line": 2, "unreadable molecule": 1, "no caption": 1}
    listed = [json.loads(line) for line in (raw / "set" / "rejected.jsonl").read_text("utf-8").splitlines()]
    assert [(entry["id"], entry["line"]) for entry in listed] == [
        ("CID:2", 4),
        ("CID:3", 5),
        ("CID:4", 6),
        ("CID:", 8),
    ]
    assert "C(C" in listed[0]["detail"] and "2 columns instead of 3" in listed[1]["detail"]


def test_the_multi_modal_table_gives_the_same_rows(raw):
    with (raw / "train.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["CID", "SMILES", "description", "polararea", "iupacname"])
        table.writerow(["702", "CCO", 'The molecule is a primary alcohol, "spirit".', "20.2", "ethanol"])
        table.writerow(["1", r"C/C=C\\C", "The molecule is \n a β-alkene.", "0", "a, b"])
        table.writerow(["2", "C", "Too short a row."])
    expected, found = parse_all(raw / "train.txt"), parse_all(raw / "train.csv")
    assert [found["CID:702"], found["CID:1"]] == [expected["CID:702"], expected["CID:1"]]
    records = list(read(raw / "train.csv"))
    assert [(record.line, record.problem and record.problem.reason) for record in records] == [
        (2, None),
        (3, None),
        (5, "ragged row"),
    ]


def test_a_stray_quote_costs_no_other_row(tmp_path):
    lines = [f'{n},C,"The molecule is number {n}."\n' for n in range(8)]
    lines[3] = '3,C,"The molecule has no end.\n'
    (tmp_path / "train.csv").write_text("CID,SMILES,description\n" + "".join(lines), "utf-8")
    found = list(read(tmp_path / "train.csv"))
    assert [record.id for record in found if not record.problem] == [f"CID:{n}" for n in (0, 1, 2, 4, 5, 6, 7)]
    [problem] = (record for record in found if record.problem)
    assert problem.line == 5 and "The molecule has no end" in problem.problem.detail


@pytest.mark.parametrize("limit", [2**17, 2**24])  # of the whole process: who read a table before may have set it
def test_a_quote_that_never_ends_costs_its_line_and_no_other(tmp_path, limit, request):
    before = csv.field_size_limit(limit)
    request.addfinalizer(lambda: csv.field_size_limit(before))
    lines = [f"{n},C,The molecule is number {n}.\n" for n in range(20_000)]
    lines[100] = '100,C,"The molecule has no end.\n'
    (tmp_path / "train.csv").write_text("CID,SMILES,description\n" + "".join(lines), "utf-8")
    records = list(read(tmp_path / "train.csv"))
    [problem] = (record for record in records if record.problem)
    assert problem.line == 102 and len(records) == 20_000


def test_terms_become_captions_in_the_words_of_chebi20(raw):
    found = parse_all(raw / "module.obo")
    assert [id for id, row in found.items() if not isinstance(row, str)] == ["CHEBI:1"]
    row = found["CHEBI:1"]
    assert row["molecules"] == ["Oc1ccc2ccccc2c1"]
    assert answer(row) == (
        'The molecule is a naphthol called "β" carrying a hydroxy group at position 2 of its two rings. '
        "It has a role as an antinematodal drug."
    )
    assert question(row) == "Please describe this molecule."
    assert (row["task"], row["source"], row["license"]) == ("molecule_caption", "ChEBI", "CC-BY-4.0")


def test_what_is_shorter_than_a_caption_of_chebi20_is_an_answer_to_other_questions(raw):
    found = parse_all(raw / "module.obo", "definition")
    assert {id: row["molecules"][0] for id, row in found.items() if not isinstance(row, str)} == {
        "CHEBI:1": "Oc1ccc2ccccc2c1",
        "CHEBI:2": "C\\C=C/C",
        "CHEBI:3": "InChI=1S/CH4/h1H4",
    }
    assert answer(found["CHEBI:2"]) == "But-2-ene in which both methyl groups are on one side."
    assert answer(found["CHEBI:3"]) == "Methane."
    assert found["CHEBI:7"] == "says too little"
    assert question(found["CHEBI:3"]) == "Please define this molecule."
    assert {row["task"] for row in found.values() if not isinstance(row, str)} == {"molecule_definition"}
    classes = parse_all(raw / "module.obo", "classes")
    assert answer(classes["CHEBI:7"]) == "It is a carboxylic acid, a volatile organic compound and a solvent."
    assert question(classes["CHEBI:5"]) == "Which classes does this molecule belong to?"


def test_no_term_is_passed_over_in_silence(raw):
    settings = {"fewest_heavy_atoms": 0, "generic": True, "settings": QUIET}
    counts = chebi20.build_chebi20([raw / "module.obo"], raw / "set", ontology_captions="classes", **settings)["counts"]
    assert counts["records_read"] == 8 and counts["rows"] == 3 and counts["records_faulty"] == 0
    assert counts["rejected"] == {"says too little": 2, "no structure": 1, "obsolete": 1, "not a term of ChEBI": 1}
    assert counts["notes"] == {"relation left out: its target is obsolete or has no name": 1}


def test_atoms_small_ions_and_generic_structures_are_left_out_unless_asked_for(raw):
    def rejected(**options):
        folder = raw / f"set{len(list(raw.iterdir()))}"
        manifest = chebi20.build_chebi20(
            [raw / "module.obo"], folder, ontology_captions="definition,classes", settings=QUIET, **options
        )
        return manifest["counts"]["rejected"]

    default = rejected()
    assert (default["small molecule"], default["generic structure"]) == (1, 1)
    assert rejected(fewest_heavy_atoms=4)["small molecule"] == 2
    kept = rejected(fewest_heavy_atoms=0, generic=True)
    assert "small molecule" not in kept and "generic structure" not in kept
    with pytest.raises(ValueError, match="fewest_heavy_atoms is -1"):
        rejected(fewest_heavy_atoms=-1)


@pytest.mark.parametrize("forms", ["poem", "composed,poem", "", "composed,,roles"])
def test_an_unknown_form_of_caption_is_refused(raw, forms):
    with pytest.raises(ValueError, match="ontology_captions is '.*': choose of composed, definition, classes"):
        chebi20.build_chebi20([raw / "module.obo"], raw / "set", ontology_captions=forms, settings=QUIET)


def test_an_excluded_molecule_can_be_refused_instead_of_left_out(raw):
    (raw / "test.txt").write_text(HEADER + "9\tOc1ccc2ccccc2c1.[Na+]\tThe molecule is held out.\n", "utf-8")
    settings = QUIET._replace(exclude=[raw / "test.txt"], refuse_excluded=True)
    with pytest.raises(ValueError, match=r"module.obo, line 4: CHEBI:1 is about [A-Z]{14}, which is in an excluded"):
        chebi20.build_chebi20([raw / "module.obo"], raw / "set", settings=settings)
    assert not (raw / "set").exists()
    (raw / "test.txt").write_text(HEADER + "9\tCCCCCCC\tThe molecule is held out.\n", "utf-8")
    assert chebi20.build_chebi20([raw / "module.obo"], raw / "set", settings=settings)["counts"]["rows"] == 1


def test_excluded_structures_never_occur_stereo_and_salts_ignored(raw):
    salt = "8\tC[C@@H](F)Cl.[Na+].[Cl-]\tThe molecule is a stereoisomer and a salt.\n"
    (raw / "validation.txt").write_text(HEADER + ETHANOL + salt, "utf-8")
    settings = QUIET._replace(exclude=[raw / "test.txt"])
    manifest = chebi20.build_chebi20([raw / "validation.txt"], raw / "set", settings=settings)
    assert list(rows(raw / "set")) == ["CID:702"]
    assert manifest["counts"]["records_rejected"] == 1
    assert [source["role"] for source in manifest["sources"]] == ["rows", "exclusion"]


def test_terms_beside_official_splits_go_to_train_and_never_repeat_held_out_molecules(raw):
    (raw / "validation.txt").write_text(HEADER + "5\tC\tThe molecule is an alkane.\n", "utf-8")
    sources = [raw / "module.obo", raw / "validation.txt"]
    wanted = {"ontology_captions": "definition", "fewest_heavy_atoms": 0, "settings": QUIET}
    manifest = chebi20.build_chebi20(sources, raw / "set", **wanted)
    assert manifest["counts"]["rows_by_split"] == {"train": 2, "validation": 1}
    assert manifest["counts"]["rejected"]["in a validation or test file"] == 1


def test_a_term_found_in_two_modules_is_kept_once_and_so_are_stereoisomers_with_one_text(raw):
    isomer = MODULE.replace("CHEBI:2\n", "CHEBI:20\n").replace(r"C\\C=C/C", "C/C=C/C")
    (raw / "copy.obo.gz").write_bytes(gzip.compress(isomer.encode()))
    wanted = {"ontology_captions": "definition", "fewest_heavy_atoms": 0, "settings": QUIET}
    manifest = chebi20.build_chebi20([raw / "module.obo", raw / "copy.obo.gz"], raw / "set", **wanted)
    assert manifest["counts"]["records_read"] == 9 and manifest["counts"]["rows"] == 3
    assert manifest["counts"]["rejected"]["duplicate"] == 1


def test_rows_of_an_official_split_stay_as_they_are(raw):
    same = "10\tC[C@H](F)Cl\tThe molecule is chiral.\n11\tC[C@@H](F)Cl\tThe molecule is chiral.\n"
    (raw / "train.txt").write_text(HEADER + same, "utf-8")
    manifest = chebi20.build_chebi20([raw / "train.txt", raw / "test.txt"], raw / "set", settings=QUIET)
    assert manifest["counts"]["rows_by_split"] == {"train": 2, "test": 1}


def test_the_same_seed_gives_the_same_split_in_any_order_of_files(raw):
    lines = [f"{n}\t{'C' * n}O\tThe molecule is number {n}.\n" for n in range(1, 40)]
    (raw / "first.txt").write_text(HEADER + "".join(lines[:20]), "utf-8")
    (raw / "second.txt").write_text(HEADER + "".join(lines[20:]), "utf-8")

    def splits(name, sources, seed):
        chebi20.build_chebi20(sources, raw / name, settings=QUIET._replace(seed=seed))
        loaded = load(raw / name)
        return {row["id"]: split for split, found in loaded.items() for row in found}

    sources = [raw / "first.txt", raw / "second.txt"]
    assert splits("a", sources, 0) == splits("b", sources[::-1], 0) != splits("c", sources, 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("SMILES\tdescription\nC\tMethane.\n", "line 1: 'SMILES.tdescription' does not begin a ChEBI-20 file"),
        ("<html>", "line 1: '<html>' does not begin"),
        ("\n\n", "line 1: '' does not begin"),
        ("", "is empty"),
    ],
)
def test_a_foreign_file_is_refused_by_its_first_line_and_the_others_are_read(raw, content, message):
    (raw / "validation.txt").write_text(content, "utf-8")
    with pytest.raises(SourceError, match=message):
        chebi20.read_table(raw / "validation.txt")
    manifest = chebi20.build_chebi20([raw / "validation.txt", raw / "train.txt"], raw / "set", settings=QUIET)
    assert manifest["counts"]["rows"] == 2 and manifest["counts"]["records_faulty"] == 5


def test_bytes_that_are_not_utf8_cost_one_record(raw):
    lines = [HEADER.encode(), b"1\tC\xff\tThe molecule is odd.\n", ETHANOL.encode(), b"3\tC\tThe molecule is \xe9.\n"]
    (raw / "train.txt").write_bytes(b"".join(lines))
    manifest = chebi20.build_chebi20([raw / "train.txt"], raw / "set", settings=QUIET)
    assert manifest["counts"]["rejected"] == {"not UTF-8 text": 2} and manifest["counts"]["rows"] == 1


def test_scrambled_files_give_rows_or_rejections_and_nothing_else(raw):
    chance = random.Random(0)
    for source in ("train.txt", "module.obo"):
        text = (raw / source).read_text("utf-8")
        for _ in range(40):
            letters = list(text)
            for _ in range(15):
                letters[chance.randrange(25, len(letters))] = chance.choice('\n\t"\\:[](){}! \x00β')
            (raw / "scrambled").write_text("".join(letters), "utf-8")
            found = parse_all(raw / "scrambled")
            assert all(answer(row).strip() for row in found.values() if not isinstance(row, str))


def test_all_of_chebi20_validation_is_read_as_another_reader_reads_it(shared):
    path = shared / "data/captions/chebi20/validation.txt"
    records = list(read(path))
    with path.open(encoding="utf-8", newline="") as file:
        expected = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert len(records) == len(expected) == 3301
    for record, row in zip(records[::7], expected[::7], strict=True):
        example = chebi20.parse_caption(record)
        assert record.id == f"CID:{row['CID']}" and example.split == "validation"
        assert example.rows[0]["molecules"] == [row["SMILES"].replace("\\\\", "\\")]
        assert answer(example.rows[0]) == " ".join(row["description"].split())


def test_the_multi_modal_table_is_part_of_chebi20_validation(shared):
    tables = ("chebi20/validation.txt", "chebi20_mm/validation_rows1-500.csv")
    contents = [
        {record.id: record.content for record in chebi20.read_table(shared / "data/captions" / table)}
        for table in tables
    ]
    assert len(contents[1]) == 500
    for id, content in contents[1].items():
        expected = contents[0][id]
        assert content.split == expected.split == "validation"
        assert content.cells["smiles"] == expected.cells["smiles"]
        assert content.cells["description"].split() == expected.cells["description"].split()


@pytest.mark.parametrize(
    ("module", "definitions", "composed", "terms"),
    [("ecto", 1757, 1873, 5125), ("fypo", 1065, 1141, 3227), ("phipo", 486, 509, 1747)],
)
@pytest.mark.slow
def test_real_modules_give_the_known_numbers_of_captions(shared, module, definitions, composed, terms):
    path = shared / f"data/captions/chebi_ontology/{module}_chebi_import.obo"
    for form, count in (("definition", definitions), ("composed", composed)):
        found = parse_all(path, form)
        assert len(found) == terms
        texts = [answer(row) for row in found.values() if not isinstance(row, str)]
        assert len(texts) == count
        assert all(text and "  " not in text and text[-1] in ".!?" for text in texts)


@pytest.mark.slow
def test_the_official_splits_keep_every_row_that_rdkit_reads(shared, tmp_path):
    folder = shared / "data/captions/chebi20"
    sources = [folder / "validation.txt", folder / "test.txt"]
    counts = chebi20.build_chebi20(sources, tmp_path / "set", settings=QUIET)["counts"]
    assert counts["rows_by_split"] == {"validation": 3301, "test": 3300}, counts["rejected"]


@pytest.mark.slow
def test_no_structure_of_the_test_split_is_left_in_a_real_set(shared, tmp_path):
    captions = shared / "data/captions"
    sources = [captions / "chebi20/validation.txt", *sorted((captions / "chebi_ontology").glob("*.obo"))]
    test = captions / "chebi20/test.txt"
    counts = chebi20.build_chebi20(sources, tmp_path / "set", settings=QUIET._replace(exclude=[test]))["counts"]
    excluded = {structure_key(row["molecules"][0]) for row in parse_all(test).values()}
    assert all(structure_key(row["molecules"][0]) not in excluded for row in rows(tmp_path / "set").values())
    assert counts["records_read"] == counts["rows"] + counts["records_rejected"]
