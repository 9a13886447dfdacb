"""What choices are worth: accuracy, macro-F1, N/A rate, calibration, risk against coverage, and the majority row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from biomedgpt_hf.evaluation.multiple_choice.predictions import ChoicePrediction
from biomedgpt_hf.evaluation.multiple_choice.shuffles import score_shuffles
from biomedgpt_hf.evaluation.multiple_choice.statistics import ChoiceStatistics, tabulate_choices
from biomedgpt_hf.evaluation.resampling import RESAMPLES, break_down, estimate


def score_choices(
    predictions: Sequence[ChoicePrediction], *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Any]:
    """Score predictions.

    Args:
        predictions: of `evaluate_choices`, of one protocol; those of other orders are scored apart.
        resamples: how many sets of questions are drawn for the 95 % intervals; questions about the same molecule or
            protein are drawn together.
        seed: of the draw.

    Returns:
        "questions" and "errors" as numbers; "all": the scores over all questions; where there are several data sets or
        subjects, "by_dataset" and "by_subject" with the same for each, and "macro", the means over data sets;
        "shuffles", see `score_shuffles`, or None.

        Scores are {"value", "low", "high"}: accuracy; macro_f1 over the labels; na_rate, the share without a choice (a
        question that could not be put has none either); with log-likelihoods also acc_norm (divided by the labels'
        lengths, as lm-evaluation-harness does), ece and brier (over the labels' probabilities, which add up to 1;
        Brier's sum over labels, from 0 to 2); aurc, the area under risk against coverage, and the risk (share of wrong
        answers) of the 25, 50 and 75 % most confident answers. "majority" is the row of a model that always gives the
        most frequent answer, and "risk_coverage" the curve.

    Raises:
        ValueError: there is nothing to score.
    """
    own = [one for one in predictions if one.number == 0]
    if not own:
        raise ValueError("There are no predictions to score.")
    draws = {"resamples": resamples, "seed": seed}
    found: dict[str, Any] = {
        "questions": len(own),
        "errors": sum(one.status != "ok" for one in own),
        "all": _score(own, draws),
        "shuffles": score_shuffles(predictions, **draws),
    }
    datasets, subjects = _grouped(own, "dataset"), _grouped(own, "subject")
    if len(datasets) > 1:
        found["by_dataset"] = {name: _score(group, draws) for name, group in datasets.items()}
        found["macro"] = _macro(datasets, draws)
    if len(subjects) > 1:
        found["by_subject"] = {name: _score(group, draws) for name, group in subjects.items()}
    return found


def _score(predictions: Sequence[ChoicePrediction], draws: Mapping[str, int]) -> dict[str, Any]:
    statistics = tabulate_choices(predictions)
    units = [one.unit for one in predictions]
    found = estimate(statistics.table, units, statistics.scores, **draws)
    majority = tabulate_choices(majority_row(predictions))
    of_majority = estimate(majority.table, units, majority.scores, **draws)
    return {
        "questions": len(predictions),
        **{name: value._asdict() for name, value in found.items()},
        "majority": {name: of_majority[name]._asdict() for name in ("accuracy", "macro_f1")},
        **({"risk_coverage": statistics.curve()} if statistics.has_confidence else {}),
    }


def majority_row(predictions: Sequence[ChoicePrediction]) -> list[ChoicePrediction]:
    """Return the predictions of a model that always gives the most frequent right answer of a question's data set."""
    counts: dict[str, Counter[str]] = {}
    for one in predictions:
        counts.setdefault(one.dataset, Counter())[one.labels[one.answer_index]] += 1
    # Of equally frequent ones the first in the alphabet.
    most = {name: min(count, key=lambda label: (-count[label], label)) for name, count in counts.items()}
    rows = []
    for one in predictions:
        label = most[one.dataset]
        chosen = one.labels.index(label) if label in one.labels else None
        rows.append(replace(one, chosen=chosen, log_likelihoods=None, log_probability=None))
    return rows


def _macro(datasets: Mapping[str, Sequence[ChoicePrediction]], draws: Mapping[str, int]) -> dict[str, Any]:
    """Return the means over data sets."""
    every = [one for group in datasets.values() for one in group]
    labels = sorted({label for one in every for label in one.labels})
    tables = [tabulate_choices(group, labels) for group in datasets.values()]
    weakest = ChoiceStatistics(
        np.concatenate([one.table for one in tables]),
        tables[0].labels,
        all(one.has_probabilities for one in tables),
        all(one.has_confidence for one in tables),
    )
    names, units = [one.dataset for one in every], [one.unit for one in every]
    found = break_down(weakest.table, units, names, weakest.scores, **draws).macro
    return {name: value._asdict() for name, value in found.items()}


def _grouped(predictions: Sequence[ChoicePrediction], field: str) -> dict[str, list[ChoicePrediction]]:
    groups: dict[str, list[ChoicePrediction]] = {}
    for one in predictions:
        groups.setdefault(getattr(one, field), []).append(one)
    return dict(sorted(groups.items()))
