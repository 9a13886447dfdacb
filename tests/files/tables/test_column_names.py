"""Names of columns say what a column holds, and which of several holds most."""

import pytest

from biomedgpt_hf.files.tables.column_names import known_columns, likely_columns, partner_columns


@pytest.mark.parametrize(
    ("columns", "best"),
    [
        (["CanonicalSMILES", "IsomericSMILES"], "IsomericSMILES"),
        (["canonical_smiles", "isomeric_smiles", "smiles"], "isomeric_smiles"),
        (["cid", "isosmiles", "canonicalsmiles"], "isosmiles"),
        (["ConnectivitySMILES", "SMILES"], "SMILES"),
        (["InChI", "Ligand SMILES"], "Ligand SMILES"),
        (["drug_canonical_smiles", "drug_isomeric_smiles"], "drug_isomeric_smiles"),
        (["smiles_nostereo", "ligand_smiles"], "ligand_smiles"),
        (["flat_smiles", "stereo_smiles"], "stereo_smiles"),
        (["scaffold_isomeric_smiles", "smiles"], "smiles"),
        (["ConnectivitySMILES"], "ConnectivitySMILES"),
    ],
)
def test_of_several_columns_of_molecules_the_one_with_stereo_is_the_best(columns, best):
    assert known_columns(columns, "molecule")[0] == known_columns(columns[::-1], "molecule")[0] == best


def test_names_of_nucleotides_and_of_lengths_are_not_those_of_proteins():
    columns = [
        "receptor_sequence",
        "Heavy chain sequence",
        "dna_sequence",
        "cDNA sequence",
        "sequence_length",
        "scRNAseq",
    ]
    assert likely_columns(columns, "protein") == ["receptor_sequence", "Heavy chain sequence"]
    assert known_columns(columns, "protein") == [] and likely_columns(columns, "molecule") == []


def test_names_of_partners_are_known_whole_only():
    columns = ["Drug", "Drug_ID", "Target", "Target Name"]
    assert (partner_columns(columns, "molecule"), partner_columns(columns, "protein")) == (["Drug"], ["Target"])
