import numpy as np
import pytest

from biomedgpt_hf.confidence.fitting import fit_signs

NAMES = ("mean_log_probability", "log_words")


def answers(rows=600, power=1, seed=0):
    """Signs of answers, how likely each is right, and whether it is."""
    random = np.random.default_rng(seed)
    signs = np.column_stack([random.normal(-2, 1.5, rows), random.normal(3, 0.5, rows)])
    likely = (1 / (1 + np.exp(-(1.4 * (signs[:, 0] + 2) - 0.6 * (signs[:, 1] - 3))))) ** power
    return signs, likely, (random.random(rows) < likely).astype(float)


def units(rows, of=1):
    return [str(place // of) for place in range(rows)]


def test_the_fit_finds_how_likely_answers_are_right():
    signs, likely, right = answers(3000)
    fit, held_out = fit_signs(NAMES, signs, right, units(3000))
    assert np.abs(fit.confidences(signs) - likely).mean() < 0.04
    assert np.abs(held_out - likely).mean() < 0.05


def test_steps_are_there_where_they_help():
    signs, likely, right = answers(4000, power=6)
    fit, held_out = fit_signs(NAMES, signs, right, units(4000))
    assert fit.steps
    assert np.abs(held_out - likely).mean() < 0.04


def test_targets_between_0_and_1_are_fitted():
    signs, likely, _ = answers()
    fit, _ = fit_signs(NAMES, signs, likely, units(600))
    assert np.abs(fit.confidences(signs) - likely).max() < 0.02


def test_the_same_rows_give_the_same_fit():
    signs, _, right = answers()
    first, second = (fit_signs(NAMES, signs, right, units(600)) for _ in range(2))
    assert first[0] == second[0] and np.array_equal(first[1], second[1])


def test_rows_of_an_item_never_stand_on_both_sides():
    """Signs that tell the item tell nothing of others: held out, they must not seem to."""
    random = np.random.default_rng(1)
    of_item = random.normal(size=(30, 2)), random.integers(0, 2, 30).astype(float)
    signs, right = (np.repeat(values, 20, axis=0) for values in of_item)
    _, apart = fit_signs(NAMES, signs, right, units(600, of=20))
    _, mixed = fit_signs(NAMES, signs, right, units(600))
    assert np.mean((apart - right) ** 2) > np.mean((mixed - right) ** 2) + 0.02


@pytest.mark.parametrize("right", [0.0, 1.0])
def test_a_sign_that_never_changes_and_answers_that_are_all_alike_give_a_finite_fit(right):
    signs = np.column_stack([np.full(120, -1.0), np.linspace(0, 3, 120)])
    fit, held_out = fit_signs(NAMES, signs, np.full(120, right), units(120))
    assert fit.scales[0] == 1 and np.isfinite([*fit.weights, fit.intercept]).all()
    assert held_out == pytest.approx(np.full(120, right), abs=0.05)
