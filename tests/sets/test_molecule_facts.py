"""Facts that RDKit computes become questions with exact answers."""

import gzip
import random
import re
from collections import Counter, defaultdict
from itertools import combinations

import pytest
from datasets import load_dataset
from rdkit import Chem
from rdkit.Chem import Fragments

from biomedgpt_hf.building.pipeline import BuildSettings
from biomedgpt_hf.chemistry.facts import FACTS, GROUP_QUESTIONS, GROUPS_LISTED
from biomedgpt_hf.chemistry.functional_groups import FUNCTIONAL_GROUPS, groups_in
from biomedgpt_hf.chemistry.sampling import Dice
from biomedgpt_hf.files.items.molecule_lists import Structure, read_molecule_records
from biomedgpt_hf.files.records import Record, RejectedRecord, UnwantedRecord
from biomedgpt_hf.sets.molecule_facts import builder as molecule_facts

QUIET = BuildSettings(progress=False)
ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"
CAFFEINE = "Cn1c(=O)c2c(ncn2C)n(C)c1=O"
GLUCOSE = "OC[C@H]1OC(O)[C@H](O)[C@@H](O)[C@@H]1O"  # D-glucopyranose, its anomeric centre open
ZWITTERION = "[NH3+]CC(=O)[O-]"
ACETATE = "CC(=O)[O-].[Na+]"
TESTOSTERONE = "C[C@]12CC[C@H]3[C@@H](CCC4=CC(=O)CC[C@]34C)[C@@H]1CC[C@@H]2O"


def parse(smiles, **options):
    return molecule_facts.parse_molecule(Record("list", 1, "x", Structure(smiles)), **options)


def told(smiles, fact):
    """The answer to one fact."""
    (row,) = parse(smiles, facts=[fact]).rows
    return row["messages"][1]["content"][0]["text"]


def asked(row):
    return row["messages"][0]["content"][-1]["text"]


def groups(smiles):
    return {group.name for group in groups_in(Chem.MolFromSmiles(smiles))}


# Values that chemists know.


@pytest.mark.parametrize(
    ("smiles", "formula", "weight", "mass"),
    [
        (ASPIRIN, "C9H8O4", "180.16", "180.0423"),
        (CAFFEINE, "C8H10N4O2", "194.19", "194.0804"),
        (GLUCOSE, "C6H12O6", "180.16", "180.0634"),
        (ZWITTERION, "C2H5NO2", "75.07", "75.0320"),
        (ACETATE, "C2H3NaO2", "82.03", "82.0031"),
        (TESTOSTERONE, "C19H28O2", "288.43", "288.2089"),
        ("c1ccccc1", "C6H6", "78.11", "78.0470"),
        ("CC", "C2H6", "30.07", "30.0470"),
        ("CC(=O)[O-]", "C2H3O2-", "59.04", "59.0139"),
        ("[2H]O[2H]", "H2O", "20.03", "20.0231"),
        ("ClCBr", "CH2BrCl", "129.38", "127.9028"),
    ],
)
def test_formulas_and_weights_are_the_known_ones(smiles, formula, weight, mass):
    assert told(smiles, "formula") == f"The molecular formula is {formula}."
    assert told(smiles, "weight") == f"The molecular weight is {weight} g/mol."
    assert told(smiles, "exact_mass") == f"The monoisotopic mass is {mass} Da."


@pytest.mark.parametrize(
    ("smiles", "counts"),
    [  # heavy atoms, rings, aromatic rings, donors, acceptors, rotatable bonds
        (ASPIRIN, (13, 1, 1, 1, 3, 2)),
        (CAFFEINE, (14, 2, 2, 0, None, 0)),  # versions of RDKit differ in its acceptors
        (GLUCOSE, (12, 1, 0, 5, 6, 1)),
        (TESTOSTERONE, (21, 4, 0, 1, 2, 0)),
        ("c1ccccc1", (6, 1, 1, 0, 0, 0)),
        ("c1ccc2ccccc2c1", (10, 2, 2, 0, 0, 0)),
        ("CC", (2, 0, 0, 0, 0, 0)),
        ("CCCC", (4, 0, 0, 0, 0, 1)),
        ("CCO", (3, 0, 0, 1, 1, 0)),
    ],
)
def test_counts_are_the_known_ones(smiles, counts):
    facts = ("heavy_atoms", "rings", "aromatic_rings", "hbond_donors", "hbond_acceptors", "rotatable_bonds")
    found = tuple(int(re.search(r"It has (\d+) ", told(smiles, fact))[1]) for fact in facts)
    assert all(known in (None, number) for number, known in zip(found, counts, strict=True)), found


def test_no_question_asks_for_another_count_of_rings_than_the_answer_gives():
    assert told("C1CN2CCC1CC2", "rings") == "It has 3 rings."  # two in the smallest set of smallest rings
    assert not any("smallest set" in question for question in FACTS["rings"].questions)


def test_counts_of_one_are_in_the_singular():
    assert told("c1ccccc1", "rings") == "It has 1 ring."
    assert told("CC", "rings") == "It has 0 rings."
    assert told("[Na+]", "heavy_atoms") == "It has 1 heavy atom."


@pytest.mark.parametrize(
    ("smiles", "answer"),
    [
        (GLUCOSE, "It has 5 stereocentres: 4 assigned and 1 unassigned."),
        (TESTOSTERONE, "It has 6 stereocentres: 6 assigned and 0 unassigned."),
        ("CC(N)C(=O)O", "It has 1 stereocentre: 0 assigned and 1 unassigned."),
        ("C[C@H](N)C(=O)O", "It has 1 stereocentre: 1 assigned and 0 unassigned."),
        ("C/C=C/C", "It has 0 stereocentres."),
    ],
)
def test_assigned_and_unassigned_stereocentres_are_told_apart(smiles, answer):
    assert told(smiles, "stereocentres") == answer


@pytest.mark.parametrize(
    ("smiles", "answer"),
    [
        ("CC(=O)[O-]", "The net charge is -1."),
        ("[Mg+2]", "The net charge is +2."),
        ("[O-]P([O-])([O-])=O.[Na+]", "The net charge is -2."),
    ],
)
def test_all_charged_molecules_are_asked_for_their_net_charge(smiles, answer):
    assert told(smiles, "charge") == answer


def test_one_neutral_molecule_in_five_is_asked_for_its_charge():
    answers = Counter()
    for first, second in combinations(range(1, 33), 2):
        try:
            answers[told(f"{'C' * first}O{'C' * second}", "charge")] += 1
        except UnwantedRecord as unwanted:
            answers[unwanted.reason] += 1
    assert set(answers) == {"The net charge is 0.", "not asked"}
    assert answers.total() == 496
    assert 70 < answers["The net charge is 0."] < 130


# Functional groups.

ACID, AMINE = "carboxylic acid (or carboxylate)", "primary amine (or its ammonium ion)"
ALKENE, PHENOL = "carbon-carbon double bond outside aromatic rings", "aromatic hydroxy group (or its anion)"


@pytest.mark.parametrize(
    ("smiles", "expected"),
    [
        (ASPIRIN, {ACID, "ester", "benzene ring"}),
        (CAFFEINE, {"amide", "urea group"}),
        (GLUCOSE, {"alcohol group", "acetal or hemiacetal"}),
        (ZWITTERION, {ACID, AMINE}),
        ("NCC(=O)O", {ACID, AMINE}),
        (ACETATE, {ACID}),
        (TESTOSTERONE, {"alcohol group", "ketone", ALKENE}),
        ("c1ccccc1", {"benzene ring"}),
        ("CC", set()),
        ("Oc1ccccc1", {PHENOL, "benzene ring"}),
        ("COC", {"ether"}),
        ("COC(C)OC", {"acetal or hemiacetal"}),
        ("C1CO1", {"epoxide"}),
        ("COO", {"organic peroxide"}),
        ("CC=O", {"aldehyde"}),
        ("O=c1ccc2ccccc2o1", {"ester", "benzene ring"}),
        ("CC(=O)OC(C)=O", {"carboxylic anhydride"}),
        ("CC(=O)SC", {"thioester"}),
        ("CC(=O)NC", {"amide"}),
        ("NC(N)=O", {"urea group"}),
        ("COC(N)=O", {"carbamate"}),
        ("Nc1ccccc1", {AMINE, "benzene ring"}),
        ("CNC", {"secondary amine (or its ammonium ion)"}),
        ("C[NH2+]C", {"secondary amine (or its ammonium ion)"}),
        ("CN(C)C", {"tertiary amine (or its ammonium ion)"}),
        ("C[N+](C)(C)C", {"quaternary ammonium group"}),
        ("CC=NC", {"imine"}),
        ("CC=[N+](C)[O-]", set()),
        ("CC(C)=NO", {"oxime"}),
        ("CC(C)=NN", {"hydrazone"}),
        ("NC(=N)N", {"guanidine group (or guanidinium)"}),
        ("CC(N)=N", set()),
        ("CN=NC", {"azo group"}),
        ("CN=[N+]=[N-]", {"azide"}),
        ("CC#N", {"nitrile"}),
        ("C[N+](=O)[O-]", {"nitro group"}),
        ("CS", {"thiol (or thiolate)"}),
        ("[S-]c1ccccc1", {"thiol (or thiolate)", "benzene ring"}),
        ("CC(=O)S", set()),
        ("CNC(=S)[S-]", set()),
        ("CSC", {"thioether"}),
        ("CSSC", {"disulfide"}),
        ("CS(C)=O", {"sulfoxide"}),
        ("C[S+](C)[O-]", {"sulfoxide"}),
        ("CS(C)(=O)=O", {"sulfone"}),
        ("CS(N)(=O)=O", {"sulfonamide"}),
        ("CS(=O)(=O)[O-]", {"sulfonic acid (or sulfonate)"}),
        ("COS(=O)(=O)O", {"sulfate ester"}),
        ("COP(=O)(O)[O-]", {"phosphate group"}),
        ("CB(O)O", {"boronic acid"}),
        ("FC(Cl)(Br)I", {f"carbon-{halogen} bond" for halogen in ("fluorine", "chlorine", "bromine", "iodine")}),
        ("CC#CC", {"carbon-carbon triple bond"}),
        ("c1ccoc1", set()),
        ("c1cc[nH]c1", set()),
    ],
)
def test_functional_groups_are_those_that_a_chemist_sees(smiles, expected):
    assert groups(smiles) == expected


def test_every_functional_group_is_found_in_some_molecule_of_these_tests():
    cases = test_functional_groups_are_those_that_a_chemist_sees.pytestmark[0].args[1]
    assert set().union(*(expected for _, expected in cases)) == {group.name for group in FUNCTIONAL_GROUPS}


# Where RDKit's own fragment counters define a group alike: (ours, theirs, molecules where they differ on purpose).
ALIKE = [
    ("azide", Fragments.fr_azide, ""),
    ("azo group", Fragments.fr_azo, ""),
    ("benzene ring", Fragments.fr_benzene, ""),
    ("epoxide", Fragments.fr_epoxide, "C1=CO1"),
    ("sulfone", Fragments.fr_sulfone, ""),
    ("sulfonamide", Fragments.fr_sulfonamd, ""),
    ("hydrazone", Fragments.fr_hdrzone, ""),
    ("guanidine group (or guanidinium)", Fragments.fr_guanido, ""),
    ("aldehyde", Fragments.fr_aldehyde, "[CX3H2]=O"),  # formaldehyde
    ("nitro group", Fragments.fr_nitro, ""),
    ("nitrile", Fragments.fr_nitrile, "[!#6][CX2]#N"),  # cyanamides, thiocyanates, cyanic acid
    (ACID, Fragments.fr_COO2, "C(=O)([O,N,P,S])[OX1-,OX2H]"),  # carbonic and carbamic acids
    (PHENOL, Fragments.fr_Ar_OH, "c[O-]"),
    ("alcohol group", Fragments.fr_Al_OH, "[CX3,CX2][OH]"),  # enols
]


@pytest.mark.parametrize(("name", "counter", "differ"), ALIKE, ids=[name for name, *_ in ALIKE])
def test_functional_groups_agree_with_rdkits_fragments(shared, name, counter, differ):
    (group,) = [group for group in FUNCTIONAL_GROUPS if group.name == name]
    ours = Chem.MolFromSmarts(group.smarts)
    exception = Chem.MolFromSmarts(differ) if differ else None
    with gzip.open(shared / "data/captions/chebi20_all_cid_smiles.tsv.gz", "rt") as file:
        lines = random.Random(0).sample(file.readlines()[1:], 1500)
    for molecule in (Chem.MolFromSmiles(line.split("\t")[1].strip()) for line in lines):
        if exception is None or not molecule.HasSubstructMatch(exception):
            assert molecule.HasSubstructMatch(ours) == bool(counter(molecule)), Chem.MolToSmiles(molecule)


# Questions.


def test_questions_about_groups_have_the_answers_that_the_patterns_give():
    names = {group.name for group in FUNCTIONAL_GROUPS}
    for smiles in (ASPIRIN, CAFFEINE, GLUCOSE, TESTOSTERONE, "CC"):
        present = groups(smiles)
        for seed in range(20):
            one, several = (
                {
                    asked(row): row["messages"][1]["content"][0]["text"]
                    for row in parse(smiles, facts=[f], seed=seed).rows
                }
                for f in ("functional_group", "functional_groups")
            )
            ((question, answer),) = one.items()
            (group,) = [name for name in names if re.search(rf"\b(a|an) {re.escape(name)}[ ?.]", question)]
            yes = group in present
            article = "an" if group[0] in "aeio" else "a"
            start = "Yes, it contains" if yes else "No, it does not contain"
            assert answer == f"{start} {article} {group}."
            ((question, answer),) = several.items()
            listed = {name for name in names if re.search(rf"\ban? {re.escape(name)}(,| or|[?.]| in)", question)}
            assert len(listed) == GROUPS_LISTED
            found = {name for name in listed if f" {name}" in answer}
            assert found == listed & present
            assert bool(found) or answer == "It contains none of them."


def test_yes_and_no_are_equally_frequent_and_a_groups_name_tells_little(shared):
    records = read_molecule_records(shared / "data/captions/chebi20_all_cid_smiles.tsv.gz")
    records = [record for record in records if "*" not in record.content.text]
    answers, by_group = Counter(), defaultdict(Counter)
    for record in random.Random(1).sample(records, 1500):
        (row,) = molecule_facts.parse_molecule(record, facts=["functional_group"]).rows
        yes, _, group = row["messages"][1]["content"][0]["text"].partition(", it ")
        answers[yes] += 1
        by_group[group.rpartition("contain")[2].removeprefix("s")][yes] += 1
    assert 0.45 < answers["Yes"] / answers.total() < 0.55
    frequent = [counts for counts in by_group.values() if counts.total() >= 50]
    assert len(frequent) > 8 and all(0.25 < counts["Yes"] / counts.total() < 0.75 for counts in frequent)


@pytest.mark.slow
def test_the_shares_of_the_groups_are_those_of_chebi20(shared):
    counts, molecules = Counter(), 0
    for record in read_molecule_records(shared / "data/captions/chebi20_all_cid_smiles.tsv.gz"):
        molecules += 1
        counts.update(group.name for group in groups_in(Chem.MolFromSmiles(record.content.text)))
    assert molecules == 33010
    for group in FUNCTIONAL_GROUPS:
        assert counts[group.name] / molecules == pytest.approx(group.share, abs=6e-5), group.name


def test_every_fact_is_phrased_in_several_ways_and_all_of_them_occur():
    wordings = defaultdict(set)
    for seed in range(60):
        for row in parse("CC[NH3+]", seed=seed).rows:
            wordings[row["task"]].add(asked(row))
    for fact in FACTS:
        assert wordings[f"molecule_fact_{fact}"] == set(FACTS[fact].questions)
        assert len(FACTS[fact].questions) >= 4
    assert all(len(questions) >= 4 for questions in GROUP_QUESTIONS.values())


def test_the_same_seed_and_molecule_give_the_same_questions_however_the_molecule_is_written():
    first, second = parse("OC(=O)c1ccccc1OC(C)=O", seed=3), parse(ASPIRIN, seed=3)
    assert [asked(row) for row in first.rows] == [asked(row) for row in second.rows]
    assert first.marks == second.marks and first.keys == second.keys
    other = [asked(row) for row in parse(ASPIRIN, seed=4).rows]
    assert other != [asked(row) for row in first.rows]


def test_dice_are_even_and_draw_without_repetition_by_weight():
    numbers = [Dice(0, str(n)).number("x") for n in range(2000)]
    assert all(0 < number < 1 for number in numbers) and abs(sum(numbers) / 2000 - 0.5) < 0.02
    weights = {"heavy": 3.0, "light": 1.0, "tiny": 1e-9}
    drawn = [Dice(0, str(n)).draw(weights, 2, "x") for n in range(2000)]
    assert all(len(set(names)) == 2 and "tiny" not in names for names in drawn)
    assert abs(sum(names[0] == "heavy" for names in drawn) / 2000 - 0.75) < 0.03
    assert sorted(Dice(0, "a").draw(weights, 9, "x")) == ["heavy", "light", "tiny"]


# Records.


def test_each_molecule_gives_one_question_of_each_kind_unless_fewer_are_asked_for():
    rows = parse("CC[NH3+]").rows
    assert [row["task"].removeprefix("molecule_fact_") for row in rows] == list(molecule_facts.FACT_NAMES)
    assert {(row["source"], row["license"], *row["molecules"]) for row in rows} == {("RDKit", "CC0-1.0", "CC[NH3+]")}
    chosen = {tuple(row["task"] for row in parse("CC[NH3+]", questions_per_molecule=3, seed=n).rows) for n in range(9)}
    assert len(chosen) > 1 and all(len(set(tasks)) == 3 for tasks in chosen)


@pytest.mark.parametrize(
    ("smiles", "kind", "reason"),
    [
        ("C(C", RejectedRecord, "unreadable molecule"),
        ("CN(C)(C)(C)C", RejectedRecord, "unreadable molecule"),
        ("", RejectedRecord, "unreadable molecule"),
        ("CCO |$;;$|", RejectedRecord, "unreadable molecule"),
        ("N->[Fe]", UnwantedRecord, "no place in the features graphmvp"),
        ("InChI=1S/nonsense", RejectedRecord, "unreadable molecule"),
        ("C\udcff", RejectedRecord, "not UTF-8 text"),
        ("*CC", UnwantedRecord, "wildcard atom"),
    ],
)
def test_molecules_without_facts_are_rejected_with_the_reason(smiles, kind, reason):
    with pytest.raises(RejectedRecord) as rejected:
        parse(smiles)
    assert type(rejected.value) is kind and rejected.value.reason == reason and rejected.value.detail


def test_odd_molecules_have_facts_as_well():
    for smiles in ("[H][H]", "[H+]", "[CH3]", "[U]", "[C-]#[O+]", "C.C", "[13CH4]", "InChI=1S/CH4/h1H4"):
        assert len(parse(smiles).rows) >= len(molecule_facts.FACT_NAMES) - 1


def test_damaged_smiles_are_rejected_or_read_but_never_crash(shared):
    random_number = random.Random(5)
    lines = (shared / "data/structures/first_5K.smi").read_text("utf-8").splitlines()
    for _ in range(400):
        text = list(random_number.choice(lines).split()[0])
        text[random_number.randrange(len(text))] = random_number.choice("CNOc1=#()[]@+-%/\\. *$\udc80é\t")
        try:
            assert parse("".join(text)).rows
        except RejectedRecord as rejected:
            assert rejected.reason


def test_a_set_is_built_from_several_lists_with_every_molecule_once(tmp_path):
    (tmp_path / "a.smi").write_text(f"{ASPIRIN} aspirin\nCCO 1\nC(C broken\n* any\n", "utf-8")
    (tmp_path / "b.tsv").write_text(
        "CID\tSMILES\n2244\tOC(=O)c1ccccc1OC(C)=O\n1\tC[C@H](N)C(=O)O\n2\tCC(N)C(=O)O\n", "utf-8"
    )
    sources = [tmp_path / "a.smi", tmp_path / "b.tsv"]
    facts = ["formula", "rings"]
    manifest = molecule_facts.build_molecule_facts(sources, tmp_path / "set", facts=facts, settings=QUIET)
    counts = manifest["counts"]
    assert counts["rows"] == 8 and counts["records_read"] == 7
    assert counts["rejected"] == {"duplicate": 1, "unreadable molecule": 1, "wildcard atom": 1}
    assert manifest["options"]["facts"] == "formula, rings"
    loaded = load_dataset(str(tmp_path / "set"), cache_dir=str(tmp_path / "cache"))
    rows = [(row["id"], split) for split, rows in loaded.items() for row in rows]
    assert len({id for id, _ in rows}) == 8
    assert {id.split(":")[0] for id, _ in rows} == {"aspirin", "1", "CID"}
    alanine = {split for id, split in rows if id.startswith(("CID:1:", "CID:2:"))}
    assert len(alanine) == 1  # stereoisomers share a structure key


def test_the_number_of_processes_does_not_change_a_set(tmp_path):
    (tmp_path / "a.smi").write_text("".join(f"{'C' * n}O {n}\n" for n in range(1, 30)), "utf-8")
    for processes in (1, 2):
        settings = BuildSettings(progress=False, processes=processes)
        molecule_facts.build_molecule_facts([tmp_path / "a.smi"], tmp_path / f"set{processes}", settings=settings)
    one, two = (load_dataset(str(tmp_path / f"set{n}"), cache_dir=str(tmp_path / f"cache{n}")) for n in (1, 2))
    assert {split: rows.to_list() for split, rows in one.items()} == {s: rows.to_list() for s, rows in two.items()}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"facts": ["colour"]}, "There is no fact 'colour': choose from formula"),
        ({"facts": []}, "facts is empty"),
        ({"questions_per_molecule": 0}, "questions_per_molecule is 0"),
    ],
)
def test_senseless_options_are_refused(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        molecule_facts.build_molecule_facts([], tmp_path / "set", **options)
