import numpy as np
import pytest

from biomedgpt_hf.evaluation.resampling import compare, estimate


def mean(sums):
    """Return the mean of a column of values beside a column of ones."""
    return {"mean": sums[..., 0] / sums[..., 1]}


def table(values):
    return np.stack([np.asarray(values, dtype=float), np.ones(len(values))], axis=1)


def test_the_interval_of_a_mean_is_that_of_the_normal_distribution():
    values = np.random.default_rng(1).normal(5, 2, 2_000)
    found = estimate(table(values), [str(i) for i in range(2_000)], mean, resamples=2_000)["mean"]
    half = 1.96 * values.std() / np.sqrt(2_000)
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - half, abs=0.01)
    assert found.high == pytest.approx(values.mean() + half, abs=0.01)


def test_rows_about_one_item_are_drawn_together_and_widen_the_interval():
    values = np.repeat(np.random.default_rng(2).normal(size=100), 10)
    alone = estimate(table(values), [str(i) for i in range(1_000)], mean)["mean"]
    together = estimate(table(values), [str(i // 10) for i in range(1_000)], mean)["mean"]
    assert (together.high - together.low) > 2.5 * (alone.high - alone.low)


def test_the_same_seed_draws_the_same_sets():
    values, units = np.arange(50), [str(i) for i in range(50)]
    assert estimate(table(values), units, mean, seed=3) == estimate(table(values), units, mean, seed=3)
    assert estimate(table(values), units, mean, seed=3) != estimate(table(values), units, mean, seed=4)


def test_a_paired_test_finds_a_small_difference_that_single_intervals_hide():
    random = np.random.default_rng(4)
    values, units = random.normal(0, 5, 500), [str(i) for i in range(500)]
    better = values + 0.1 + random.normal(0, 0.2, 500)
    first, second = (estimate(table(one), units, mean)["mean"] for one in (better, values))
    assert first.low < second.high and second.low < first.high  # the intervals overlap
    found = compare(table(better), table(values), units, mean)["mean"]
    assert found.low > 0 and found.p_value < 0.01


def test_there_is_no_difference_between_a_run_and_itself():
    values = np.arange(30)
    found = compare(table(values), table(values), [str(i) for i in range(30)], mean)["mean"]
    assert (found.value, found.low, found.high, found.p_value) == (0, 0, 0, 1)


def test_many_rows_take_several_blocks_and_give_one_answer(monkeypatch):
    values, units = np.random.default_rng(5).normal(size=300), [str(i) for i in range(300)]
    whole = estimate(table(values), units, mean, resamples=64)["mean"]
    monkeypatch.setattr("biomedgpt_hf.evaluation.resampling._ROWS_AT_ONCE", 1_000)
    assert estimate(table(values), units, mean, resamples=64)["mean"] == pytest.approx(whole)


@pytest.mark.parametrize(("rows", "units", "words"), [(0, 0, "no rows"), (3, 2, "3 rows and 2 units")])
def test_what_cannot_be_drawn_is_named(rows, units, words):
    with pytest.raises(ValueError, match=words):
        estimate(table(range(rows)), ["a"] * units, mean)


def test_runs_of_different_length_are_not_compared():
    with pytest.raises(ValueError, match="3 and 2 rows"):
        compare(table(range(3)), table(range(2)), ["a"] * 3, mean)
