import numpy as np
import pytest

from biomedgpt_hf.confidence.signs import Known
from biomedgpt_hf.evaluation.answers import Answered
from biomedgpt_hf.evaluation.confidence.errors import calibration_errors
from biomedgpt_hf.evaluation.confidence.rightness import Rightness
from biomedgpt_hf.evaluation.confidence.risk_coverage import risk_coverage


def told(right, **signs):
    """What is told of answers that are so right, and have such signs."""
    rows = [
        Answered(str(place), "an answer", "a reference", **{name: values[place] for name, values in signs.items()})
        for place in range(len(right))
    ]
    found = risk_coverage(
        rows, {row.id: Rightness(value, "exact") for row, value in zip(rows, right, strict=True)}, resamples=100
    )
    return {one["by"]: one for one in found}


def values(one):
    return {name: score["value"] for name, score in one["scores"].items()}


def test_a_perfect_order_gains_all_and_the_opposite_loses_as_much():
    right = [1.0] * 50 + [0.0] * 50
    falling = [-float(place) for place in range(100)]
    (best,) = told(right, log_probability=falling).values()
    assert best["by"] == "mean log-probability" and best["rows"] == 100 and best["measures"] == "exact"
    assert values(best) == pytest.approx(
        {"best_25": 1, "best_50": 1, "best_75": 2 / 3, "all": 0.5, "area": 0.847, "perfect": 0.847, "gain": 1}, abs=1e-3
    )
    assert best["curve"][9] == 1 and best["curve"][-1] == 0.5 and len(best["curve"]) == 20
    (worst,) = told(right[::-1], log_probability=falling).values()
    assert values(worst)["best_50"] == 0 and values(worst)["gain"] < -0.4
    assert all(one["low"] <= one["value"] <= one["high"] for one in best["scores"].values())


def test_a_sign_that_is_the_same_for_all_gains_nothing():
    (one,) = told([1.0, 0.0] * 40, log_probability=[-3.0] * 80).values()
    assert values(one)["gain"] == pytest.approx(0, abs=1e-9) and values(one)["best_25"] == pytest.approx(0.5)


def test_confidence_takes_the_place_of_log_probability_and_its_errors_are_told():
    right = [1.0] * 30 + [0.0] * 30
    found = told(right, log_probability=[-1.0] * 60, confidence=[0.9] * 30 + [0.2] * 30)
    assert list(found) == ["confidence"]
    assert values(found["confidence"])["expected_calibration_error"] == pytest.approx(0.15)
    assert values(found["confidence"])["brier"] == pytest.approx((0.01 + 0.04) / 2)


def test_similarity_is_an_order_of_its_own():
    known = [Known(place / 40, False) for place in range(40)]
    found = told([place / 40 for place in range(40)], log_probability=[-1.0] * 40, known=known)
    assert list(found) == ["mean log-probability", "similarity"]
    assert values(found["similarity"])["gain"] == pytest.approx(1)


def test_answers_that_failed_or_have_no_sign_are_not_in_the_order():
    found = told([1.0] * 30, log_probability=[-1.0] * 20 + [None] * 10, error=["why"] * 5 + [None] * 25)
    assert found["mean log-probability"]["rows"] == 15


def test_too_few_answers_tell_nothing():
    assert not told([1.0] * 9, log_probability=[-1.0] * 9)
    assert not risk_coverage([], {}, resamples=100)


def test_answers_that_are_all_equally_right_have_no_gain():
    (one,) = told([0.5] * 20, log_probability=[-float(place) for place in range(20)]).values()
    assert "gain" not in one["scores"] and values(one)["area"] == 0.5


def test_a_calibrated_confidence_has_a_small_error_and_a_boastful_one_a_large_one():
    random = np.random.default_rng(0)
    confidences = random.random(5000)
    right = (random.random(5000) < confidences).astype(float)
    units = list(map(str, range(5000)))
    honest = calibration_errors(confidences, right, units, resamples=100)["expected_calibration_error"]
    boastful = calibration_errors(confidences**0.2, right, units, resamples=100)["expected_calibration_error"]
    assert honest.value < 0.03 < 0.25 < boastful.value
    assert boastful.low < boastful.value < boastful.high
