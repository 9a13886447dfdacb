import numpy as np
import pytest

from biomedgpt_hf.evaluation.resampling import break_down, compare, estimate


def mean(sums):
    """Return the mean of a column of values beside a column of ones."""
    return {"mean": sums[..., 0] / np.maximum(sums[..., 1], 1)}


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
    monkeypatch.setattr("biomedgpt_hf.evaluation.resampling._COUNTS_AT_ONCE", 1_000)
    assert estimate(table(values), units, mean, resamples=64)["mean"] == pytest.approx(whole)


@pytest.mark.parametrize(("rows", "units", "words"), [(0, 0, "no rows"), (3, 2, "3 rows and 2 units")])
def test_what_cannot_be_drawn_is_named(rows, units, words):
    with pytest.raises(ValueError, match=words):
        estimate(table(range(rows)), ["a"] * units, mean)


def test_runs_of_different_length_are_not_compared():
    with pytest.raises(ValueError, match="3 and 2 rows"):
        compare(table(range(3)), table(range(2)), ["a"] * 3, mean)


def test_parts_and_their_mean_come_out_of_the_draw_of_all_rows():
    values = np.random.default_rng(6).normal(size=600)
    parts = ["large" if place % 3 else "small" for place in range(600)]
    units = [str(place // 6) for place in range(600)]
    found = break_down(table(values), units, parts, mean)
    assert found.all["mean"] == pytest.approx(estimate(table(values), units, mean)["mean"])
    chosen = np.array(parts) == "small"
    assert found.parts["small"]["mean"].value == pytest.approx(values[chosen].mean())
    alone = estimate(table(values[chosen]), list(np.array(units)[chosen]), mean)["mean"]
    assert found.parts["small"]["mean"].low == pytest.approx(alone.low, abs=0.05)
    assert found.macro["mean"].value == pytest.approx(np.mean([found.parts[name]["mean"].value for name in set(parts)]))
    assert found.macro["mean"].low < found.macro["mean"].value < found.macro["mean"].high


def test_a_part_of_one_row_has_its_value_and_not_that_of_sets_without_it():
    found = break_down(table([7, *range(40)]), [str(i) for i in range(41)], ["one", *["many"] * 40], mean)
    assert tuple(found.parts["one"]["mean"]) == (7, 7, 7)
    assert found.macro["mean"].low > 5  # the mean of no row is not taken for 0


def test_long_names_of_units_take_no_room_of_their_own():
    values = np.arange(2_000)
    units = ["M" * 30_000 + str(place) for place in range(2)] + [str(place) for place in range(1_998)]
    assert estimate(table(values), units, mean, resamples=10)["mean"].value == values.mean()


def test_one_item_alone_shows_no_difference():
    first, second = np.array([[1.0, 1.0], [1.0, 1.0]]), np.array([[0.0, 1.0], [0.0, 1.0]])
    (found,) = compare(first, second, ["a", "a"], lambda sums: {"share": sums[..., 0] / sums[..., 1]}).values()
    assert (found.value, found.p_value) == (1, 1)
