"""Protein chains are read from PDB and mmCIF files."""

import gzip
import warnings
from itertools import count

import gemmi
import pytest
from Bio import SeqIO

from biomedgpt_hf.files.items import count_items, read_distinct_chains, read_items, read_proteins
from biomedgpt_hf.files.sources import SourceError


def structure(*chains, step=3.8):
    """A structure of (name, [(residue, number)]); residues with successive numbers lie within a bond's reach."""
    made, serial = gemmi.Structure(), count(1)
    made.add_model(gemmi.Model(1))
    for height, (name, residues) in enumerate(chains):
        chain, place, before = gemmi.Chain(name), 0.0, None
        for residue_name, number in residues:
            residue = gemmi.Residue()
            residue.name, residue.seqid = residue_name, gemmi.SeqId(str(number))
            digits = int(str(number).rstrip("ABC"))
            place += step if before is None or digits - before <= 1 or digits - before > 500 else 20
            before = digits
            for atom_name, shift in (("N", -1.2), ("CA", 0.0), ("C", 1.3)):
                atom = gemmi.Atom()
                atom.name, atom.element = atom_name, gemmi.Element(atom_name[0])
                atom.pos, atom.serial = gemmi.Position(place + shift, 30.0 * height, 0), next(serial)
                residue.add_atom(atom)
            chain.add_residue(residue)
        made[0].add_chain(chain)
    return made


def peptide(*names, first=1):
    return [(name, number) for number, name in enumerate(names, first)]


def written(path, made, kind="pdb"):
    made.setup_entities()
    if kind == "pdb":
        path.write_text(made.make_minimal_pdb())
    else:
        made.make_mmcif_document().write_file(str(path))
    return path


def sequences(path):
    return {item.id: item.proteins[0] for item in read_items([path])}


@pytest.mark.parametrize("kind", ["pdb", "cif"])
@pytest.mark.parametrize("pack", [False, True])
def test_chains_become_rows_under_their_authors_names(tmp_path, kind, pack):
    made = structure(("H", peptide("GLY", "ALA", "SER", "VAL")), ("L", peptide("MET", "LYS", "THR")))
    path = written(tmp_path / f"antibody.{kind}", made, kind)
    if pack:
        path.write_bytes(gzip.compress(path.read_bytes()))
    found = sequences(path)
    assert list(found.values()) == ["GASV", "MKT"] and [id[-2:] for id in found] == [":H", ":L"]
    assert read_proteins(path, ["L"]) == ["MKT"]
    with pytest.raises(ValueError, match="no protein chain 'A'. Its protein chains are H, L"):
        read_proteins(path, ["A"])


@pytest.mark.parametrize("kind", ["pdb", "cif"])
def test_modified_residues_have_their_parents_letter_and_unknown_ones_x(tmp_path, kind):
    names = ("MSE", "SEP", "TPO", "UNK", "DAL", "SEC", "GLY", "HYP")
    path = written(tmp_path / "x.pdb", structure(("A", peptide(*names))), kind)
    assert list(sequences(path).values()) == ["MSTXAUGP"]


@pytest.mark.parametrize("kind", ["pdb", "cif"])
def test_residues_as_force_fields_and_the_dictionary_of_the_pdb_name_them_have_their_letters(tmp_path, kind):
    names = ("ACE", "HIE", "CYX", "HSD", "ASH", "GLH", "LYN", "NVA", "PCA", "XXX", "HIP", "NME")
    path = written(tmp_path / "prepared.pdb", structure(("A", peptide(*names))), kind)
    assert list(sequences(path).values()) == ["HCHDEKVQXH"]


def test_missing_numbers_are_x_only_where_the_chain_is_broken(tmp_path):
    missing = structure(("A", [("GLY", 1), ("ALA", 2), ("SER", 6), ("VAL", 7)]))
    assert list(sequences(written(tmp_path / "missing.pdb", missing)).values()) == ["GAXXXSV"]
    fused = structure(("A", [("GLY", 1), ("ALA", 2), ("SER", 1002), ("VAL", 1003), ("LEU", 3), ("LEU", 4)]))
    assert list(sequences(written(tmp_path / "fused.pdb", fused)).values()) == ["GASVLL"]
    inserted = structure(("A", [("GLY", 52), ("ALA", "52A"), ("SER", "52B"), ("VAL", 53)]))
    assert list(sequences(written(tmp_path / "inserted.pdb", inserted)).values()) == ["GASV"]


def test_seqres_comes_before_coordinates_and_without_them(tmp_path):
    path = written(tmp_path / "x.pdb", structure(("A", peptide("ALA", "SER", "VAL", first=3))))
    seqres = "SEQRES   1 A    7  ACE MSE GLY ALA SER VAL NH2\nSEQRES   1 B    2  TRP TRP\n"
    path.write_text(seqres + path.read_text())
    assert sequences(path) == {"x:A": "MGASV", "x:B": "WW"}
    path.write_text(seqres)
    assert sequences(path) == {"x:A": "MGASV", "x:B": "WW"}


def test_a_residue_that_is_made_of_several_has_their_letters(tmp_path):
    path = tmp_path / "1GFL.pdb"
    modified = "".join(f"MODRES 1GFL CRO A   66  {name}\n" for name in ("THR", "TYR", "GLY"))
    path.write_text("SEQRES   1 A    3  LEU CRO VAL\n" + modified)
    assert sequences(path) == {"1GFL:A": "LTYGV"}


def test_mmcif_without_coordinates_still_has_sequences(tmp_path):
    path = tmp_path / "x.cif"
    path.write_text(
        "data_9XYZ\n_entry.id 9XYZ\n_entity.id 1\n_entity.type polymer\n_entity_poly.entity_id 1\n"
        "_entity_poly.type 'polypeptide(L)'\n_entity_poly.pdbx_strand_id A,B\n"
        "loop_\n_entity_poly_seq.entity_id\n_entity_poly_seq.num\n_entity_poly_seq.mon_id\n"
        "1 1 MSE\n1 2 SER\n1 2 GLY\n1 3 LYS\n"
    )
    assert sequences(path) == {"9XYZ:A": "MSK", "9XYZ:B": "MSK"}


def test_mmcif_with_sequences_in_letters_alone_has_them(tmp_path):
    path = tmp_path / "x.cif"
    columns = ("entity_id", "type", "pdbx_strand_id", "pdbx_seq_one_letter_code")
    polymers = "data_9XYZ\nloop_\n" + "".join(f"_entity_poly.{column}\n" for column in columns)
    polymers += "1 polydeoxyribonucleotide C '(DA)(DG)'\n2 'polypeptide(L)' A,B\n"
    path.write_text(f"{polymers};(MSE)GK\nAYI\n;\n")
    assert sequences(path) == {"9XYZ:A": "MGKAYI", "9XYZ:B": "MGKAYI"}
    path.write_text(f"{polymers}'(MSE'\n")
    with pytest.raises(SourceError, match=r"gemmi cannot read it as mmCIF \(unmatched"):
        sequences(path)


def test_chains_without_a_name_end_at_ter(tmp_path):
    path = written(tmp_path / "tleap.pdb", structure(("A", peptide("GLY", "ALA")), ("B", peptide("MET", "LYS", "THR"))))
    atoms = [line for line in path.read_text().splitlines() if line.startswith(("ATOM", "TER"))]
    path.write_text("\n".join(f"{line[:21]} {line[22:]}" for line in atoms))
    assert sequences(path) == {"tleap:1": "GA", "tleap:2": "MKT"}
    assert read_proteins(path, ["2"]) == ["MKT"]
    ion = "HETATM   99 ZN    ZN     9       0.000   0.000   0.000  1.00  0.00          ZN"
    path.write_text("\n".join([*(f"{line[:21]}P{line[22:]}" for line in atoms), ion]))
    assert sequences(path) == {"tleap:P.1": "GA", "tleap:P.2": "MKT"}


def test_only_the_first_model_counts_and_alternatives_give_one_residue(tmp_path):
    made = structure(("A", peptide("GLY", "ALA", "SER")))
    path = written(tmp_path / "nmr.pdb", made)
    atoms = [line for line in path.read_text().splitlines() if line.startswith("ATOM")]
    alternative = [f"{line[:16]}B{'VAL'}{line[20:]}" for line in atoms[3:6]]
    first = [*atoms[:3], *(f"{line[:16]}A{line[17:]}" for line in atoms[3:6]), *alternative, *atoms[6:]]
    models = ["MODEL        1", *first, "ENDMDL", "MODEL        2", *atoms, "ENDMDL", "END", ""]
    path.write_text("\n".join(models))
    assert list(sequences(path).values()) == ["GAS"]


@pytest.mark.parametrize(
    ("residues", "words"),
    [
        (peptide("DA", "DC", "DG", "DT"), "only DNA or RNA chains: A"),
        (peptide("HOH", "HEM"), "only small molecules or water: HEM, HOH"),
    ],
)
def test_what_a_file_without_a_protein_holds_is_told(tmp_path, residues, words):
    path = written(tmp_path / "x.pdb", structure(("A", residues)))
    (item,) = read_items([path])
    assert item.problem.reason == "no protein" and words in item.problem.detail
    with pytest.raises(ValueError, match=r"x\.pdb, record 1 .*: no protein"):
        read_proteins(path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "component.cif",
            "data_ALA\n_chem_comp.id ALA\n_chem_comp_atom.atom_id N\n",
        ),
        ("crystal.cif", "data_x\n_cell_length_a 5\nloop_\n_atom_site_label\n_atom_site_fract_x\nC1 0.1\n"),
        ("header.pdb", "HEADER    VIRAL PROTEIN                           27-MAR-98   1A8O\n"),
    ],
)
def test_files_without_any_chain_are_told(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    (item,) = read_items([tmp_path / name])
    assert "no atoms and no sequence" in item.problem.detail and count_items([tmp_path / name]) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("short.pdb", "ATOM      9  N   ASP A 152      21.554\n"),
        ("cut.cif", "data_x\nloop_\n_atom_site.id\n_atom_site.type_symbol\n1 C 2\n"),
        ("open.cif", "data_x\n_entry.id 'x\n"),
    ],
)
def test_a_broken_structure_is_one_error_that_names_the_file(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(SourceError, match=rf"{name}.*gemmi cannot read it as"):
        list(read_items([tmp_path / name]))


def test_equal_chains_are_given_once_and_told(tmp_path):
    chains = [(name, peptide("GLY", "ALA", "SER")) for name in "ABC"]
    path = written(tmp_path / "x.pdb", structure(*chains, ("D", peptide("TRP", "TRP"))))
    distinct = read_distinct_chains(path)
    assert distinct.proteins == ["GAS", "WW"] and read_proteins(path) == ["GAS", "GAS", "GAS", "WW"]
    (note,) = distinct.notes
    assert note.startswith("x:B, x:C in ") and "the same protein as x:A" in note


# Where Biopython's reading of a real file differs from ours, and why.
JUSTIFIED = {
    ("4ZHL.cif", "U"): "Biopython has no SEQRES for it: it names chains by label_asym_id, A",
    ("a_structure.pdb", "A"): "PCA is derived from Gln and Glu: gemmi takes Glu, Biopython Gln",
}


@pytest.mark.parametrize(
    "name",
    ["1A8O.cif", "1A8O.pdb", "1CRN.pdb", "2BEG.pdb", "4BNA.pdb", "4ZHL.cif", "a_structure.cif", "a_structure.pdb"]
    + ["broken/disordered.pdb", "broken/occupancy.pdb"],
)
def test_real_structures_have_the_sequences_that_biopython_reads(shared, name):
    path = shared / "data/structures" / name
    ours = {item.id.partition(":")[2]: item.proteins[0] for item in read_items([path]) if not item.problem}
    known = _by_biopython(path, "atom") | _by_biopython(path, "seqres")
    expected = {chain: known[chain] for chain in ours if (path.name, chain) not in JUSTIFIED}
    assert {chain: ours[chain] for chain in expected} == expected
    if name == "4ZHL.cif":
        assert ours["U"] == known["A"]


def _by_biopython(path, part):
    with path.open() as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        records = list(SeqIO.parse(file, f"{path.suffix[1:]}-{part}"))
    return {record.id.rpartition(":")[2]: str(record.seq) for record in records}
