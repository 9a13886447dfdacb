"""mmCIF files of writers that leave out what they can."""

import random
import time

import gemmi
import pytest

from biomedgpt_hf.files.items import mmcif, read_items
from biomedgpt_hf.files.sources import SourceError

COLUMNS = (
    *("group_PDB", "id", "type_symbol", "label_atom_id", "label_alt_id", "label_comp_id", "label_asym_id"),
    *("label_entity_id", "label_seq_id", "Cartn_x", "Cartn_y", "Cartn_z", "auth_seq_id", "auth_comp_id"),
    *("auth_asym_id", "auth_atom_id", "pdbx_PDB_model_num"),
)
LABELS = [column for column in COLUMNS if not column.startswith("auth_")]
PLAIN = ["group_PDB", *LABELS[3:4], "label_comp_id", "label_asym_id", "label_seq_id", *COLUMNS[9:12]]


def atoms(names, label, author, first=1, place=0.0):
    return [
        ["ATOM", 1, name[0], name, ".", residue, label, 1, number, place + 3.8 * (number - first) + shift, 0, 0]
        + [number, residue, author, name, 1]
        for number, residue in enumerate(names.split(), first)
        for name, shift in (("N", -1.2), ("CA", 0.0), ("C", 1.3))
    ]


def written(rows, columns=COLUMNS, before="", name="x"):
    places = [COLUMNS.index(column) for column in columns]
    lines = [" ".join(str(row[place]) for place in places) for row in rows]
    return "\n".join([f"data_{name}", before, "loop_", *(f"_atom_site.{column}" for column in columns), *lines, ""])


def read(tmp_path, text):
    (tmp_path / "x.cif").write_text(text)
    return list(read_items([tmp_path / "x.cif"]))


def sequences(tmp_path, text):
    return {item.id: item.proteins[0] for item in read(tmp_path, text)}


TWO = atoms("GLY ALA SER", "A", "A") + atoms("MET ALA THR VAL", "B", "B", 1, 90)


@pytest.mark.parametrize(
    "columns",
    [
        LABELS,
        PLAIN,
        [column for column in COLUMNS if not column.startswith("label_")],
        *([column for column in COLUMNS if column != left_out] for left_out in COLUMNS if "Cartn" not in left_out),
    ],
    ids=["labels", "plain", "authors", *(f"no {column}" for column in COLUMNS if "Cartn" not in column)],
)
def test_columns_that_can_be_done_without_may_be_missing(tmp_path, columns):
    assert sequences(tmp_path, written(TWO, columns)) == {"x:A": "GAS", "x:B": "MATV"}


@pytest.mark.parametrize(
    "columns", [[c for c in COLUMNS if not c.endswith("seq_id")], [c for c in COLUMNS if not c.endswith("comp_id")]]
)
def test_a_table_without_numbers_or_names_of_residues_is_refused(tmp_path, columns):
    with pytest.raises(SourceError, match="gemmi cannot read it as mmCIF .Neither"):
        read(tmp_path, written(TWO, columns))


def test_atoms_without_coordinates_are_told(tmp_path):
    (item,) = read(tmp_path, written(TWO, [column for column in COLUMNS if column != "Cartn_x"]))
    assert item.problem.reason == "atoms not read" and "gemmi reads 0 of 21 atoms" in item.problem.detail


def test_two_proteins_of_one_author_name_or_one_label_are_two(tmp_path):
    rows = atoms("GLY ALA SER", "A", "X") + atoms("MET ALA THR VAL", "B", "X", 1, 90)
    assert sequences(tmp_path, written(rows)) == {"x:X.1": "GAS", "x:X.2": "MATV"}
    rows = atoms("GLY ALA SER", "A", "A") + atoms("MET ALA THR VAL", "A", "A", 1, 90)
    assert sequences(tmp_path, written(rows)) == {"x:A.1": "GAS", "x:A.2": "MATV"}
    assert sequences(tmp_path, written(rows, LABELS)) == {"x:A.1": "GAS", "x:A.2": "MATV"}


REFERENCE = {
    **{"align_id": "1", "ref_id": "1", "pdbx_PDB_id_code": "1ABC", "pdbx_strand_id": "A", "seq_align_beg": "1"},
    **{"pdbx_seq_align_beg_ins_code": "?", "seq_align_end": "3", "pdbx_seq_align_end_ins_code": "?"},
    **{"pdbx_db_accession": "P12345", "db_align_beg": "1", "db_align_end": "3"},
    **{"pdbx_auth_seq_align_beg": "1", "pdbx_auth_seq_align_end": "3"},
}  # to a table _struct_ref that is not there
REFERENCES = "\n".join(["loop_", *(f"_struct_ref_seq.{column}" for column in REFERENCE), " ".join(REFERENCE.values())])


@pytest.mark.filterwarnings("ignore:.*only the first model")
def test_rows_of_many_models_are_found_wherever_they_stand(tmp_path):
    models = [[*row[:-1], model] for row in TWO for model in range(1, 401)]  # atom by atom, not model by model
    started = time.monotonic()
    assert sequences(tmp_path, written(models)) == {"x:A": "GAS", "x:B": "MATV"}
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    "before",
    [
        REFERENCES,
        "\n".join(f"_struct_ref_seq.{column} {value}" for column, value in REFERENCE.items()),
        "_struct_ref_seq.align_id 1",
        "loop_\n_struct_conn.id\n_struct_conn.conn_type_id\n1 covale",
        "_cell.length_a x",
        "loop_\n_struct_sheet_range.id\n1",
        "loop_\n_pdbx_struct_assembly_gen.assembly_id\n_pdbx_struct_assembly_gen.oper_expression\n1 (1-",
    ],
)
def test_categories_that_tell_nothing_of_sequences_break_nothing(tmp_path, before):
    entity = "_entity.id 1\n_entity.type polymer\n_struct_asym.id A\n_struct_asym.entity_id 1"
    assert sequences(tmp_path, written(TWO[:9], before=f"{before}\n{entity}")) == {"x:A": "GAS"}
    listed = "loop_\n_entity_poly_seq.entity_id\n_entity_poly_seq.num\n_entity_poly_seq.mon_id\n1 1 TRP\n1 2 GLY"
    assert sequences(tmp_path, f"data_x\n{before}\n{entity}\n{listed}\n") == {"x:A": "WG"}


def test_the_sequence_of_the_experiment_comes_before_coordinates(tmp_path):
    polymer = (
        "_entity_poly.entity_id 1\n_entity_poly.type 'polypeptide(L)'\n_entity_poly.pdbx_seq_one_letter_code WGASW"
    )
    assert sequences(tmp_path, written(TWO[:9], before=polymer)) == {"x:A": "WGASW"}


def test_a_block_that_cannot_be_read_costs_no_other(tmp_path, monkeypatch):
    whole = gemmi.make_structure_from_block

    def fail(block):
        if block.name == "bad":
            raise IndexError("vector::_M_range_check")
        return whole(block)

    monkeypatch.setattr(mmcif.gemmi, "make_structure_from_block", fail)
    good, bad = read(tmp_path, written(TWO[:9], name="bad") + written(TWO[9:], name="good"))
    assert (good.id, good.proteins, bad.id) == ("good:B", ("MATV",), "x.1")
    assert bad.problem.reason == "broken mmCIF" and "vector" in bad.problem.detail
    with pytest.raises(SourceError, match="gemmi cannot read it as mmCIF .vector"):
        read(tmp_path, written(TWO, name="bad"))


def test_residues_of_several_alternatives_have_the_first(tmp_path):
    rows = atoms("GLY ALA SER", "A", "A")
    other = [[*row[:4], "B", "VAL", *row[6:13], "VAL", *row[14:]] for row in rows[3:6]]
    assert sequences(tmp_path, written(rows[:6] + other + rows[6:])) == {"x:A": "GAS"}
    assert sequences(tmp_path, written(rows + other)) == {"x:A": "GAS"}


def test_damaged_files_are_rows_or_typed_errors(tmp_path):
    chance = random.Random(0)
    whole = written(TWO, before=REFERENCES)
    for _ in range(200):
        lines = whole.split("\n")
        for _ in range(chance.randrange(1, 4)):
            words = lines[place := chance.randrange(len(lines))].split(" ")
            words[chance.randrange(len(words))] = chance.choice(
                ["", "?", ".", "'", ";", "x", "-1", "loop_", "data_", "\x00"]
            )
            lines[place] = " ".join(words)
        try:
            assert all(item.problem or item.proteins for item in read(tmp_path, "\n".join(lines)))
        except SourceError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("number", [20_003, 10**8, 2**31 - 1, 99_999_999_999_999])
def test_a_damaged_number_of_a_residue_is_no_gap_of_millions(tmp_path, number):
    columns = "group_PDB id type_symbol label_atom_id label_comp_id label_asym_id label_seq_id Cartn_x Cartn_y Cartn_z"
    names = [f"_atom_site.{name}" for name in [*columns.split(), "auth_seq_id", "auth_asym_id"]]
    sites = [(1, "ALA", 1), (2, "GLY", 3), (3, "SER", number)]  # far from each other in space
    atoms = [f"ATOM {at} C CA {name} A {at} {100 * at} 0 0 {its} A" for at, name, its in sites]
    path = tmp_path / "x.cif"
    path.write_text("\n".join(["data_X", "loop_", *names, *atoms, ""]))
    (item,) = read_items([path])
    assert item.items == {"protein": ("AXGS",)}
