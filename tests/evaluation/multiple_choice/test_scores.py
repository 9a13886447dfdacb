"""Scores of choices against values computed by hand, and what orders tell."""

import math

import numpy as np
import pytest

from biomedgpt_hf.evaluation.multiple_choice import ChoicePrediction, score_choices
from biomedgpt_hf.evaluation.multiple_choice.statistics import BINS, tabulate_choices

FAST = {"resamples": 50}


def prediction(id, right, chosen, probabilities=None, labels=("yes", "no", "maybe"), number=0, order=None, **more):
    values = None if probabilities is None else tuple(math.log(p) - 3 for p in probabilities)
    fields = {"dataset": "PubMedQA", "subject": "", "question": "Is it?"} | more
    order = order or tuple(range(len(labels)))
    return ChoicePrediction(
        id=str(id),
        number=number,
        choices=labels,
        order=order,
        labels=labels,
        answer_index=right,
        chosen=chosen,
        log_likelihoods=values,
        **fields,
    )


ROWS = [
    prediction(0, 0, 0, (0.7, 0.2, 0.1)),
    prediction(1, 0, 1, (0.3, 0.6, 0.1)),
    prediction(2, 1, 1, (0.1, 0.8, 0.1)),
    prediction(3, 2, 0, (0.5, 0.1, 0.4)),
]


def value(scores, name, group="all"):
    return scores[group][name]["value"]


def test_accuracy_macro_f1_and_na_rate_are_those_computed_by_hand():
    scores = score_choices([*ROWS, prediction(4, 1, None)], **FAST)
    assert value(scores, "accuracy") == 2 / 5 and value(scores, "na_rate") == 1 / 5
    # yes: 1 right, 1 wrong, 1 missed; no: 1, 1, 1; maybe: 0, 0, 1
    assert value(scores, "macro_f1") == pytest.approx((0.5 + 0.5 + 0) / 3)
    assert scores["questions"] == 5 and scores["errors"] == 0


def test_a_label_that_is_neither_right_nor_chosen_anywhere_is_left_out_of_macro_f1():
    scores = score_choices([prediction(0, 0, 0), prediction(1, 1, 1)], **FAST)
    assert value(scores, "macro_f1") == 1


def test_brier_and_calibration_error_are_those_computed_by_hand():
    scores = score_choices(ROWS, **FAST)
    squares = [0.3**2 + 0.2**2 + 0.1**2, 0.7**2 + 0.6**2 + 0.1**2, 0.1**2 + 0.2**2 + 0.1**2, 0.5**2 + 0.1**2 + 0.6**2]
    assert value(scores, "brier") == pytest.approx(sum(squares) / 4)
    # each of the four is alone in its bin
    assert value(scores, "ece") == pytest.approx((0.3 + 0.6 + 0.2 + 0.5) / 4)


def test_the_calibration_error_is_that_of_the_definition():
    random = np.random.default_rng(0)
    rows, confidence, right = [], [], []
    for id in range(400):
        weights = random.dirichlet([1, 1, 1])
        truth, chosen = int(random.integers(3)), int(weights.argmax())
        rows.append(prediction(id, truth, chosen, weights))
        confidence.append(weights.max())
        right.append(truth == chosen)
    confidence, right, error = np.array(confidence), np.array(right), 0.0
    for low in np.arange(BINS) / BINS:
        inside = (confidence > low) & (confidence <= low + 1 / BINS)
        if inside.any():
            error += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    assert value(score_choices(rows, **FAST), "ece") == pytest.approx(error)


def test_perfect_and_certain_answers_have_no_error_and_no_risk():
    scores = score_choices(
        [prediction(id, id % 3, id % 3, np.eye(3)[id % 3] * 0.99999 + 1e-9) for id in range(40)], **FAST
    )
    for name in ("ece", "brier", "aurc", "risk_at_25%", "risk_at_75%"):
        assert value(scores, name) == pytest.approx(0, abs=1e-4)
    assert value(scores, "accuracy") == value(scores, "macro_f1") == value(scores, "acc_norm") == 1


def test_risk_against_coverage_is_that_computed_by_hand():
    # the more confident half is right, the other half wrong
    rows = [prediction(id, 0, int(id >= 20), (0.9 - id / 100, 0.05, 0.05 + id / 100)) for id in range(40)]
    scores = score_choices(rows, **FAST)
    assert value(scores, "risk_at_25%") == value(scores, "risk_at_50%") == 0
    assert value(scores, "risk_at_75%") == pytest.approx(10 / 30)
    covered = np.arange(2, 41, 2)
    assert value(scores, "aurc") == pytest.approx((np.maximum(covered - 20, 0) / covered).mean())
    assert scores["all"]["risk_coverage"][-1] == {"coverage": 1.0, "risk": 0.5}
    assert [point["coverage"] for point in scores["all"]["risk_coverage"]] == pytest.approx(covered / 40)


def test_answers_of_equal_confidence_are_covered_together():
    scores = score_choices([prediction(id, 0, id % 2, (0.4, 0.3, 0.3)) for id in range(30)], **FAST)
    assert scores["all"]["risk_coverage"] == [{"coverage": 1.0, "risk": 0.5}]
    assert value(scores, "risk_at_25%") == value(scores, "aurc") == 0.5


def test_without_log_likelihoods_there_is_no_calibration():
    scores = score_choices([prediction(0, 0, 0, log_probability=-2.0), prediction(1, 0, None)], **FAST)
    assert {"ece", "brier", "acc_norm"}.isdisjoint(scores["all"]) and "aurc" in scores["all"]


def test_acc_norm_divides_by_the_label_s_length():
    # -6 / 3 for yes is more than -5 / 2 for no
    one = ChoicePrediction("1", 0, "PubMedQA", "", "?", ("yes", "no"), (0, 1), ("yes", "no"), 0, 1, (-6.0, -5.0))
    scores = score_choices([one], **FAST)
    assert value(scores, "accuracy") == 0 and value(scores, "acc_norm") == 1


def test_the_majority_row_is_the_most_frequent_answer_of_each_data_set():
    rows = [prediction(id, int(id > 5), 2) for id in range(10)]
    rows += [prediction(f"m{id}", 1, 0, labels=("A", "B"), dataset="MedQA") for id in range(5)]
    scores = score_choices(rows, **FAST)
    assert scores["by_dataset"]["PubMedQA"]["majority"]["accuracy"]["value"] == 6 / 10
    assert scores["by_dataset"]["MedQA"]["majority"]["accuracy"]["value"] == 1
    assert scores["all"]["majority"]["accuracy"]["value"] == 11 / 15
    assert scores["by_dataset"]["PubMedQA"]["majority"]["macro_f1"]["value"] == pytest.approx((2 * 6 / 16 + 0) / 2)
    assert value(scores, "accuracy", "macro") == 0


def test_the_mean_over_data_sets_is_that_of_their_values():
    rows = [prediction(id, 0, int(id > 2)) for id in range(10)]
    rows += [prediction(f"m{id}", 1, id % 2, labels=("A", "B"), dataset="MedQA") for id in range(4)]
    scores = score_choices(rows, **FAST)
    by_dataset = scores["by_dataset"]
    for name in ("accuracy", "macro_f1", "na_rate"):
        mean = (by_dataset["PubMedQA"][name]["value"] + by_dataset["MedQA"][name]["value"]) / 2
        assert value(scores, name, "macro") == pytest.approx(mean)


def test_questions_about_one_item_are_drawn_together():
    rows = [prediction(id, 0, int(id < 20), items={"molecule": (f"C{'C' * (id // 20)}",)}) for id in range(40)]
    alone = [prediction(id, 0, int(id < 20)) for id in range(40)]
    widths = [
        scores["all"]["accuracy"]["high"] - scores["all"]["accuracy"]["low"]
        for scores in (score_choices(group, resamples=200) for group in (rows, alone))
    ]
    assert widths[0] == 1 and widths[1] < 0.5


def test_subjects_are_scored_apart():
    rows = [prediction(id, 0, 0, dataset="MMLU", subject=("anatomy", "virology")[id % 2]) for id in range(4)]
    assert score_choices(rows, **FAST)["by_subject"].keys() == {"anatomy", "virology"}


def test_statistics_add_up():
    whole = tabulate_choices(ROWS)
    assert whole.scores(whole.table.sum(0))["accuracy"] == pytest.approx(0.5)
    stacked = np.stack([whole.table.sum(0), 2 * whole.table.sum(0)])
    for values in whole.scores(stacked).values():
        assert values[0] == pytest.approx(values[1])


# What becomes of answers in other orders.

LETTERS = ("A", "B", "C", "D")


def asked_in_orders(answer):
    """Predictions of 8 questions in 4 orders, by a rule that sees the order."""
    rows = []
    for id in range(8):
        for number in range(4):
            order = tuple((place + number) % 4 for place in range(4))
            right = order.index(id % 4)
            rows.append(
                prediction(
                    id, right, answer(id, order, right), labels=LETTERS, number=number, order=order, dataset="MedQA"
                )
            )
    return rows


def test_a_model_that_always_says_b_follows_the_letter():
    scores = score_choices(asked_in_orders(lambda id, order, right: 1), **FAST)["shuffles"]
    assert scores["follows_letter"]["value"] == 1 and scores["follows_content"]["value"] == 0
    assert scores["accuracy"]["value"] == 0.25 and scores["accuracy_always"]["value"] == 0
    assert scores["letters_chosen"] == {"A": 0, "B": 1, "C": 0, "D": 0}
    assert scores["accuracy_by_letter"] == {"A": 0, "B": 1, "C": 0, "D": 0}
    assert scores["questions"] == 8 and scores["orders"] == 32


def test_a_model_that_knows_follows_the_content():
    scores = score_choices(asked_in_orders(lambda id, order, right: right), **FAST)["shuffles"]
    for name in ("follows_content", "accuracy", "accuracy_always", "steady"):
        assert scores[name]["value"] == 1
    assert scores["follows_letter"]["value"] == scores["neither"]["value"] == 0


def test_a_model_that_is_steadily_wrong_follows_the_content_too():
    scores = score_choices(asked_in_orders(lambda id, order, right: order.index((id + 1) % 4)), **FAST)["shuffles"]
    assert scores["follows_content"]["value"] == scores["steady"]["value"] == 1
    assert scores["accuracy"]["value"] == 0


def test_missing_answers_follow_nothing():
    scores = score_choices(asked_in_orders(lambda id, order, right: None), **FAST)["shuffles"]
    assert scores["neither"]["value"] == 1 and scores["steady"]["value"] == 0


def test_scores_of_the_own_order_leave_the_others_out():
    scores = score_choices(asked_in_orders(lambda id, order, right: 1), **FAST)
    assert scores["questions"] == 8 and scores["all"]["questions"] == 8
    assert score_choices(ROWS, **FAST)["shuffles"] is None
