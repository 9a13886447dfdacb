"""Keys of the molecules and proteins in any file that a set has to keep clear of."""

import gzip
import json
import logging

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rdkit import Chem

from biomedgpt_hf.building.exclusions import ExcludedKeys, excluded_keys
from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.similarity.structure_key import structure_key

from ..built_set import inline_row, row, write_set

PROTEIN, OTHER = "MKVLAAGIVGAWW", "MSTNPKPQRKTKR"
ETHANOL, ALANINE, ABSENT = map(structure_key, ("CCO", "CC(N)C(=O)O", "CCCCCl"))
MOLECULES = {
    "chebi20.txt": 'CID\tSMILES\tdescription\n702\tCCO\tThe molecule is "ethanol".\n5950\tC[C@H](N)C(O)=O\tAn acid\n',
    "quoted.csv": 'name,"Canonical SMILES",note\n"ethanol, pure",OCC,"two\nlines"\nalanine,CC(N)C(O)=O,\n',
    "semicolons.csv": "Ligand SMILES;pIC50\nCCO;5,1\nCC(N)C(O)=O;6\n",
    "two columns.tsv": "smiles_1\tsmiles_2\nCCO\tCC(N)C(O)=O\n",
    "inchi.csv": 'InChI,InChIKey\n"InChI=1S/C2H6O/c1-2-3/h3H,2H2,1H3",LFQSCWFLJHTTHZ-UHFFFAOYSA-N\n'
    '"InChI=1S/C3H7NO2/c1-2(4)3(5)6/h2H,4H2,1H3,(H,5,6)",QNAYBMKLOCPYGJ-UHFFFAOYSA-N\n',
    "names.smi": "CCO ethanol\nCC(N)C(=O)[O-].[Na+]\tsodium alaninate\n",
    "cid-smiles": "702\tCCO\n5950\tC[C@@H](C(=O)O)N\n",
    "lines.jsonl": '{"smiles": "CCO"}\n{"smiles": "CC(N)C(O)=O", "more": [1]}\n',
    "chebi.obo": "format-version: 1.2\n\n[Term]\nid: CHEBI:16236\nname: ethanol\nproperty_value: "
    'http://purl.obolibrary.org/obo/chebi/smiles "CCO" xsd:string\n\n[Term]\nid: CHEBI:1\nname: no structure\n\n'
    '[Term]\nid: CHEBI:16449\nsynonym: "CC(N)C(O)=O" RELATED SMILES [ChEBI]\n',
}
PROTEINS = {
    "two.fasta": f">sp|P1|A_B first\n{PROTEIN[:6]}\n{PROTEIN[6:]}\n\n>second\n{OTHER.lower()}*\n",
    "comments.fasta": f"; a\n# b\n>x\n; half\n{PROTEIN[:6]}\n# of it\n{PROTEIN[6:]}\n! end\n>y\n{OTHER}*\n",
    "joined.fasta": f"\ufeff>x\r{PROTEIN}\r\ufeff>y\r{OTHER}",
    "export.tsv": "Entry\tProtein names\tSequence\tSequence similarities\n"
    f"P1\tA\t{PROTEIN}\tBelongs\nP2\tB\t{OTHER}\t\n",
    "target.csv": f"Drug,Target Sequence,Y\n,{PROTEIN},1\n,{OTHER},2\n",
    "list.jsonl": json.dumps({"proteins": [PROTEIN, OTHER]}) + "\n",
    "entries.dat": f"ID   A_B   Reviewed;   13 AA.\nAC   P1;\nSQ   SEQUENCE   13 AA;\n     {PROTEIN}\n//\n"
    f"ID   C_D   Reviewed;   13 AA.\nAC   P2;\nSQ   SEQUENCE   13 AA;\n     {OTHER[:10]} {OTHER[10:]}\n//\n",
    "entries.json": json.dumps(
        {
            "results": [
                {"entryType": "UniProtKB reviewed (Swiss-Prot)", "primaryAccession": f"P{n}", "sequence": {"value": s}}
                for n, s in enumerate((PROTEIN, OTHER))
            ]
        }
    ),
    "entries.xml": '<?xml version="1.0"?>\n<uniprot xmlns="http://uniprot.org/uniprot">\n'
    + "".join(
        f'<entry dataset="Swiss-Prot"><accession>P{n}</accession><name>N</name><sequence>{s}</sequence></entry>\n'
        for n, s in enumerate((PROTEIN, OTHER))
    )
    + "</uniprot>\n",
}


def write(folder, name, content, packed):
    """The name says nothing about the content."""
    path = folder / f"{name.split('.')[0]}.bin"
    raw = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(gzip.compress(raw) if packed else raw)
    return path


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("name", MOLECULES)
def test_molecules_are_found_by_structure_in_each_kind_of_file(tmp_path, name, packed):
    excluded = excluded_keys([write(tmp_path, name, MOLECULES[name], packed)])
    assert ETHANOL in excluded and ALANINE in excluded and ABSENT not in excluded
    assert (len(excluded), excluded.unreadable) == (2, 0)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("name", PROTEINS)
def test_proteins_are_found_by_sequence_in_each_kind_of_file(tmp_path, name, packed):
    excluded = excluded_keys([write(tmp_path, name, PROTEINS[name], packed)])
    assert PROTEIN in excluded and OTHER in excluded and PROTEIN[1:] not in excluded
    assert (len(excluded), excluded.unreadable) == (2, 0)


@pytest.mark.parametrize("kekulize", [False, True])
def test_molecules_are_found_in_sdf_of_both_versions(tmp_path, kekulize):
    blocks = [Chem.MolToMolBlock(Chem.MolFromSmiles("CCO"), forceV3000=kekulize)]
    blocks.append(Chem.MolToMolBlock(Chem.MolFromSmiles("CC(N)C(=O)O")) + "> <NAME>\nalanine\n\n")
    excluded = excluded_keys([write(tmp_path, "some.sdf", "$$$$\n".join([*blocks, ""]), packed=kekulize)])
    assert ETHANOL in excluded and ALANINE in excluded and len(excluded) == 2


def test_a_set_is_read_from_its_folder_and_from_one_of_its_files(tmp_path):
    rows = [row("a", molecules=["CCO"]), inline_row("b", molecule="CC(N)C(O)=O", protein=PROTEIN)]
    folder = write_set(tmp_path / "set", {"train": rows, "test": [row("c", proteins=[OTHER.lower()])]})
    everything = excluded_keys([folder])
    assert all(key in everything for key in (ETHANOL, ALANINE, PROTEIN, OTHER)) and len(everything) == 4
    test_only = excluded_keys([next(folder.glob("data/test-*"))])
    assert OTHER in test_only and len(test_only) == 1


def test_another_parquet_file_is_a_table(tmp_path):
    table = pa.table({"SMILES": ["CCO", None], "protein_sequence": [None, PROTEIN], "x": [1.0, 2.0]})
    pq.write_table(table, tmp_path / "table")
    excluded = excluded_keys([tmp_path / "table"])
    assert ETHANOL in excluded and PROTEIN in excluded and len(excluded) == 2


def test_several_files_add_up_and_none_exclude_nothing(tmp_path):
    first = write(tmp_path, "a.smi", "CCO\nCCO\nOCC\n", packed=False)
    second = write(tmp_path, "b.fasta", f">x\n{PROTEIN}\n", packed=False)
    excluded = excluded_keys([first, second, first])
    assert len(excluded) == 2 and ETHANOL in excluded and PROTEIN in excluded
    assert len(excluded_keys([])) == 0 and ETHANOL not in excluded_keys([])


def test_what_cannot_be_read_is_counted_and_told(tmp_path, caplog):
    lines = [f"{number}\tCCO\ttext" for number in range(20)]
    lines[7] = "7\tC(C\ttext"
    lines[9] = "9\tone cell too few"
    path = write(tmp_path, "t.tsv", "\n".join(["CID\tSMILES\tdescription", *lines, ""]), packed=False)
    with caplog.at_level(logging.WARNING):
        excluded = excluded_keys([path])
    assert (len(excluded), excluded.unreadable) == (1, 2)
    (message,) = caplog.messages
    assert str(path) in message and "2 of 20" in message and "line 9" in message and "C(C" in message


def test_a_sequence_with_other_characters_is_told(tmp_path, caplog):
    path = write(tmp_path, "a.fasta", f">x\n{PROTEIN}\n>y\nMK-LA\n>empty\n>z\n{OTHER}\n", packed=False)
    assert len(excluded_keys([path])) == 2
    assert "2 of 4" in caplog.text and "MK-LA" in caplog.text


@pytest.mark.parametrize("name", ["two.fasta", "table.csv", "list.jsonl"])
def test_letters_that_become_others_in_upper_case_exclude_nothing(tmp_path, name, caplog):
    texts = {"two.fasta": f">x\nMßK\n>y\n{PROTEIN}\n", "table.csv": f"sequence,n\nMßK,1\n{PROTEIN},2\n"}
    content = texts.get(name) or json.dumps({"proteins": ["MßK", PROTEIN]}) + "\n"
    excluded = excluded_keys([write(tmp_path, name, content, packed=False)])
    assert "MSSK" not in excluded and PROTEIN in excluded and excluded.unreadable == 1
    assert "'ß' at index 1 is not a residue" in caplog.text


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "empty"),
        ("\n\n\n", "blank"),
        ("What is this?\nNobody knows.\n", "nothing in it tells what it is"),
        ("question,answer\nWhy?,Because.\n", "nothing in it tells what it is"),
        ('{"question": "Why?"}\n', "nothing in it tells what it is"),
        (">lupine cDNA\nGAAAATTCATTTTCTTTGGACN\n", "nucleotides"),
        ("SMILES,name\nC(C,broken\nC1CC,open\n", "no molecule or protein that can be read"),
        ("SMILES,name\n", "no molecule or protein that can be read"),
        ("<html><body>404</body></html>", "web page"),
        (b"PAR1 but no more", "Parquet"),
        (gzip.compress(b"CCO ethanol\n" * 50_000, mtime=0)[:-30], "truncated"),
        (b"PK\x03\x04zip", "zip"),
    ],
    ids=[
        "empty",
        "blank",
        "prose",
        "csv",
        "jsonl",
        "nucleotides",
        "unreadable",
        "header",
        "html",
        "parquet",
        "cut",
        "zip",
    ],
)
def test_a_file_that_excludes_nothing_is_an_error_that_names_it(tmp_path, content, reason):
    path = write(tmp_path, "some", content, packed=False)
    with pytest.raises(SourceError, match=reason) as caught:
        excluded_keys([path])
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_missing_files_and_other_folders_are_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        excluded_keys([tmp_path / "absent"])
    with pytest.raises(SourceError, match="folder without data"):
        excluded_keys([tmp_path])


def test_many_keys_take_eight_bytes_each(monkeypatch, tmp_path):
    monkeypatch.setattr("biomedgpt_hf.building.exclusions.PENDING", 64)
    monkeypatch.setattr("biomedgpt_hf.building.exclusions.CHUNK", 10)
    alphabet = "ACDEFGHIKL"
    sequences = ["MW" + "".join(alphabet[int(digit)] for digit in str(number)) for number in range(3000)]
    path = write(tmp_path, "a.fasta", "".join(f">x\n{one}\n" for one in sequences), packed=False)
    excluded = excluded_keys([path])
    assert len(excluded) == 3000
    assert all(one in excluded for one in sequences)
    assert not any(one + "Y" in excluded for one in sequences)


def test_an_empty_collection_has_no_key():
    assert len(ExcludedKeys()) == 0 and "" not in ExcludedKeys()


def test_real_files_give_as_many_keys_as_a_plain_reading_of_them(shared):
    folder = shared / "data"
    lines = (folder / "captions/pubchem324k/valid.txt").read_text("utf-8").splitlines()[1:]
    expected = {structure_key(line.split("\t")[1]) for line in lines}
    excluded = excluded_keys([folder / "captions/pubchem324k/valid.txt"])
    assert len(excluded) == len(expected) and all(key in excluded for key in expected)
    flat = (folder / "proteins/uniprot_flat/swissprot_shared.dat").read_text("utf-8").split("\n//\n")[:-1]
    sequences = {"".join(entry.split("\nSQ ")[1].split("\n", 1)[1].split()) for entry in flat}
    excluded = excluded_keys([folder / "proteins/uniprot_flat/swissprot_shared.dat"])
    assert len(excluded) == len(sequences) and all(key in excluded for key in sequences)


def test_words_for_nothing_exclude_nothing_and_a_doubled_column_is_read_once(tmp_path, caplog):
    (tmp_path / "t.csv").write_text(f"Drug,Target,Target\nCCO,{PROTEIN},NA\nnan,None,-\n")
    with caplog.at_level(logging.WARNING):
        keys = excluded_keys([tmp_path / "t.csv"])
    assert ETHANOL in keys and PROTEIN in keys and "NA" not in keys and not caplog.records
