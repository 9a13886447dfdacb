"""Two proteins stay two, whatever their chains are called, and one stays one, however its residues are numbered."""

import pytest

from biomedgpt_hf.files.items import read_items, read_proteins

from .pdb_lines import STEP, atom, peptide

GAS, MKTV = "GLY ALA SER", "MET LYS THR VAL"
FAR = 90.0
HYDROGENS = [atom("H", "GLY", "A", 1, serial=90), atom("H", "ALA", "A", 2, serial=91)]
WATER = [atom("O", "HOH", "A", number, record="HETATM") for number in range(1, 30)]


def sequences(tmp_path, lines):
    path = tmp_path / "x.pdb"
    path.write_text("\n".join([*lines, ""]))
    return {item.id: item.proteins[0] for item in read_items([path])}


def residue(name, number, place=0.0, chain=" ", **options):
    return peptide(name, chain, number, place, **options)


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        ([*peptide(GAS, "A"), "TER", *peptide(MKTV, "A", 4, FAR)], ("A.1", "A.2")),
        (peptide(GAS, "A") + peptide(MKTV, "A", 1, FAR), ("A.1", "A.2")),
        (peptide(GAS, "A") + peptide(MKTV, "A", 3, FAR), ("A.1", "A.2")),
        (peptide(GAS, "A", 100) + peptide(MKTV, "A", 20, FAR), ("A.1", "A.2")),
        (peptide(GAS, " ") + peptide(MKTV, " ", 1, FAR), ("1", "2")),
        ([*peptide(GAS, " "), "TER", *peptide(MKTV, " ", 4, 3 * STEP), "TER"], ("1", "2")),
        (peptide(GAS, " ", segment="PROA") + peptide(MKTV, " ", 4, FAR, segment="PROB"), ("PROA", "PROB")),
        (peptide(GAS, "A", segment="PROA") + peptide(MKTV, "A", 4, 3 * STEP, segment="PROB"), ("A.1", "A.2")),
        ([*peptide(GAS, "A"), *WATER, *peptide(MKTV, "A", 1, FAR)], ("A.1", "A.2")),
    ],
    ids=["TER", "restart", "overlap", "below", "blank", "blank TER", "blank segments", "segments", "water between"],
)
def test_two_proteins_of_one_name_are_two(tmp_path, lines, names):
    assert sequences(tmp_path, lines) == {f"x:{names[0]}": "GAS", f"x:{names[1]}": "MKTV"}
    assert read_proteins(tmp_path / "x.pdb", [names[1]]) == ["MKTV"]
    if names[0] == "A.1":
        assert read_proteins(tmp_path / "x.pdb", ["A"]) == ["GAS", "MKTV"]


def test_the_same_protein_twice_is_two_chains(tmp_path):
    assert sequences(tmp_path, peptide(GAS, "A") * 2) == {"x:A.1": "GAS", "x:A.2": "GAS"}


@pytest.mark.parametrize(
    ("lines", "sequence"),
    [
        (peptide(GAS, "A") + HYDROGENS, "GAS"),
        (peptide(GAS, "A") + peptide(MKTV, "A", 1002, 3 * STEP) + peptide(GAS, "A", 7, 7 * STEP), "GASMKTVGAS"),
        (peptide(GAS, "A", 100) + peptide(MKTV, "A", 20, 3 * STEP), "GASMKTV"),
        (peptide(GAS, "A") + peptide(MKTV, "A", 3, 3 * STEP), "GASMKTV"),
        (peptide(GAS, "A", -1), "GAS"),
        (residue("GLY", 52, letter="A", chain="A") + residue("ALA", 52, STEP, letter="B", chain="A"), "GA"),
        (residue("GLY", 52, letter="A", chain="A") + residue("ALA", 52, STEP, chain="A"), "GA"),
        ([*peptide(GAS, "A"), "TER", *residue("GLY", 301, FAR, "A", record="HETATM")], "GAS"),
        ([*peptide(GAS, "A"), *WATER], "GAS"),
        ([*peptide(GAS, "A"), "TER", *WATER, "TER"], "GAS"),
        (
            [
                *peptide(GAS, "A"),
                *peptide("GLY ALA", "A", 4, 3 * STEP, alternative="A"),
                *peptide("VAL ALA", "A", 4, 3 * STEP, alternative="B"),
                *peptide(MKTV, "A", 6, 5 * STEP),
            ],
            "GASGAMKTV",
        ),
    ],
    ids=[
        *("hydrogens behind", "fused domain", "permuted", "number twice", "negative", "insertions", "before its own"),
        *("ligand", "water", "water behind TER", "alternatives in a row"),
    ],
)
def test_one_protein_stays_one(tmp_path, lines, sequence):
    assert sequences(tmp_path, lines) == {"x:A": sequence}


@pytest.mark.parametrize("after", [0, -999])
def test_numbers_pass_from_9999_to_what_fits(tmp_path, after):
    names = "GLY ALA SER".split()
    lines = [*peptide("TRP GLY", " "), *residue("ALA", 9999, 2 * STEP)]
    lines += [line for number, name in enumerate(names) for line in residue(name, after + number, (3 + number) * STEP)]
    assert sequences(tmp_path, lines) == {"x": "WGAGAS"}


@pytest.mark.parametrize("numbers", [["A000", "A001"], ["10000", "10001"]])
def test_numbers_beyond_9999_are_read_in_hybrid_36_and_in_five_digits(tmp_path, numbers):
    lines = residue("GLY", 9998, 0, "A") + residue("ALA", 9999, STEP, "A")
    for place, (name, number) in enumerate(zip(("SER", "VAL"), numbers, strict=True), 2):
        lines += [line[:22] + number + line[22 + len(number) :] for line in residue(name, 1, place * STEP, "A")]
    assert sequences(tmp_path, lines) == {"x:A": "GASV"}


def test_a_chain_goes_on_behind_another(tmp_path):
    lines = peptide(GAS, "A") + peptide(MKTV, "B", 1, FAR) + peptide(MKTV, "A", 4, 3 * STEP)
    assert sequences(tmp_path, lines) == {"x:A": "GASMKTV", "x:B": "MKTV"}
    lines = peptide(GAS, "A") + peptide(MKTV, "B", 1, FAR) + peptide(MKTV, "A", 1, 2 * FAR)
    assert sequences(tmp_path, lines) == {"x:A.1": "GAS", "x:A.2": "MKTV", "x:B": "MKTV"}


def test_modified_residues_may_begin_each_of_two_chains(tmp_path):
    chain = residue("MSE", 1, 0, "A", record="HETATM") + peptide(GAS, "A", 2, STEP)
    assert sequences(tmp_path, [*chain, "TER", *chain, "TER"]) == {"x:A.1": "MGAS", "x:A.2": "MGAS"}


def test_seqres_is_the_sequence_of_chains_that_fit_into_it(tmp_path):
    atoms = [*peptide(GAS, "A"), "TER", *peptide(MKTV, "A", 6, FAR)]
    whole = "SEQRES   1 A    9  GLY ALA SER VAL VAL MET LYS THR VAL"
    assert sequences(tmp_path, [whole, *atoms]) == {"x:A": "GASVVMKTV"}
    assert sequences(tmp_path, ["SEQRES   1 A    3  GLY ALA SER", *atoms]) == {"x:A.1": "GAS", "x:A.2": "MKTV"}


def test_charges_in_the_columns_of_segments_divide_nothing(tmp_path):
    lines = [f"{line[:66]}    {-0.1 * place:6.3f} {line[13]} " for place, line in enumerate(peptide(GAS, "A"))]
    assert sequences(tmp_path, lines) == {"x:A": "GAS"}
