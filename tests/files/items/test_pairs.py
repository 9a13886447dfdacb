"""Tables of drugs and targets: whose id a row gets, and what is no sequence."""

import pytest

from biomedgpt_hf.files.items import column_notes, read_items


def read(tmp_path, text):
    path = tmp_path / "pairs.csv"
    path.write_text(text)
    return path, list(read_items([path]))


@pytest.mark.parametrize(
    ("header", "ids"),
    [
        ("Drug_ID,Drug,Target_ID,Target", ["", ""]),
        ("Drug_ID,Drug,label,Target", ["D1", "D2"]),
        ("label,Drug,Target_ID,Target", ["T1", "T2"]),
        ("id,Drug,Target_ID,Target", ["D1", "D2"]),
    ],
)
def test_a_pair_is_not_named_by_one_partner_where_both_have_names(tmp_path, header, ids):
    _, rows = read(tmp_path, f"{header}\nD1,CCO,T1,MKTAYIAKQR\nD2,CCN,T2,MKTAYIAKQK\n")
    assert [row.id for row in rows] == ids
    assert [(row.molecules, row.proteins) for row in rows][0] == (("CCO",), ("MKTAYIAKQR",))


def test_names_of_genes_are_no_sequences_and_a_line_says_that_a_column_may_hold_some(tmp_path):
    path, rows = read(tmp_path, "smiles,Target\nCCO,EGFR\nCC,KIT\nCCC,ALK\n")
    assert all(row.molecules and not row.proteins for row in rows)
    assert any("'Target' may hold proteins" in note for note in column_notes([path]))
    with pytest.raises(ValueError, match="'Drug', 'Target'"):
        read(tmp_path, "Drug,Target\nCCO,EGFR\nCC,KIT\n")
