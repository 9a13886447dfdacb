import json

import pytest

from biomedgpt_hf.confidence.calibration_file import CalibrationError, read_calibration, write_calibration
from biomedgpt_hf.confidence.signs import ALONE, IN_PROMPT, KNOWN, Known

from ..calibrated import calibration, fit


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "confidence.json"
    write_calibration(path, calibration("abc"))
    return path


def test_what_is_written_is_read_again(file):
    found, written = read_calibration(file), calibration("abc")
    assert found.fits == written.fits and (found.weights, found.items) == ("abc", "encoded")
    assert found.facts == {"checkpoint": "m"} and len(found.sha256) == 64


def test_confidence_follows_the_condition_of_an_answer():
    both, alone = calibration(), calibration(fits=[ALONE])
    near, far = (both.confidence("an acid", -6.0, Known(similarity, False)) for similarity in (0.9, 0.1))
    assert 0 < far < both.confidence("an acid", -6.0, None) < near < 1
    assert alone.confidence("an acid", -6.0, Known(0.9, False)) == alone.confidence("an acid", -6.0, None)
    assert both.confidence("an acid", -6.0, Known(0.9, True)) is None  # nobody has fitted that
    assert both.fit_for(IN_PROMPT) is None and alone.fit_for(KNOWN) is alone.fits[ALONE]


def test_an_answer_without_a_finite_probability_has_no_confidence():
    assert calibration().confidence("an acid", float("nan"), None) is None


def test_numbers_beyond_all_bounds_give_a_confidence_between_0_and_1():
    assert calibration().confidence("", -1e308, None) == pytest.approx(0)
    assert fit(weights=(1e100, 0.0)).confidences([[1e100, 0.0]]).tolist() == [1.0]


def test_steps_correct_what_the_regression_says():
    stepped = fit(steps=((0.2, 0.1), (0.6, 0.5)))
    middle, low, high = stepped.confidences([[-2.65, 0], [-99, 0], [99, 0]])
    assert 0.1 < middle < 0.5 and (low, high) == (0.1, 0.5)


def changed(file, **changes):
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "Expecting value"),
        ("[1, 2]", "it is no calibration"),
        ('{"version": 1}', "it is no calibration"),
        ("[" * 100_000, "."),
        ('{"format": "biomedgpt confidence", "version": 2}', "it has version 2, and this package reads version 1"),
        ('{"format": "biomedgpt confidence", "version": 1, "fits": []}', "fits is '\\[\\]', not an object"),
        ('{"format": "biomedgpt confidence", "version": 1, "fits": {}}', "it has no fits"),
    ],
)
def test_a_file_that_is_no_calibration_is_refused_in_one_line(file, content, reason):
    file.write_text(content)
    with pytest.raises(CalibrationError, match=reason) as caught:
        read_calibration(file)
    assert "confidence.json" in str(caught.value) and "biomedgpt calibrate" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_text_are_refused(file):
    file.write_bytes(b"\x80\x04\x95pickle")
    with pytest.raises(CalibrationError, match="cannot be used"):
        read_calibration(file)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("weights", [1.0], "weights is \\[1.0\\], not 2 finite numbers"),
        ("weights", [float("nan"), 1.0], "not 2 finite numbers"),
        ("means", ["1", "2"], "not 2 finite numbers"),
        ("means", [True, 2], "not 2 finite numbers"),
        ("means", [10**400, 2], "not 2 finite numbers"),
        ("scales", [0.0, 1.0], "is not above 0"),
        ("intercept", None, "intercept"),
        ("signs", ["similarity"], "the signs of 'alone'"),
        ("steps", [[0.5, 0.5], [0.4, 0.6]], "do not rise"),
        ("steps", [[0.1, 0.5], [0.4, 0.4]], "do not rise"),
        ("steps", [[0.1, 1.5]], "not between 0 and 1"),
        ("steps", "none", "steps is no list"),
        ("rows", -1, "not a whole number"),
        ("targets", {"rougeL": "many"}, "not a whole number"),
        ("brier", {"value": 2, "low": 0, "high": 1}, "brier value is 2.0, not between 0 and 1"),
        ("brier", None, "brier is 'None', not an object"),
    ],
)
def test_a_damaged_fit_is_refused_by_name(file, name, value, reason):
    fits = json.loads(file.read_text())["fits"]
    fits["alone"][name] = value
    changed(file, fits=fits)
    with pytest.raises(CalibrationError, match=reason):
        read_calibration(file)


def test_an_unknown_condition_or_missing_weights_are_refused(file):
    changed(file, weights="")
    with pytest.raises(CalibrationError, match="weights is '', not a text"):
        read_calibration(file)
    changed(file, fits={"upside down": {}})
    with pytest.raises(CalibrationError, match="no condition 'upside down'"):
        read_calibration(file)
