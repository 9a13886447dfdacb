"""PDB files that were joined, that hold several models, or begin in any of the format's ways."""

import random
import warnings

import pytest

from biomedgpt_hf.files.items import pdb as pdb_files
from biomedgpt_hf.files.items import read_items, read_proteins
from biomedgpt_hf.files.sources import SourceError

from .pdb_lines import atom, header, peptide

GAS, MKTV = peptide("GLY ALA SER", "A"), peptide("MET LYS THR VAL", "A")
SHORT = "ATOM      9  N   ASP A 152      21.554"


def rows(tmp_path, lines, end="\n"):
    path = tmp_path / "x.pdb"
    path.write_bytes(end.join([*lines, ""]).encode())
    return list(read_items([path]))


def sequences(tmp_path, lines):
    return {item.id: item.proteins[0] for item in rows(tmp_path, lines)}


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        ([*GAS, "END", *MKTV, "END"], ("x.1:A", "x.2:A")),
        ([*GAS, "TER", "END   ", *MKTV], ("x.1:A", "x.2:A")),
        ([header("1ABC"), *GAS, "END", header("2ABC"), *MKTV, "END"], ("1ABC:A", "2ABC:A")),
        ([header("1ABC"), *GAS, header("2ABC"), *MKTV], ("1ABC:A", "2ABC:A")),
        (["MODEL        1", *GAS, "ENDMDL", "END", "MODEL        1", *MKTV, "ENDMDL", "END"], ("x.1:A", "x.2:A")),
    ],
)
def test_all_of_several_joined_files_are_read(tmp_path, lines, names):
    assert sequences(tmp_path, lines) == {names[0]: "GAS", names[1]: "MKTV"}


def test_each_of_several_joined_files_has_its_own_seqres(tmp_path):
    seqres = "SEQRES   1 A    5  ALA ALA GLY ALA SER"
    lines = [header("1ABC"), seqres, *GAS, "END", header("2ABC"), *MKTV, "END"]
    assert sequences(tmp_path, lines) == {"1ABC:A": "AAGAS", "2ABC:A": "MKTV"}


def test_a_ligand_that_was_joined_to_a_protein_is_left_out(tmp_path):
    ligand = [atom("C1", "LIG", " ", 1, record="HETATM")]
    assert sequences(tmp_path, [*GAS, "END", *ligand, "END"]) == {"x:A": "GAS"}
    assert sequences(tmp_path, [*ligand, "END", *GAS, "END"]) == {"x:A": "GAS"}


def test_one_of_several_joined_files_that_cannot_be_read_costs_no_other(tmp_path):
    good, other, bad = rows(tmp_path, [*GAS, "END", SHORT, "END", *MKTV, "END"])
    assert (good.proteins, other.proteins, bad.id) == (("GAS",), ("MKTV",), "x.2")
    assert bad.problem.reason == "broken PDB" and "too short" in bad.problem.detail


@pytest.mark.parametrize(
    ("lines", "passed"),
    [
        (["MODEL        1", *GAS, "ENDMDL", "MODEL        2", *GAS, "ENDMDL", "END"], 1),
        (["MODEL        1", *GAS, "MODEL        2", *GAS, "MODEL        3", *GAS], 2),
        ([*GAS, "ENDMDL", *GAS, "ENDMDL"], 1),
        ([*GAS, "END", *GAS, "END", *GAS, "END"], 2),
        ([*GAS, "TER", "END"], 0),
    ],
    ids=["models", "without ENDMDL", "without MODEL", "frames", "one"],
)
def test_only_the_first_model_is_read_and_the_others_are_told(tmp_path, lines, passed):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert sequences(tmp_path, lines) == {"x:A": "GAS"}
    told = [str(one.message) for one in caught]
    assert told == ([f"{tmp_path / 'x.pdb'}: only the first model is read; {passed} more passed over."] * bool(passed))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    "first",
    [
        *("HETSYN     HEM HEME", "HETNAM     HEM X", "REMARKS made by X", "REMARK", "DBREF1 1ABC A", "TURN     1", ""),
        *(
            "FTNOTE   1",
            "SIGATM",
            "SLTBRG",
            "SPLT",
            "LINKR",
            "AUTHOR    X",
            "USER  MOD",
            "CRYST1    1",
            "   ",
            "Made by X",
        ),
    ],
)
def test_pdb_files_begin_with_any_record(tmp_path, first, end):
    (item,) = rows(tmp_path, [first, *GAS], end)
    assert item.proteins == ("GAS",)


def test_receptors_of_autodock_are_proteins_and_ligands_are_refused_with_what_to_do(tmp_path):
    receptor = [f"{line[:66]}    {-0.345 if place % 2 else 0.1:6.3f} {line[13]} " for place, line in enumerate(GAS)]
    assert sequences(tmp_path, ["REMARK  receptor", *receptor]) == {"x:A": "GAS"}
    ligand = ["ROOT", *(line.replace("GLY A", "UNL  ") for line in receptor[:3]), "ENDROOT", "TORSDOF 0"]
    with pytest.raises(SourceError, match="line 2: is a PDBQT file with a ligand, .*obabel"):
        rows(tmp_path, ["REMARK  Name = x", *ligand])
    with pytest.raises(SourceError, match="Pass the SMILES that it names, 'CCO'"):
        rows(tmp_path, ["REMARK SMILES CCO", "REMARK SMILES IDX 1 1", *ligand])


def test_atoms_that_gemmi_does_not_read_are_told(tmp_path, monkeypatch):
    whole = pdb_files._read_atoms
    monkeypatch.setattr(pdb_files, "_read_atoms", lambda lines: whole(lines[1:]))
    (item,) = rows(tmp_path, GAS)
    assert item.problem.reason == "atoms not read" and "8 atoms of 9 records" in item.problem.detail


@pytest.mark.parametrize(
    "error", [IndexError("vector::at"), KeyError("x"), MemoryError(), UnicodeDecodeError("a", b"", 0, 1, "")]
)
def test_whatever_gemmi_raises_is_one_error_of_the_structure(tmp_path, monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(pdb_files, "_read_atoms", fail)
    with pytest.raises(SourceError, match=r"x\.pdb: gemmi cannot read it as PDB"):
        rows(tmp_path, GAS)
    assert all(item.problem.reason == "broken PDB" for item in rows(tmp_path, [*GAS, "END", *MKTV]))


def test_damaged_files_are_rows_or_typed_errors(tmp_path):
    chance = random.Random(0)
    whole = "\n".join([header("1ABC"), "SEQRES   1 A    3  GLY ALA SER", *GAS, "TER", *MKTV, "END", *GAS]).encode()
    for _ in range(300):
        damaged = bytearray(whole[: chance.randrange(1, len(whole))])
        for _ in range(chance.randrange(4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        (tmp_path / "x.pdb").write_bytes(damaged)
        try:
            found = list(read_items([tmp_path / "x.pdb"]))
        except SourceError as error:
            assert "\n" not in str(error)
        else:
            assert all(item.problem or item.proteins or item.molecules for item in found)


def test_chains_may_be_chosen_in_joined_files(tmp_path):
    rows(tmp_path, [*GAS, "END", *MKTV])
    assert read_proteins(tmp_path / "x.pdb", ["A"]) == ["GAS", "MKTV"]


def test_a_line_that_gemmi_refuses_is_quoted_without_a_number_that_is_not_the_files(tmp_path):
    with pytest.raises(SourceError, match=r"\(The line is too short to be correct: ATOM +nonsense\)"):
        rows(tmp_path, [*GAS, "ATOM   nonsense"])
