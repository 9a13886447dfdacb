"""Molecules and proteins from files."""

import gzip

import pytest
from hypothesis import given, settings, strategies
from rdkit import Chem

from biomedgpt_hf import InvalidMoleculeError, smiles_to_graph
from biomedgpt_hf.files.items import count_items, items, read_items, read_molecules, read_proteins
from biomedgpt_hf.files.sources import SourceError


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
        (read_molecules, b"", "is empty"),
        (read_molecules, sdf("CCO").replace(" O ", " Q9").encode(), "record 1"),
        (read_molecules, b"\x89PNG\xff\xfe", "is an image"),
        (read_molecules, gzip.compress(b"CCO\n" * 99, mtime=0)[:-9], "truncated"),
        (read_proteins, b"MKTAYI", "not an item"),
        (read_proteins, b"", "is empty"),
        (read_proteins, b">one\n>two\nMK\n", "record 1 .one.: no residues"),
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


SMALL_FILES = {
    "list.smi": "CCO ethanol\n\n# comment\nC\tmethane\n",
    "cids": "702\tCCO\n2\n297\tC\n",
    "x.sdf": sdf("CCO", "C") + "bad\n$$$$\n\n\n",
    "x.fasta": ">a\nMKT\n>b\n>c\nMK-\n",
    "x.csv": 'smiles,name\nCCO,a\n,b\n"C\nC",c\n,\nC\n',
    "x.jsonl": '{"sequence": "MKT"}\n[1]\n{"sequence": null}\n',
    "x.pdb": "SEQRES   1 A    3  ALA SER VAL\nSEQRES   1 B    2  DA  DC\nSEQRES   1 C    1  TRP\n",
    "x.cif": "data_none\n_a.b 1\ndata_other\n_a.b 1\n",
}


@settings(max_examples=60, deadline=None)
@given(
    names=strategies.lists(strategies.sampled_from(sorted(SMALL_FILES)), min_size=1, max_size=4),
    first=strategies.integers(1, 15),
    last=strategies.none() | strategies.integers(0, 15),
)
def test_counts_and_slices_agree_with_reading_all(tmp_path_factory, names, first, last):
    folder = tmp_path_factory.mktemp("files")
    for name, text in SMALL_FILES.items():
        (folder / name).write_text(text)
    paths = [folder / name for name in names]
    found = [plain(item) for item in read_items(paths)]
    assert [item[0] for item in found] == list(range(1, len(found) + 1))
    assert count_items(paths) == len(found)
    assert [plain(item) for item in read_items(paths, first=first, last=last)] == found[first - 1 : last]


def plain(item):
    return (*item[:-1], item.problem and str(item.problem))


def test_rows_before_the_first_are_not_parsed(tmp_path, monkeypatch):
    (tmp_path / "x.sdf").write_text(sdf("CCO", "C", "CC"))
    seen = []
    monkeypatch.setitem(items.CONVERT, "molecule", lambda structure: seen.append(structure) or "C")
    (item,) = read_items([tmp_path / "x.sdf"], first=2, last=2)
    assert item.row == 2 and len(seen) == 1


def test_a_file_that_breaks_off_gives_what_stands_before_the_break(tmp_path):
    lines = "".join(f"{'C' * (n % 50 + 1)}O\tname {n * 7919 % 10007}\n" for n in range(3000))
    packed = gzip.compress(lines.encode())
    (tmp_path / "x").write_bytes(packed[: len(packed) // 2])
    read = read_items([tmp_path / "x"])
    with pytest.raises(SourceError, match="truncated"):
        for number, item in enumerate(read, start=1):
            assert item.row == number
    assert number > 100
    assert [item.row for item in read_items([tmp_path / "x"], last=5)] == [1, 2, 3, 4, 5]
    with pytest.raises(SourceError, match="truncated"):
        count_items([tmp_path / "x"])


@pytest.mark.parametrize(
    "text",
    [
        *("$RXN\n\n", "$RDFILE 1\n", "ID   P12345\nAC   P12345;\n", "$$$$\n", "hello world\n", "\n<!DOCTYPE html>"),
        "To do\n* one thing\n* another thing\n********\n",
    ],
)
def test_files_of_other_kinds_are_refused_by_name(tmp_path, text):
    (tmp_path / "other").write_text(text)
    with pytest.raises(SourceError, match="other"):
        list(read_items([tmp_path / "other"]))


@pytest.mark.parametrize("folder", ["structures", "structures/broken", "proteins/fasta", "pubchem"])
def test_every_real_file_is_read_or_refused_in_one_line(shared, folder):
    for path in sorted((shared / "data" / folder).iterdir()):
        if path.is_file() and path.suffix != ".json" and path.stat().st_size < 500_000:
            try:
                assert count_items([path]) == len(list(read_items([path]))) > 0
            except SourceError as error:
                assert path.name == "blank.fasta" and "is empty" in str(error)
