import numpy as np
import pytest

from biomedgpt_hf.evaluation.answers import Answered
from biomedgpt_hf.evaluation.confidence.rightness import METRICS, Rightness, rightness_of
from biomedgpt_hf.evaluation.metrics.words import Words
from biomedgpt_hf.evaluation.scoring import tabulate

pytest.importorskip("rouge_score")
PROTEIN = {"protein": ("MKT",)}


def judged(answer, reference, task, **others):
    row = Answered("1", answer, reference, task=task, **others)
    return rightness_of(tabulate([row], METRICS, 1).values()).get("1")


def test_exact_answers_are_right_or_wrong():
    assert judged("It has 2 rings.", "There are 2 rings.", "molecule_fact_rings") == Rightness(1.0, "exact")
    assert judged("It has 3 rings.", "There are 2 rings.", "molecule_fact_rings") == Rightness(0.0, "exact")


def test_names_are_right_in_part():
    found = judged("Trypsin; Serine protease.", "Trypsin. Also known as Protease 1.", "protein_names", items=PROTEIN)
    assert found == Rightness(0.5, "name_f1")


def test_an_enzyme_of_the_right_class_is_right_in_part():
    reference = "EC 3.4.21.4"
    of = {name: judged(f"EC {name}", reference, "protein_ec", items=PROTEIN) for name in ("3.4.21.4", "3.4.1.9")}
    assert of["3.4.21.4"] == Rightness(1.0, "ec_f1") and of["3.4.1.9"] == Rightness(0.5, "ec_f1")
    assert judged("No idea.", reference, "protein_ec", items=PROTEIN) == Rightness(0.0, "ec_f1")


def test_a_text_that_names_an_enzyme_number_is_judged_by_its_words():
    found = judged("It cuts proteins.", "It cuts proteins (EC 3.4.21.4).", "protein_function", items=PROTEIN)
    assert found.measure == "rougeL" and 0 < found.value < 1


def test_texts_are_judged_by_rouge_l_as_words_has_it(vocabulary):
    pairs = [("It is an acid.", "It is a strong acid and a drug."), ("", "An acid."), ("An acid.", "An acid.")]
    rows = [Answered(str(n), *pair, task="molecule_caption") for n, pair in enumerate(pairs)]
    ours = rightness_of(tabulate(rows, METRICS, 1).values())
    words = rightness_of(tabulate(rows, [Words(vocabulary, wordnet=False, processes=1)], 1).values())
    assert [one.value for one in ours.values()] == pytest.approx([one.value for one in words.values()], abs=1e-12)
    assert ours["2"] == Rightness(1.0, "rougeL") and ours["1"].value == 0
    assert np.isfinite(ours["0"].value)


def test_what_should_be_declined_has_no_rightness():
    assert judged("I cannot help.", "decline", "safety: weapons") is None
