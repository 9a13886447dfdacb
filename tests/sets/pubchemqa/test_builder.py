"""PubChemQA from made-up files in PubChem's formats; and, where they are, from PubChem's own."""

import gzip
import json
import pickle
from collections import Counter

import pytest
from datasets import load_dataset

from biomedgpt_hf.building.pipeline import BuildSettings
from biomedgpt_hf.files.records import Record, RejectedRecord, UnwantedRecord
from biomedgpt_hf.sets.pubchemqa.builder import CROPPED, STEREO_DROPPED, build_pubchemqa, parse_compound, read_pubchem
from biomedgpt_hf.sets.pubchemqa.findings import Description, Form, PubChemStructure
from biomedgpt_hf.sets.pubchemqa.join import Described
from biomedgpt_hf.similarity.structure_key import structure_key

QUIET = BuildSettings(progress=False)


def described(text, molecule="CCO", form=Form.LINE, note="", url="", id="CID:702:ANID:1"):
    structure = None if molecule is None else PubChemStructure(form, molecule)
    return Record("page.json", 3, id, Described(702, Description(text, "Depositor", note, url), structure))


def annotation(anid, text, *cids, source="Depositor", **fields):
    value = {"StringWithMarkup": [{"String": text, "Markup": []}]}
    data = [{"TOCHeading": {"type": "Compound", "#TOCHeading": "Record Description"}, "Value": value}]
    return {"SourceName": source, "ANID": anid, "Data": data, "LinkedRecords": {"CID": cids}} | fields


def write_page(path, *annotations):
    path.write_text(json.dumps({"Annotations": {"Annotation": annotations, "Page": 1, "TotalPages": 1}}))
    return path


def answers(rows):
    return sorted(row["messages"][1]["content"][0]["text"] for row in rows)


def test_a_description_is_an_answer_to_the_papers_question():
    example = parse_compound(
        described("Ethanol is an  <i>alcohol</i>.", url="https://creativecommons.org/licenses/by/4.0/")
    )

    [row] = example.rows
    assert row == {
        "messages": [
            {
                "role": "user",
                "content": [{"type": "molecule"}, {"type": "text", "text": "please describe the molecule"}],
            },
            {"role": "assistant", "content": [{"type": "text", "text": "Ethanol is an alcohol."}]},
        ],
        "molecules": ["CCO"],
        "proteins": [],
        "task": "molecule_description",
        "source": "Depositor",
        "id": "CID:702:ANID:1",
        "license": "CC-BY-4.0",
    }
    assert example.keys == (structure_key("CCO"),)
    assert (example.split, example.notes) == (None, ())
    assert pickle.loads(pickle.dumps(example)) == example


def test_long_texts_are_cropped_and_that_is_noted():
    words = [f"word{number}" for number in range(257)]

    cropped, whole = parse_compound(described(" ".join(words))), parse_compound(described(" ".join(words[:256])))

    assert answers(cropped.rows) == answers(whole.rows) == [" ".join(words[:256])]
    assert (cropped.notes, whole.notes) == ((CROPPED,), ())
    assert CROPPED == "cropped to 256 words"


@pytest.mark.parametrize(
    ("record", "kind", "reason"),
    [
        (described("Only three words"), UnwantedRecord, "fewer than 4 words"),
        (described("Only three words", molecule=None), UnwantedRecord, "fewer than 4 words"),
        (described("No structure for it.", molecule=None), RejectedRecord, "no structure"),
        (described("The molecule is broken.", "C(C"), RejectedRecord, "unreadable molecule"),
        (described("The molecule is empty.", ""), RejectedRecord, "unreadable molecule"),
        (described("Carbon with five bonds.", "C(C)(C)(C)(C)C"), RejectedRecord, "unreadable molecule"),
        (described("A dative bond is in it.", "[NH3]->[Pt]"), UnwantedRecord, "no place in the features graphmvp"),
        (described("A name behind it.", "CCO ethanol"), RejectedRecord, "unreadable molecule"),
        (described("A molblock of nothing.", "x", Form.MOLBLOCK), RejectedRecord, "unreadable molecule"),
        (described("Foreign bytes caf\udce9 in it."), RejectedRecord, "not UTF-8 text"),
    ],
)
def test_what_gives_no_row_says_why(record, kind, reason):
    with pytest.raises(RejectedRecord) as error:
        parse_compound(record)

    assert (type(error.value), error.value.reason) == (kind, reason)
    assert "702" in error.value.detail or reason != "no structure"


def test_the_same_text_of_the_same_structure_is_a_duplicate_however_the_structure_is_written():
    text = "Alanine is an amino acid."
    first, same, mirrored = (
        parse_compound(described(text, smiles))
        for smiles in ("C[C@H](N)C(=O)O", "OC(=O)[C@@H](N)C", "C[C@@H](N)C(=O)O")
    )
    inchi = parse_compound(described(text, "InChI=1S/C3H7NO2/c1-2(4)3(5)6/h2H,4H2,1H3,(H,5,6)/t2-/m1/s1"))
    other = parse_compound(described("Alanine is another text.", "C[C@H](N)C(=O)O"))

    assert first.marks[0] == same.marks[0]
    assert len({example.marks[0] for example in (first, mirrored, other)}) == 3
    assert inchi.marks[0] in (first.marks[0], mirrored.marks[0])
    assert first.keys == mirrored.keys == inchi.keys
    assert first.rows[0]["molecules"] == ["C[C@H](N)C(=O)O"]
    assert inchi.rows[0]["molecules"][0].startswith("InChI=")


def sdf_block(flag, z):
    """A molblock of CC(O)N with an explicit hydrogen, so that three dimensions give it a configuration."""
    atoms = [(-1, 0, 0, "C"), (0, 0, z, "C"), (0.7, 1.2, 0, "O"), (0.7, -1.2, 0, "N"), (0, 0, z + z, "H")]
    lines = [f"{x:10.4f}{y:10.4f}{z:10.4f} {element:<3} 0  0" for x, y, z, element in atoms]
    bonds = [f"  2{other:3d}  1  0" for other in (1, 3, 4, 5)]
    return "\n".join(
        ["", f"  test              {flag}", "", "  5  4  0  0  0  0  0  0  0  0999 V2000", *lines, *bonds, "M  END\n"]
    )


def test_three_dimensions_have_no_say_where_pubchem_knows_no_configuration():
    text = "It has a stereocentre."
    block = sdf_block("3D", 0.6)

    known = parse_compound(described(text, block, Form.MOLBLOCK))
    unknown = parse_compound(described(text, block, Form.MOLBLOCK_PARTLY_UNDEFINED))
    flat = parse_compound(described(text, sdf_block("2D", 0.0), Form.MOLBLOCK_PARTLY_UNDEFINED))

    assert "@" in known.rows[0]["molecules"][0]
    assert unknown.rows[0]["molecules"] == flat.rows[0]["molecules"] == ["CC(N)O"]
    assert (known.notes, unknown.notes, flat.notes) == ((), (STEREO_DROPPED,), ())


@pytest.fixture
def sources(tmp_path):
    page = write_page(
        tmp_path / "page1.json",
        annotation(1, "Ethanol is an alcohol with two carbons.", 702, LicenseNote="CC BY 4.0"),
        annotation(2, "Alanine is an amino acid.", 5950, 602, 71080),
        annotation(3, "Too short", 702),
        annotation(4, "It is linked to nothing."),
        annotation(5, "Its structure is in no source.", 99),
    )
    more = tmp_path / "page2.json.gz"
    ethanol = "Ethanol is an alcohol with two carbons."
    again = [annotation(1, "Ethanol, in another release, is this.", 702), annotation(6, ethanol, 702, source="Other")]
    more.write_bytes(gzip.compress(json.dumps([*again, annotation(7, "A second text of ethanol.", 702)]).encode()))
    table = tmp_path / "CID-SMILES"
    # 71080 stands for a CID with the structure of 5950, written in another way.
    table.write_text("602\tCC(C(=O)O)N\n702\tCCO\n5950\tC[C@@H](C(=O)O)N\n71080\tN[C@@H](C)C(O)=O\n1\tC\n")
    return [table, page, more]


def test_a_build_keeps_all_texts_of_a_molecule_and_each_once(sources, tmp_path):
    manifest = build_pubchemqa(sources, tmp_path / "out", settings=QUIET)

    rows = [
        row
        for split in load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache")).values()
        for row in split
    ]
    assert sorted(row["id"] for row in rows) == [
        "CID:5950:ANID:2",
        "CID:602:ANID:2",
        "CID:702:ANID:1",
        "CID:702:ANID:1:v2",
        "CID:702:ANID:7",
    ]
    assert answers(rows) == [
        "A second text of ethanol.",
        "Alanine is an amino acid.",
        "Alanine is an amino acid.",
        "Ethanol is an alcohol with two carbons.",
        "Ethanol, in another release, is this.",
    ]
    assert manifest["counts"]["records_read"] == 10
    rejected = [json.loads(line) for line in (tmp_path / "out" / "rejected.jsonl").read_text().splitlines()]
    assert Counter(line["reason"] for line in rejected) == {
        "duplicate": 2,
        "fewer than 4 words": 1,
        "no CID": 1,
        "no structure": 1,
    }
    assert manifest["licenses"] == ["CC-BY-4.0", "unknown"]


def test_the_split_keeps_the_stereoisomers_and_all_texts_of_a_molecule_together(tmp_path):
    table = tmp_path / "CID-SMILES"
    table.write_text("".join(f"{2 * n}\t{'C' * n}[C@H](N)O\n{2 * n + 1}\t{'C' * n}[C@@H](N)O\n" for n in range(1, 80)))
    texts = [annotation(n, f"The text number {n}.", n % 158 + 2) for n in range(1, 400)]

    build_pubchemqa([write_page(tmp_path / "page.json", *texts), table], tmp_path / "out", settings=QUIET)

    splits = load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    keys = {name: {structure_key(row["molecules"][0]) for row in split} for name, split in splits.items()}
    assert set(keys) == {"train", "validation", "test"}
    assert sum(map(len, keys.values())) == len(set().union(*keys.values())) == 79
    assert sum(len(split) for split in splits.values()) == 399


def test_another_order_of_the_sources_gives_the_same_texts(sources, tmp_path):
    found = []
    for number, ordered in enumerate((sources, sources[::-1])):
        manifest = build_pubchemqa(ordered, tmp_path / f"out{number}", settings=QUIET)
        splits = load_dataset(str(tmp_path / f"out{number}"), cache_dir=str(tmp_path / "cache"))
        found.append((manifest["counts"], {name: answers(split) for name, split in splits.items()}))

    assert found[0] == found[1]


def test_real_records_give_every_description_but_the_cross_reference(shared, tmp_path):
    folder = shared / "data" / "pubchem"
    names = ["COMPOUND_CID_4.json", "penicillin.json", "bromopentane.json", "Structure2D_COMPOUND_CID_4.sdf"]

    records = list(read_pubchem([folder / name for name in names], tmp_path))

    problems = [(record.id, record.problem.reason) for record in records if record.problem]
    assert problems == [("CID:4:PubChem:PubChem", "cross reference")]
    rows = [parse_compound(record).rows[0] for record in records if not record.problem]
    assert [(row["id"], row["molecules"], row["license"]) for row in rows] == [
        (
            "CID:4:ANID:759568",
            ["CC(CN)O"],
            "https://cameochemicals.noaa.gov/help/reference/terms_and_conditions.htm?d_f=false",
        ),
        ("CID:4:ANID:2449169", ["CC(CN)O"], "unknown"),
        ("CID:4:ANID:38999106", ["CC(CN)O"], "https://cir-safety.org/terms-use"),
        ("CID:4:ANID:15352508", ["CC(CN)O"], "https://ecmdb.ca/citations"),
        ("CID:4:ANID:19839123", ["CC(CN)O"], "https://lotus.nprod.net/"),
        ("CID:4:Medical Subject Headings (MeSH):M0052486", ["CC(CN)O"], "https://www.nlm.nih.gov/copyright.html"),
        ("CID:2349:ANID:20005309", ["CC1(C(N2C(S1)C(C2=O)NC(=O)CC3=CC=CC=C3)C(=O)O)C"], "https://lotus.nprod.net/"),
        ("CID:8057:ANID:19831751", ["CCCCCBr"], "https://lotus.nprod.net/"),
    ]
    # An independent reading of the same file.
    record = json.loads((folder / names[0]).read_text())["Record"]
    section = next(
        below
        for above in record["Section"]
        for below in above.get("Section", ())
        if below["TOCHeading"] == "Record Description"
    )
    texts = [entry["Value"]["StringWithMarkup"][0]["String"] for entry in section["Information"]]
    assert [row["messages"][1]["content"][0]["text"] for row in rows[:6]] == [
        " ".join(text.split()) for text in texts[:-1]
    ]


def test_real_structure_files_give_the_structure_of_cid_4(shared, tmp_path):
    folder = shared / "data" / "pubchem"
    page = write_page(tmp_path / "page.json", annotation(1, "It is CID four.", 4))
    names = {
        "Structure2D_COMPOUND_CID_4.sdf": ("CC(CN)O", ()),
        "Structure2D_COMPOUND_CID_4.json": ("CC(CN)O", ()),
        "Conformer3D_COMPOUND_CID_4(1).sdf": ("CC(O)CN", (STEREO_DROPPED,)),
    }
    for name, (molecule, notes) in names.items():
        [record] = read_pubchem([folder / name, page], tmp_path / name)
        example = parse_compound(record)
        assert (example.rows[0]["molecules"], example.notes) == ([molecule], notes)


def test_real_sdf_entries_without_smiles_are_read_from_their_molblocks(shared, tmp_path):
    sdf = shared / "data" / "pubchem" / "pubchem.200.sdf"
    lines = sdf.read_text().splitlines()
    cids = [int(value) for tag, value in zip(lines, lines[1:], strict=False) if "<PUBCHEM_COMPOUND_CID>" in tag]
    page = write_page(tmp_path / "page.json", *(annotation(cid, f"This is compound {cid}.", cid) for cid in cids))

    examples = [parse_compound(record) for record in read_pubchem([page, sdf], tmp_path / "scratch")]

    assert len(examples) == len(set(cids)) == 200
    assert [example.rows[0]["id"] for example in examples] == [f"CID:{cid}:ANID:{cid}" for cid in sorted(cids)]
