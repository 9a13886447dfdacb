import numpy as np
import pytest

from biomedgpt_hf.evaluation.answers import Answered
from biomedgpt_hf.evaluation.honest_rows.nearest_known import bins_by_similarity, nearest_known
from biomedgpt_hf.neighbours import NeighbourIndex, build_index

from ...built_set import row, write_set


@pytest.fixture
def memory(tmp_path):
    rows = [
        row("ethanol", molecules=["CCO"], question="What is it?"),
        row("use", molecules=["CCO"], question="What is its use?"),
        row("amine", molecules=["CCCCCN"]),
        row("protein", proteins=["MKVAACDEFGHIKLMN"]),
    ]
    build_index([write_set(tmp_path / "set", {"train": rows})], tmp_path / "index")
    return NeighbourIndex.open(tmp_path / "index")


def asked(id, question="What is it?", **items):
    return Answered(id, "", "?", question=question, items={name: (item,) for name, item in items.items()})


def test_a_memory_that_knows_something_else_of_the_nearest_item_answers_with_a_farther_one(memory):
    found = nearest_known([asked("x", "What is its use?", molecule="CCCCCCN")], memory, "some rows")
    assert found.answers[0].answer == "It is use."
    assert found.similarities[0] < nearest_known([asked("x", molecule="CCCCCCN")], memory, "").similarities[0]


def test_the_nearest_items_text_answers_the_same_question(memory):
    rows = [
        asked("same", "What is its use?", molecule="OCC"),
        asked("near", molecule="CCCCCCN"),
        asked("protein", protein="MKVAACDEFGHIKLMW"),
        asked("far", molecule="[Xe]"),
        asked("text only"),
    ]
    found = nearest_known(rows, memory, "some rows")
    assert [one.answer for one in found.answers] == ["It is use.", "It is amine.", "It is protein.", "", ""]
    assert found.same.tolist() == [True, False, False, False, False]
    assert found.similarities[0] == 1 and 0 < found.similarities[1] < 1 and np.isnan(found.similarities[3:]).all()
    assert "Tanimoto" in found.measure or "similar" in found.measure.lower()


def test_a_leak_is_a_bin_of_its_own(memory):
    rows = [asked("leak", molecule="CCO"), asked("near", molecule="CCCCCCN"), asked("far", molecule="[Xe]")]
    bins = bins_by_similarity(nearest_known(rows, memory, "some rows"))
    assert bins["the same item"] == [0] and bins["nothing similar"] == [2]
    assert sum(map(len, bins.values())) == 3


def test_a_row_about_a_molecule_and_a_protein_is_as_near_as_the_nearer_of_them(memory):
    both = Answered("both", "", "?", items={"molecule": ("CCCCCCN",), "protein": ("MKVAACDEFGHIKLMW",)})
    rows = [both, asked("molecule", molecule="CCCCCCN"), asked("protein", protein="MKVAACDEFGHIKLMW")]
    found = nearest_known(rows, memory, "some rows")
    assert found.similarities[0] == max(found.similarities[1:]) and found.similarities[1] != found.similarities[2]
    assert "; " in found.measure  # two measures are told
    assert sum(map(len, bins_by_similarity(found).values())) == 3
