"""Molecules and proteins from files."""

import gzip

import pytest
from rdkit import Chem

from biomedgpt_hf import InvalidMoleculeError, smiles_to_graph
from biomedgpt_hf.inference.structure_files import read_molecules, read_proteins


def sdf(*smiles: str) -> str:
    return "".join(Chem.MolToMolBlock(Chem.MolFromSmiles(one)) + "\n$$$$\n" for one in smiles)


@pytest.mark.parametrize("pack", [lambda text: text.encode(), lambda text: gzip.compress(text.encode())])
@pytest.mark.parametrize(
    ("text", "count"),
    [(sdf("CCO", "c1ccccc1"), 2), (sdf("CCO").removesuffix("\n$$$$\n"), 1), ("CCO ethanol\r\n\r\nC methane\r\n", 2)],
)
def test_molecules_come_from_sdf_mol_and_lines_of_smiles_plain_or_gzipped(tmp_path, text, count, pack):
    path = tmp_path / "file"
    path.write_bytes(pack(text))
    molecules = read_molecules(path)
    assert len(molecules) == count
    assert len(smiles_to_graph(molecules[0]).atom_features) == 3


def test_proteins_come_from_fasta_with_wrapped_lines(tmp_path):
    path = tmp_path / "proteins.fasta"
    path.write_text(">one\nMKT\nAYI\n\n>two with a name\nGIVEQ\n")
    assert read_proteins(path) == ["MKTAYI", "GIVEQ"]


@pytest.mark.parametrize(
    ("read", "data", "words"),
    [
        (read_molecules, b"", "holds no molecule"),
        (read_molecules, sdf("CCO").replace(" O ", " Q9").encode(), "record 0"),
        (read_molecules, b"\x89PNG\xff\xfe", "no text file"),
        (read_molecules, gzip.compress(b"CCO\n" * 99)[:-9], "breaks off"),
        (read_proteins, b"MKTAYI", "header line"),
        (read_proteins, b"", "header line"),
        (read_proteins, b">one\n>two\nMK\n", "'one'"),
    ],
)
def test_a_broken_file_gives_one_error_that_names_it(tmp_path, read, data, words):
    path = tmp_path / "broken.file"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=words) as caught:
        read(path)
    assert "broken.file" in str(caught.value)


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(OSError):
        read_molecules(tmp_path / "none.sdf")


def test_a_line_that_is_no_smiles_is_left_for_the_processor_to_name(tmp_path):
    path = tmp_path / "lines.smi"
    path.write_text("aspirin\n")
    with pytest.raises(InvalidMoleculeError, match="looks like a name"):
        smiles_to_graph(read_molecules(path)[0])
