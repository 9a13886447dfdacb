"""The leakage report of a built set, against what RDKit and Python's sets say."""

import json
import random

import numpy as np
import pytest
from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator

from biomedgpt_hf.building.leakage_report import leakage_report, leakage_section
from biomedgpt_hf.similarity.structure_key import structure_key

from ..built_set import inline_row, row, write_set

TAILS = ("C", "CC", "O", "N", "c1ccccc1", "C(=O)O", "C(F)(F)F", "S(=O)(=O)N", "C1CCNCC1", "C#N", "OC", "Cl", "Br")
CORES = ("c1ccccc1", "CCCCCC", "C1CCCCC1", "OCC(O)C", "c1cncnc1", "CC(=O)N", "C1CC1", "NCC(=O)")
SMILES = [f"{core}{tail}" for core in CORES for tail in TAILS]


def rows(molecules, prefix):
    return [row(f"{prefix}{number}", molecules=[molecule]) for number, molecule in enumerate(molecules)]


def pair_of(report, kind, held_out="test", against="train"):
    (found,) = [
        pair for pair in report["kinds"][kind]["pairs"] if (pair["held_out"], pair["against"]) == (held_out, against)
    ]
    return found


@pytest.fixture
def molecule_set(tmp_path):
    chance = random.Random(0)
    mixed = chance.sample(SMILES, len(SMILES))
    splits = {"train": mixed[:60], "validation": mixed[60:80], "test": mixed[80:]}
    return splits, write_set(tmp_path / "set", {split: rows(found, split) for split, found in splits.items()})


@pytest.mark.parametrize(("held_out", "against"), [("validation", "train"), ("test", "train"), ("test", "validation")])
def test_similarities_of_molecules_are_those_of_rdkit(molecule_set, held_out, against):
    splits, folder = molecule_set
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
    fingerprints = {one: generator.GetFingerprint(Chem.MolFromSmiles(one)) for one in SMILES}
    keys = {structure_key(one) for one in splits[against]}
    nearest = {}
    for one in splits[held_out]:
        others = [fingerprints[other] for other in splits[against]]
        score = max(DataStructs.BulkTanimotoSimilarity(fingerprints[one], others))
        nearest[structure_key(one)] = 1.0 if structure_key(one) in keys else score
    scores = np.array(list(nearest.values()))
    pair = pair_of(leakage_report(folder), "molecules", held_out, against)
    assert pair["distinct"] == pair["near"]["of"] == pair["near"]["compared"] == len(nearest)
    assert pair["exact"] == sum(key in keys for key in nearest)
    assert pair["near"]["at_least"] == {str(limit): (scores >= limit).sum() for limit in (0.9, 0.8, 0.7)}
    assert pair["near"]["nearest"]["min"] == round(scores.min(), 4)
    assert pair["near"]["nearest"]["median"] == round(np.median(scores), 4)
    assert pair["near"]["nearest"]["95%"] == pytest.approx(np.quantile(scores, 0.95), abs=1e-4)


def test_examples_of_near_molecules_name_rows_with_that_similarity(molecule_set):
    splits, folder = molecule_set
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
    by_id = {f"{split}{number}": one for split, found in splits.items() for number, one in enumerate(found)}
    pair = pair_of(leakage_report(folder), "molecules")
    examples = pair["examples"]["near"]
    assert 1 <= len(examples) <= 10
    assert [one["similarity"] for one in examples] == sorted((one["similarity"] for one in examples), reverse=True)
    for example in examples:
        first, second = (
            generator.GetFingerprint(Chem.MolFromSmiles(by_id[example[side]])) for side in ("held_out", "against")
        )
        assert example["similarity"] == round(DataStructs.TanimotoSimilarity(first, second), 4)


def test_molecules_are_the_same_whatever_their_stereo_salt_and_notation(tmp_path):
    folder = write_set(
        tmp_path / "set",
        {
            "train": rows(["CCCCCCO", "C[C@H](N)C(O)=O", "c1ccccc1"], "train"),
            "test": [
                *rows(["C[C@@H](N)C(O)=O.Cl", "CC(N)C(=O)[O-].[Na+]", "CCCCCCCN"], "test"),
                inline_row("inline", molecule="C1=CC=CC=C1"),
            ],
        },
    )
    pair = pair_of(leakage_report(folder), "molecules")
    assert (pair["distinct"], pair["exact"]) == (3, 2)
    assert pair["near"]["at_least"]["0.9"] == 2
    assert pair["examples"]["exact"] == [
        {"held_out": "test0", "against": "train1"},
        {"held_out": "inline", "against": "train2"},
    ]


def test_what_rdkit_cannot_read_is_counted_and_breaks_nothing(tmp_path):
    folder = write_set(
        tmp_path / "set",
        {
            "train": rows(["C(C", "CCO", "C(C", "nonsense"], "train"),
            "validation": rows(["CCO", "C1CC"], "validation"),
            "test": rows(["C(C"], "test"),
        },
        rows_per_group=4,
    )
    report = leakage_report(folder)["kinds"]["molecules"]
    assert report["unreadable"] == {"train": 3, "validation": 1, "test": 1}
    assert [(pair["held_out"], pair["against"]) for pair in report["pairs"]] == [("validation", "train")]
    assert (report["pairs"][0]["distinct"], report["pairs"][0]["exact"]) == (1, 1)


def mutated(sequence, share, chance):
    letters = list(sequence)
    for place in chance.sample(range(len(letters)), int(share * len(letters))):
        letters[place] = chance.choice("ACDEFGHIKLMNPQRSTVWY")
    return "".join(letters)


def test_shared_kmers_of_proteins_are_counted_as_with_python_s_sets(tmp_path):
    chance = random.Random(1)
    ancestors = ["".join(chance.choices("ACDEFGHIKLMNPQRSTVWY", k=chance.randint(3, 90))) for _ in range(12)]
    splits = {
        split: [mutated(chance.choice(ancestors), chance.choice([0, 0.02, 0.1, 0.3]), chance) for _ in range(size)]
        for split, size in (("train", 40), ("test", 25))
    }
    splits["test"].append(splits["train"][0].lower())
    folder = write_set(
        tmp_path / "set",
        {
            split: [row(f"{split}{number}", proteins=[one]) for number, one in enumerate(found)]
            for split, found in splits.items()
        },
    )

    def words(sequence):
        sequence = sequence.upper()
        return {sequence[i : i + 5] for i in range(len(sequence) - 4)} or {sequence}

    train = [words(one) for one in splits["train"]]
    scores = np.array(
        [
            max(len(words(one) & other) / min(len(words(one)), len(other)) for other in train)
            for one in {one.upper() for one in splits["test"]}
        ]
    )
    pair = pair_of(leakage_report(folder), "proteins")
    assert pair["distinct"] == len(scores)
    assert pair["exact"] == len({one.upper() for one in splits["test"]} & {one.upper() for one in splits["train"]}) > 0
    assert pair["near"]["at_least"] == {str(limit): (scores >= limit).sum() for limit in (0.9, 0.5, 0.3)}
    assert 0 < pair["near"]["at_least"]["0.9"] < pair["near"]["at_least"]["0.3"] < len(scores)
    assert pair["near"]["nearest"]["25%"] == pytest.approx(np.quantile(scores, 0.25), abs=1e-4)


def test_questions_without_items_are_compared_by_their_words(tmp_path):
    asked = [
        "Which drug lowers blood pressure? A. Atenolol B. Aspirin",
        "Which vitamin prevents scurvy in sailors? A. Vitamin C B. Vitamin D",
        "True?",
    ]
    folder = write_set(
        tmp_path / "set",
        {
            "train": [row(f"train{number}", question=one) for number, one in enumerate(asked)],
            "test": [
                row("same", question="which drug LOWERS blood pressure (A) atenolol; (B) aspirin"),
                row("near", question="Which vitamin prevents scurvy in sailors? A. Vitamin C B. Vitamin K"),
                row("far", question="Where is the spleen found? Is it true?"),
            ],
        },
    )
    report = leakage_report(folder)
    pair = pair_of(report, "questions")
    assert list(report["kinds"]) == ["questions"]
    assert (pair["distinct"], pair["exact"]) == (3, 1)
    assert pair["near"]["at_least"] == {"0.9": 2, "0.7": 2, "0.5": 2}
    assert pair["examples"]["exact"] == [{"held_out": "same", "against": "train0"}]
    assert pair["examples"]["near"] == [{"held_out": "near", "against": "train1", "similarity": 0.9}]


def test_questions_about_items_repeat_and_are_no_leak(tmp_path):
    folder = write_set(
        tmp_path / "set",
        {"train": [row("a", proteins=["MKVLA"])], "test": [row("b", proteins=["WWWWW"])]},
    )
    report = leakage_report(folder)
    assert list(report["kinds"]) == ["proteins"]
    assert pair_of(report, "proteins")["exact"] == 0


def test_a_sample_is_compared_with_everything_and_the_same_is_sought_for_all(tmp_path):
    chance = random.Random(2)
    proteins = ["".join(chance.choices("ACDEFGHIKLMNPQRSTVWY", k=30)) for _ in range(60)]

    def write(name, held_out):
        return write_set(
            tmp_path / name,
            {
                "train": [row(f"train{number}", proteins=[one]) for number, one in enumerate(proteins[:30])],
                "test": [row(f"test{number}", proteins=[one]) for number, one in enumerate(held_out)],
            },
        )

    held_out = proteins[10:]
    folder = write("set", held_out)
    pair = pair_of(leakage_report(folder, sample=7), "proteins")
    assert (pair["distinct"], pair["exact"]) == (50, 20)
    assert (pair["near"]["compared"], pair["near"]["of"]) == (7, 50)
    assert len(pair["examples"]["exact"]) == 10
    assert pair["examples"]["exact"][0] == {"held_out": "test0", "against": "train10"}
    again = pair_of(leakage_report(write("turned", held_out[::-1]), sample=7), "proteins")
    assert again["near"] == pair["near"]
    drawn = {
        pair_of(leakage_report(folder, sample=7, seed=seed), "proteins")["near"]["at_least"]["0.9"] for seed in range(8)
    }
    assert len(drawn) > 1
    with pytest.raises(ValueError, match="sample is 0"):
        leakage_report(folder, sample=0)


def test_the_first_training_row_with_an_item_is_named(tmp_path):
    folder = write_set(
        tmp_path / "set",
        {"train": rows(["CCO", "OCC", "CCO", "C(O)C", "CCO"], "train"), "test": rows(["CCO"], "test")},
        rows_per_group=2,
    )
    pair = pair_of(leakage_report(folder), "molecules")
    assert pair["examples"]["exact"] == [{"held_out": "test0", "against": "train0"}]


@pytest.mark.parametrize("splits", [["train"], ["validation"], ["test"], []])
def test_a_set_of_one_part_has_nothing_to_compare(tmp_path, splits):
    (tmp_path / "set").mkdir()
    folder = write_set(tmp_path / "set", {split: rows(["CCO"], split) for split in splits})
    report = leakage_report(folder)
    assert report["kinds"] == {}
    assert leakage_section(report) == "Nothing is held out here, so there was nothing to compare."


def test_validation_is_compared_with_test_where_there_is_no_training_part(tmp_path):
    folder = write_set(tmp_path / "set", {"validation": rows(["CCO"], "v"), "test": rows(["OCC", "CCCC"], "t")})
    report = leakage_report(folder)
    assert len(report["kinds"]["molecules"]["pairs"]) == 1
    assert pair_of(report, "molecules", "test", "validation")["exact"] == 1


def test_processes_change_nothing_and_the_report_is_json(tmp_path):
    splits = {"train": rows(SMILES[:60] * 2, "train"), "test": rows(SMILES[50:], "test")}
    folder = write_set(tmp_path / "set", splits, rows_per_group=10, rows_per_file=100)
    expected = leakage_report(folder)
    assert leakage_report(folder, processes=2) == expected
    assert pair_of(expected, "molecules")["exact"] >= 10
    assert json.loads(json.dumps(expected)) == expected


def test_the_card_s_section_states_counts_shares_and_what_was_left_out(tmp_path):
    folder = write_set(
        tmp_path / "set",
        {
            "train": [*rows(["CCO", "C(C"], "train"), row("p", proteins=["MKVLAAGI"])],
            "test": [*rows(["OCC", "CCCCCCCN"], "test"), row("q", proteins=["MKVLAAGI"])],
        },
    )
    section = leakage_section(leakage_report(folder, sample=1))
    text, table = section.split("\n\n")
    assert "(train 1)" in text
    assert "sample" in text
    assert "Morgan" in text and "5-mers" in text
    header, rule, *lines = table.splitlines()
    assert len({line.count("|") for line in (header, rule, *lines)}) == 1
    assert lines[0].startswith("| test | train | molecules | 2 | 1 (50.0%) | ≥ 0.9: ")
    assert lines[1].startswith("| test | train | proteins | 1 | 1 (100.0%) | ≥ 0.9: 1 (100.0%), ≥ 0.5: 1 (100.0%)")
    assert not section.startswith("#")


@pytest.mark.slow
def test_the_official_chebi_20_files_share_molecules(shared, tmp_path):
    """282 of 3,124 test structures are validation structures too: a plain loop over keys and RDKit says so."""
    splits = {}
    for split in ("validation", "test"):
        lines = (shared / f"data/captions/chebi20/{split}.txt").read_text("utf-8").splitlines()[1:]
        splits[split] = rows([line.split("\t")[1] for line in lines], split)
    folder = write_set(tmp_path / "set", splits, rows_per_group=1000, rows_per_file=2000)
    pair = pair_of(leakage_report(folder), "molecules", "test", "validation")
    assert (pair["distinct"], pair["exact"]) == (3124, 282)
    assert pair["near"]["at_least"] == {"0.9": 645, "0.8": 877, "0.7": 1174}
