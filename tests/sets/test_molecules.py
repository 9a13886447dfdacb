"""Molecules that RDKit reads but a feature set has no category for are counted apart, and kept where it has one."""

import json

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from biomedgpt_hf.building.pipeline import BuildSettings
from biomedgpt_hf.files.records import RejectedRecord, UnwantedRecord
from biomedgpt_hf.processors.molecular_graph import (
    InvalidMoleculeError,
    UncoveredMoleculeError,
    molecules_to_graphs,
    smiles_to_graph,
)
from biomedgpt_hf.sets.molecules import checked_molecule
from biomedgpt_hf.similarity.structure_key import structure_key

DATIVE = "[NH3]->[Pt](Cl)Cl"
QUADRUPLE = "[Re]$[Re]"
SQUARE_PLANAR = "Cl[Pt@SP1](Cl)([NH3])[NH3]"  # which neither set has a category for


@pytest.mark.parametrize("molecule", [DATIVE, QUADRUPLE, SQUARE_PLANAR, "C~[Pt]"])
def test_a_sound_molecule_without_a_category_is_no_faulty_one(molecule):
    with pytest.raises(UncoveredMoleculeError):
        smiles_to_graph(molecule)
    with pytest.raises(UncoveredMoleculeError):
        molecules_to_graphs(["CCO", molecule])
    with pytest.raises(UnwantedRecord) as error:
        checked_molecule(molecule)
    assert error.value.reason == "no place in the features graphmvp"
    assert molecule in error.value.detail and "--features" in error.value.detail and "'ogb'" in error.value.detail
    if molecule != SQUARE_PLANAR:
        assert checked_molecule(molecule, "ogb") == structure_key(molecule)


@pytest.mark.parametrize("molecule", ["C(C", "CN(C)(C)(C)C", "", "CCO ethanol"])
def test_what_rdkit_cannot_read_is_faulty_with_any_features(molecule):
    for features in ("graphmvp", "ogb"):
        with pytest.raises(InvalidMoleculeError) as unread:
            smiles_to_graph(molecule, features)
        assert not isinstance(unread.value, UncoveredMoleculeError)
        with pytest.raises(RejectedRecord) as error:
            checked_molecule(molecule, features)
        assert (type(error.value), error.value.reason) == (RejectedRecord, "unreadable molecule")


def table_of(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(f"smiles,a\nCCO,yes\n{DATIVE},no\n{QUADRUPLE},no\nC(C,no\n")
    return [str(path), "--molecule-column", "smiles", "--question", "Is it?", "--answer-column", "a"]


def captions_of(tmp_path):
    path = tmp_path / "train.txt"
    path.write_text(f"CID\tSMILES\tdescription\n1\tCCO\tA.\n2\t{DATIVE}\tB.\n3\t{QUADRUPLE}\tC.\n4\tC(C\tD.\n")
    return [str(path)]


def list_of(tmp_path):
    path = tmp_path / "list.smi"
    path.write_text(f"CCO\n{DATIVE}\n{QUADRUPLE}\nC(C\n")
    return [str(path), "--facts", "formula"]


def pages_of(tmp_path):
    annotations = [
        {
            "SourceName": "Depositor",
            "ANID": cid,
            "Data": [
                {
                    "TOCHeading": {"#TOCHeading": "Record Description"},
                    "Value": {"StringWithMarkup": [{"String": f"This is the compound {cid}."}]},
                }
            ],
            "LinkedRecords": {"CID": [cid]},
        }
        for cid in range(1, 5)
    ]
    page = tmp_path / "page.json"
    page.write_text(json.dumps({"Annotations": {"Annotation": annotations}}))
    structures = tmp_path / "CID-SMILES"
    structures.write_text(f"1\tCCO\n2\t{DATIVE}\n3\t{QUADRUPLE}\n4\tC(C\n")
    return [str(page), str(structures)]


@pytest.mark.parametrize(
    ("name", "sources"),
    [("table", table_of), ("chebi20", captions_of), ("molecule-facts", list_of), ("pubchemqa", pages_of)],
)
def test_every_builder_of_molecules_lets_one_choose_the_features(name, sources, tmp_path):
    from biomedgpt_hf.cli import app

    words = ["data", name, *sources(tmp_path), "--processes", "1", "--max-rejected", "1", "--output"]
    blind, seeing = tmp_path / "graphmvp", tmp_path / "ogb"
    told = CliRunner().invoke(app, [*words, str(blind)])
    assert told.exit_code == 0, told.output
    assert "2 no place in the features graphmvp" in told.output
    assert CliRunner().invoke(app, [*words, str(seeing), "--features", "ogb"]).exit_code == 0

    kept, all_kept = (json.loads((folder / "manifest.json").read_text()) for folder in (blind, seeing))
    assert kept["counts"]["rejected"] == {"no place in the features graphmvp": 2, "unreadable molecule": 1}
    assert all_kept["counts"]["rejected"] == {"unreadable molecule": 1}
    assert kept["counts"]["records_faulty"] == all_kept["counts"]["records_faulty"] == 1
    assert (kept["options"]["features"], all_kept["options"]["features"]) == ("graphmvp", "ogb")
    for folder, features in ((blind, "graphmvp"), (seeing, "ogb")):
        assert f"features {features}" in (folder / "README.md").read_text()
    rows = [row for path in (seeing / "data").iterdir() for row in pq.read_table(path)["molecules"].to_pylist()]
    assert sorted(rows) == sorted([["CCO"], [DATIVE], [QUADRUPLE]])


def test_unknown_features_are_refused_before_anything_is_built(tmp_path):
    from biomedgpt_hf.sets.chebi20.builder import build_chebi20

    path = captions_of(tmp_path)[0]
    with pytest.raises(ValueError, match="features is 'morgan': choose one of graphmvp, ogb"):
        build_chebi20([path], tmp_path / "set", features="morgan", settings=BuildSettings(progress=False))
    assert not (tmp_path / "set").exists()


def test_a_table_without_molecules_says_nothing_of_features(tmp_path):
    from biomedgpt_hf.sets.table.builder import build_table

    path = tmp_path / "t.csv"
    path.write_text("p,a\nMKT,yes\n")
    settings = BuildSettings(progress=False)
    manifest = build_table(
        [path], tmp_path / "set", protein_columns=["p"], question="Is it?", answer_column="a", settings=settings
    )
    assert "features" not in manifest["options"]
