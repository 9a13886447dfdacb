"""What people pass as molecules and proteins: Series, arrays, tables, iterators; and names that they mistake."""

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import biomedgpt_hf
from biomedgpt_hf.inference import Chat, embed_files, predict_files
from biomedgpt_hf.inference.item_arguments import given_items, given_rows

FRAME = pd.DataFrame({"cid": [702, 6341], "canonical_smiles": ["CCO", "CCN"], "sequence": ["MKT", None]}, index=[5, 3])
TWO = [("CCO",), ("CCN",)]


@pytest.mark.parametrize(
    "value",
    [
        ["CCO", "CCN"],
        ("CCO", "CCN"),
        FRAME["canonical_smiles"],
        pd.Index(["CCO", "CCN"]),
        pd.Series(["CCO", "CCN"], dtype="category"),
        np.array(["CCO", "CCN"]),
        np.array(["CCO", "CCN"], dtype=object),
        pa.array(["CCO", "CCN"]),
        iter(["CCO", "CCN"]),
        {1: "CCO", 2: "CCN"}.values(),
        FRAME,
        FRAME[["canonical_smiles"]],
        pd.DataFrame({"whatever": ["CCO", "CCN"]}),
        pa.table({"x": [1, 2], "SMILES": ["CCO", "CCN"]}),
        datasets.Dataset.from_dict({"x": [1, 2], "molecules": ["CCO", "CCN"]}),
        datasets.Dataset.from_dict({"smiles": ["CCO", "CCN"]})["smiles"],
        {"smiles": ["CCO", "CCN"], "label": [0, 1]},
    ],
    ids=lambda value: f"{type(value).__module__}.{type(value).__name__}",
)
def test_what_holds_several_is_read_alike_by_one_question_and_by_many(value):
    if hasattr(value, "__next__"):
        assert given_items(value, "molecule") == ("CCO", "CCN")
        value = iter(["CCO", "CCN"])
    else:
        assert given_items(value, "molecule") == ("CCO", "CCN")
    assert given_rows(value, "molecule") == TWO


def test_each_modality_takes_its_own_column_and_missing_cells_are_no_items():
    assert given_rows(FRAME, "protein") == [("MKT",), ()]
    for missing in (None, np.nan, pd.NA, float("nan")):
        assert given_rows(pd.Series(["CCO", missing], dtype=object), "molecule") == [("CCO",), ()]
    assert given_rows([["CCO", "C"], None], "molecule") == [("CCO", "C"), ()]


def test_one_value_stays_one(cell):
    from rdkit import Chem

    molecule, graph = Chem.MolFromSmiles("CCO"), biomedgpt_hf.smiles_to_graph("CCO")
    for one in ("CCO", np.str_("CCO"), molecule, graph):
        (item,) = given_items(one, "molecule")
        assert item is one or item == "CCO"
    assert len(given_items(np.ones(3), "cell")) == 1 and len(given_rows(np.ones((2, 3)), "cell")) == 2


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (pd.DataFrame({"a": ["CCO"], "b": [1]}), r"columns 'a', 'b', none of which .* molecules=table\[NAME\]"),
        (pd.DataFrame([["CCO", "C"]], columns=["smiles", "smiles"]), "several columns 'smiles'"),
        ("CCO", "Pass a list"),
        (3, "a value of type int"),
    ],
)
def test_what_holds_no_column_of_items_is_told(value, said):
    with pytest.raises(ValueError, match=said):
        given_rows(value, "molecule")


ALIKE = {"smiles": ["CCO", "CCN"], "canonical_smiles": ["CCO", "CCN"], "sequence": ["MKTAYIAKQR"] * 2}


@pytest.mark.parametrize("table", [pd.DataFrame(ALIKE), pa.table(ALIKE), ALIKE], ids=["pandas", "arrow", "dict"])
def test_columns_of_a_table_that_are_passed_over_are_told_as_those_of_a_file(table, caplog):
    assert given_rows(table, "molecule") == [("CCO",), ("CCN",)]
    assert caplog.messages == [
        "The table: molecules are read from 'smiles', passing over 'canonical_smiles'. Choose another by "
        "molecules=table[NAME]."
    ]
    caplog.clear()
    assert given_rows(table, "protein") == [("MKTAYIAKQR",)] * 2
    assert given_rows(table["smiles"], "molecule") == [("CCO",), ("CCN",)] and not caplog.messages


def test_tables_are_asked_about_and_embedded():
    answers = biomedgpt_hf.predict("What is it?", FRAME, FRAME, ids=FRAME["cid"], max_new_tokens=4)
    assert [(one.id, one.status) for one in answers] == [("702", "ok"), ("6341", "ok")]
    table = answers.to_pandas()
    assert list(table["answer"]) == [one.answer for one in answers] and "neighbours" not in table
    assert list(table.columns)[:3] == ["row", "id", "status"] and isinstance(answers, list)
    alone = biomedgpt_hf.ask("What is it?", FRAME["canonical_smiles"], max_new_tokens=4)
    assert alone == biomedgpt_hf.ask("What is it?", ["CCO", "CCN"], max_new_tokens=4)
    vectors = biomedgpt_hf.embed(FRAME, modality="molecule")
    assert (vectors == biomedgpt_hf.embed(["CCO", "CCN"], modality="molecule")).all()
    with pytest.raises(ValueError, match="a molecule and a protein column. Choose one of them as modality"):
        biomedgpt_hf.embed(FRAME)


FUNCTIONS = {
    "ask": lambda **wrong: biomedgpt_hf.ask("?", **wrong),
    "predict": lambda **wrong: biomedgpt_hf.predict("?", **wrong),
    "stream": lambda **wrong: Chat().stream("?", **wrong),
}


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        *[(name, "molecules") for name in ("molecule", "smiles", "SMILES", "inchi", "molecul", "smile")],
        *[(name, "proteins") for name in ("protein", "sequence", "sequences", "protien", "protein_sequence")],
        ("max_new_token", "max_new_tokens"),
        ("num_beam", "num_beams"),
    ],
)
def test_a_mistaken_argument_is_answered_with_the_one_that_was_meant(function, wrong, meant):
    with pytest.raises(TypeError, match=rf"{function}\(\) has no argument '{wrong}'. Did you mean '{meant}'\?$"):
        FUNCTIONS[function](**{wrong: "CCO"})


def test_other_functions_know_their_arguments_too(tmp_path, cell):
    for call, said in (
        (lambda: biomedgpt_hf.embed(["CCO"], levl="tokens"), "embed.* 'levl'. Did you mean 'level'"),
        (lambda: predict_files("x.smi", tmp_path / "x.csv", "?", batch_token=1), "'batch_token'. Did you mean 'batch_"),
        (lambda: embed_files("x.smi", tmp_path / "x.csv", feature="projected"), "'feature'. Did you mean 'features'"),
        (lambda: biomedgpt_hf.ask("?", cell=[1.0]), "'cell'. Did you mean 'cells'"),
        (lambda: biomedgpt_hf.ask("?", nonsense=1), "has no argument 'nonsense'.$"),
    ):
        with pytest.raises(TypeError, match=said):
            call()
