"""The scripts that make and measure the embedded checkpoint run from raw files to figures."""

import gzip
import importlib.util
import json
import sys
from pathlib import Path

import pytest

from biomedgpt_hf.neighbours import NeighbourIndex
from biomedgpt_hf.neighbours.folder import ITEMS, ItemFile

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SMILES = ["C" * n + end for n in range(2, 12) for end in ("O", "N", "(=O)O")]
FLAT_FILE = """\
ID   TEST{i}_HUMAN              Reviewed;          {length} AA.
AC   Q0000{i};
DE   RecName: Full=Test protein {i};
OS   Homo sapiens (Human).
CC   -!- FUNCTION: Does thing number {i} in the cell.
CC   -!- SUBCELLULAR LOCATION: Cytoplasm.
SQ   SEQUENCE   {length} AA;  1000 MW;  0000000000000000 CRC64;
     {sequence}
//
"""


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Raw files in the original formats, small and made up."""
    folder = tmp_path / "raw"
    captions, ontology = folder / "captions" / "chebi20", folder / "captions" / "chebi_ontology"
    flat, small = folder / "proteins" / "uniprot_flat", folder / "proteins" / "small_files"
    for path in (captions, ontology, flat, small / "uniprot_core"):
        path.mkdir(parents=True)
    rows = [f"{i}\t{smiles}\tThe molecule is number {i} of a series." for i, smiles in enumerate(SMILES)]
    for name, lines in (("validation", rows[:-2]), ("test", rows[-2:])):
        (captions / f"{name}.txt").write_text("\n".join(["CID\tSMILES\tdescription", *lines]) + "\n")
    (ontology / "module.obo").write_text(
        "format-version: 1.2\n\n[Term]\nid: CHEBI:1\nname: benzene\n"
        'def: "A six-membered aromatic ring." []\n'
        'property_value: http://purl.obolibrary.org/obo/chebi/smiles "c1ccccc1" xsd:string\n'
    )
    entries = []
    for i in range(6):
        sequence = "".join("ACDEFGHIKLMNPQRSTVWY"[(i * 7 + k * (i + 3)) % 20] for k in range(30))
        groups = " ".join(sequence[k : k + 10] for k in range(0, 30, 10))
        entries.append(FLAT_FILE.format(i=i, sequence=groups, length=len(sequence)))
    (flat / "swissprot_some.dat").write_text("".join(entries[:3]))
    for i, path in enumerate((small / "one.txt", small / "two.dat", small / "uniprot_core" / "three.dat"), 3):
        path.write_text(entries[i])
    return folder


def run(name: str, arguments: list, monkeypatch: pytest.MonkeyPatch, **constants: int) -> None:
    """Runs a script's `main` as the command line would, with some constants made small."""
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    spec = importlib.util.spec_from_file_location(Path(name).stem, EXAMPLES / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for constant, value in constants.items():
        assert hasattr(module, constant)
        monkeypatch.setattr(module, constant, value)
    module.main()


def test_raw_files_become_a_checkpoint_that_can_be_measured(raw, tmp_path, monkeypatch):
    data, output, figures = tmp_path / "data", tmp_path / "mini", tmp_path / "figures.json"
    run("mini_data.py", [raw, data], monkeypatch, VALIDATION_MOLECULES=5, VALIDATION_PROTEINS=0.4)
    run("train_mini.py", [data, "--output", output, "--max-steps", 2], monkeypatch, VOCAB_SIZE=400)
    run("measure_mini.py", [data, "--checkpoint", output, "--output", figures], monkeypatch)

    measured = json.loads(figures.read_text())
    assert measured["captions"]["rows"] == 5
    assert measured["captions"]["loss_right"] > 0
    assert not list(output.glob("*.py"))
    assert "held-out captions" in (output / "README.md").read_text()


def test_the_index_of_what_is_known_is_made_of_raw_files_without_the_benchmarks_molecules(
    raw, tmp_path, monkeypatch, capsys
):
    table = "chebi_id\tname\tdefinition\tstructure\nCHEBI:7\thexanal\tAn aldehyde.\tCCCCCC=O\n"
    (raw / "captions" / "chebi_ontology" / "merged_chebi_terms.tsv.gz").write_bytes(gzip.compress(table.encode()))
    run("mini_known.py", [raw, tmp_path / "made"], monkeypatch)
    assert "Passed over" in capsys.readouterr().out  # most kinds of files are not there
    index = NeighbourIndex.open(tmp_path / "made" / "known")
    (aldehyde,), tested = index.molecules(["O=CCCCCC", SMILES[-1]], 1)
    assert (aldehyde.name, aldehyde.id, aldehyde.identical) == ("hexanal", "CHEBI:7", True)
    assert not tested or not tested[0].same
    assert index.proteins([index_sequence(index)], 1)[0][0].same


def index_sequence(index: NeighbourIndex) -> str:
    """The sequence of the first protein that is known."""
    (row,) = ItemFile(index.folder / ITEMS).read([index.manifest["counts"]["molecules"]]).values()
    return row["item"]
