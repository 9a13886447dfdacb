"""SDF, MOL and MOL2 files give the molecules that RDKit's own readers give."""

import gzip

import pytest
from rdkit import Chem, rdBase

from biomedgpt_hf.files.items import read_items, read_molecules

ALANINE = "C[C@H](N)C(=O)O"
MOL2 = """@<TRIPOS>MOLECULE
{name}
 3 2 0 0 0
SMALL
NO_CHARGES

@<TRIPOS>ATOM
 1 O1 0.0 0.0 0.0 O.3 1 LIG 0.0
 2 H1 1.0 0.0 0.0 H 1 LIG 0.0
 3 H2 0.0 1.0 0.0 H 1 LIG 0.0
@<TRIPOS>BOND
 1 1 2 1
 2 1 3 1
"""
LISTED = Chem.MolToMolBlock(Chem.MolFromSmarts("C[N,O]"))


def block(smiles, title="", v3000=False):
    return title + Chem.MolToMolBlock(Chem.MolFromSmiles(smiles), forceV3000=v3000)


def rows(tmp_path, text, name="x.sdf"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(read_items([path]))


@pytest.mark.parametrize("v3000", [False, True])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_records_keep_their_stereo_and_names_whatever_ends_their_lines(tmp_path, v3000, ending):
    text = block(ALANINE, "alanine", v3000) + "$$$$\n" + block("F/C=C/F", "alkene", v3000)
    found = rows(tmp_path, text.replace("\n", ending))
    assert [(item.id, item.molecules) for item in found] == [("alanine", (ALANINE,)), ("alkene", ("F/C=C/F",))]


def test_stereo_comes_from_coordinates_in_three_dimensions(tmp_path):
    from rdkit.Chem import AllChem

    molecule = Chem.AddHs(Chem.MolFromSmiles(ALANINE))
    AllChem.EmbedMolecule(molecule, randomSeed=1)
    text = Chem.MolToMolBlock(molecule, includeStereo=False)
    assert rows(tmp_path, text)[0].molecules == (ALANINE,)


@pytest.mark.parametrize(
    ("fields", "id"),
    [
        ("> <PUBCHEM_COMPOUND_CID>\n702\n\n", "CID:702"),
        ("> <ChEBI ID>\nCHEBI:16236\n\n", "CHEBI:16236"),
        (">  <chembl_id> (1)\nCHEMBL545\n\n", "CHEMBL545"),
        ("> <activity>\n5\n\n", ""),
    ],
)
def test_a_record_without_a_title_is_known_by_its_fields(tmp_path, fields, id):
    (item,) = rows(tmp_path, block("CCO") + fields + "$$$$\n")
    assert (item.id, item.molecules) == (id, ("CCO",))


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (block("CCO").partition("M  END")[0], "its line 'M  END' is missing"),
        (block("CCO").replace(" O  ", " Q9 "), "RDKit cannot read the MOL block"),
        (block("CCO").replace("  3  2", "ABC  2"), "is its line of counts right, 'ABC  2"),
        (block("CCO").replace("  3  2", "  9  2"), "RDKit cannot read the MOL block"),
        (block("CCO").replace(" C  ", " F  ", 1).replace("  1  2  1", "  1  2  3"), "valence"),
        (Chem.MolToMolBlock(Chem.Mol()), "an empty molecule"),
        (LISTED, "one of several"),
    ],
)
def test_a_bad_record_says_why_and_costs_no_other(tmp_path, bad, words):
    first, second, third = rows(tmp_path, f"{block('C')}$$$$\n{bad}$$$$\n{block('CC')}$$$$\n")
    assert words in f"{second.problem.reason}: {second.problem.detail}" and not second.molecules
    assert (first.molecules, third.molecules) == (("C",), ("CC",))
    with pytest.raises(ValueError, match=r"x\.sdf, record 2: "):
        read_molecules(tmp_path / "x.sdf")


def test_mol2_files_may_hold_several_molecules(tmp_path):
    text = "# comment\n" + MOL2.format(name="first") + "\n" + MOL2.format(name="****")
    found = rows(tmp_path, text, "x.mol2")
    assert [(item.id, item.molecules, item.source) for item in found] == [
        ("first", ("O",), "x.mol2:2"),
        ("", ("O",), "x.mol2:16"),
    ]


@pytest.mark.parametrize(
    ("name", "count", "bad"),
    [
        ("structures/NCI_aids_few.sdf", 16, 0),
        ("structures/actives_5ht3.sdf.gz", 180, 0),
        ("structures/cdk2.sdf", 47, 0),
        ("structures/first_200.props.sdf", 200, 0),
        ("structures/pandas_load.sdf.gz", 14, 1),
        ("structures/solubility.test.sdf", 257, 0),
        ("structures/CHEMBL501674_3D.mol", 1, 0),
        ("structures/broken/rdkit_chunk_boundary_bug.sdf", 2, 0),
        ("structures/broken/ChEBI_50252.mol", 1, 1),
        ("structures/broken/badAtomName.mol", 1, 1),
        ("pubchem/pubchem.200.sdf", 200, 0),
        ("pubchem/Structure2D_COMPOUND_CID_4.sdf", 1, 0),
        ("pubchem/Conformer3D_COMPOUND_CID_4(1).sdf", 1, 0),
    ],
)
def test_real_files_have_the_molecules_that_rdkit_reads(shared, name, count, bad):
    path = shared / "data" / name
    content = gzip.decompress(path.read_bytes()) if name.endswith(".gz") else path.read_bytes()
    items = list(read_items([path]))
    with rdBase.BlockLogs():
        supplier = Chem.SDMolSupplier()
        supplier.SetData(content)
        known = [molecule and Chem.MolToInchiKey(molecule) for molecule in supplier]
        ours = [None if item.problem else Chem.MolToInchiKey(Chem.MolFromSmiles(*item.molecules)) for item in items]
    assert ours == known and len(ours) == count and ours.count(None) == bad


@pytest.mark.parametrize("name", ["3505", "Noxide", "benzene", "fusedRing", "broken/badSubstPyridine"])
def test_real_mol2_files_have_the_molecules_that_rdkit_reads(shared, name):
    path = shared / "data/structures" / f"{name}.mol2"
    assert read_molecules(path) == [Chem.MolToSmiles(Chem.MolFromMol2File(str(path)))]


def test_a_mol2_file_without_hydrogens_is_not_taken_for_radicals(tmp_path):
    lines = MOL2.format(name="bare").replace(" 3 2 0", " 2 1 0").replace(" H ", " C.3 ").split("\n")
    (item,) = rows(tmp_path, "\n".join(line for line in lines if not line.startswith((" 3 H2", " 2 1 3"))), "x.mol2")
    assert item.problem.reason == "hydrogens missing"


def test_a_mol2_file_without_atoms_is_told(shared):
    (item,) = read_items([shared / "data/structures/broken/mol_noatoms.mol2"])
    assert item.problem.reason in ("unreadable molecule", "no atoms")
