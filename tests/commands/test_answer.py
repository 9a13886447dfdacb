"""`biomedgpt ask` about the molecules and proteins of files."""

import pytest
from typer.testing import CliRunner

from biomedgpt_hf.cli import app

SEQRES = "SEQRES   1 A    4  ALA SER VAL GLY\nSEQRES   1 B    4  ALA SER VAL GLY\nSEQRES   1 C    3  TRP LYS MET\n"


def ask(*arguments):
    return CliRunner().invoke(app, ["ask", "What is this?", "--max-new-tokens", "3", *map(str, arguments)])


@pytest.fixture
def structure(tmp_path):
    (tmp_path / "x.pdb").write_text(SEQRES)
    return tmp_path / "x.pdb"


def test_equal_chains_are_asked_about_once_and_told(structure):
    result = ask("--protein-file", structure)
    assert result.exit_code == 0 and "x:B in" in result.stderr and "the same protein as x:A" in result.stderr


def test_a_chain_is_chosen_by_its_name(structure):
    result = ask("--protein-file", structure, "--chain", "C")
    assert result.exit_code == 0 and "the same protein" not in result.stderr
    result = ask("--protein-file", structure, "--chain", "Z")
    assert result.exit_code == 1 and "x.pdb has no protein chain 'Z'. Its protein chains are A, B, C." in result.stderr


def test_chains_without_a_file_of_proteins_are_an_error():
    result = ask("--molecule", "CCO", "--chain", "A")
    assert result.exit_code == 1 and "--chain" in result.stderr


def test_a_file_with_a_bad_record_is_one_line_that_names_both(tmp_path):
    (tmp_path / "x.fasta").write_text(">good\nMKT\n>bad\nMK-T\n")
    result = ask("--protein-file", tmp_path / "x.fasta")
    assert result.exit_code == 1 and result.stderr.count("\n") == 1
    assert "x.fasta, record 2 (bad): unreadable protein: '-' at index 2 is a gap" in result.stderr


def test_a_column_or_the_format_of_a_file_is_named(tmp_path):
    (tmp_path / "t.csv").write_text("id,drug,toxic\n1,CCO,0\n")
    result = ask("--molecule-file", tmp_path / "t.csv")
    assert result.exit_code == 1 and "has the columns 'id', 'drug', 'toxic'. Name the columns" in result.stderr
    assert "--molecule-column" in result.stderr and result.stderr.count("\n") == 1
    result = ask("--molecule-file", tmp_path / "t.csv", "--molecule-column", "drug")
    assert result.exit_code == 0, result.stderr
    result = ask("--molecule-file", tmp_path / "t.csv", "--format", "smiles")
    assert result.exit_code == 1 and "Cannot read molecule 0, 'id'" in result.stderr
    for option in (("--molecule-column", "drug"), ("--protein-column", "x"), ("--format", "csv")):
        result = ask("--molecule", "CCO", *option)
        assert result.exit_code == 1 and f"{option[0]} tells how to read a file" in result.stderr


def test_what_a_table_has_beside_its_molecules_is_told(tmp_path, caplog):
    (tmp_path / "t.csv").write_text("CanonicalSMILES,IsomericSMILES,Target\nCC(N)C,C[C@H](N)C,MKTAYIAKQR\n")
    assert ask("--molecule-file", tmp_path / "t.csv").exit_code == 0
    lines = [record.getMessage() for record in caplog.records if "t.csv" in record.getMessage()]
    assert len(lines) == 2 and "the proteins in 'Target' are left out" in lines[0]
    assert "are read from 'IsomericSMILES', passing over 'CanonicalSMILES'" in lines[1]
