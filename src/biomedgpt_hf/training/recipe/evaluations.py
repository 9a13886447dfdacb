"""The keys about evaluations: `evaluate`, after training, and `eval_answers`, while it trains."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from biomedgpt_hf.evaluation.evaluate import EvaluationOptions, check_evaluation
from biomedgpt_hf.evaluation.metrics.registry import load_metrics, possible_scores
from biomedgpt_hf.training.trainers.answer_metrics import AnswerOptions, higher_is_better

if TYPE_CHECKING:
    from biomedgpt_hf.evaluation.metrics.metric import Metric
    from biomedgpt_hf.training.recipe.settings import Settings

EVALUATE, ANSWERS = "evaluate", "eval_answers"
SETS = "sets"  # what names alone are: `evaluate: chebi20`


@cache
def evaluate_keys() -> dict[str, Any]:
    """Types of the keys below `evaluate`, by name: the sets, and the options of `biomedgpt evaluate`."""
    return {SETS: list[str], **get_type_hints(EvaluationOptions)}


@cache
def answer_keys() -> dict[str, Any]:
    """Types of the keys below `eval_answers`, by name."""
    return get_type_hints(AnswerOptions)


def evaluation_of(settings: Settings) -> tuple[dict[str, str], EvaluationOptions] | None:
    """Return what is evaluated after training: the sets by the folders that their scores go to, and how.

    Returns:
        None where nothing is.

    Raises:
        ValueError: if no set is named, or one twice.
    """
    if settings.evaluate is None:
        return None
    told = dict(settings.evaluate)
    sets = told.pop(SETS, None)
    if not sets:
        raise ValueError("evaluate names no sets: give it some (evaluate.sets), or null.")
    return result_folders(sets), EvaluationOptions(**told)


def result_folders(sets: Sequence[str]) -> dict[str, str]:
    """Return sets by names that tell them apart: their folders' names, with those above where these are the same.

    Raises:
        ValueError: if a set is named twice.
    """
    places = [Path(one).resolve().parts for one in sets]
    if repeated := [one for one, count in Counter(places).items() if count > 1]:
        raise ValueError(f"evaluate.sets names {Path(*repeated[0]).name!r} twice: leave one out.")
    depth = 1
    while len({name[-depth:] for name in places}) < len(sets):
        depth += 1
    last = Counter(place[-1] for place in places)
    names = ["-".join(place[-depth:] if last[place[-1]] > 1 else place[-1:]).strip("/") for place in places]
    return dict(zip(names, sets, strict=True))


def answers_of(settings: Settings, metric: str | None) -> AnswerOptions | None:
    """Return which answers evaluations during training ask for; None where they measure losses only.

    Args:
        settings: of the run.
        metric: its `metric_for_best_model`.
    """
    if settings.eval_answers is not None:
        return AnswerOptions(**settings.eval_answers)
    options = AnswerOptions()
    return options if metric is not None and metric.removeprefix("eval_") in scores_of(options) else None


def scores_of(options: AnswerOptions) -> tuple[str, ...]:
    """Return the names of the scores that evaluations give, as far as their rows allow."""
    return possible_scores(options.metrics, wordnet=options.wordnet, graded=options.ontology is not None)


def watch(settings: Settings, answers: AnswerOptions | None, arguments: dict[str, Any]) -> None:
    """Add to a run's arguments by what the best checkpoint is chosen, and in which direction.

    Args:
        settings: of the run.
        answers: see `answers_of`.
        arguments: of the trainer; they are changed.

    Raises:
        ValueError: if a key would have no effect, or `greater_is_better` is not so.
    """
    patience, metric = settings.early_stopping_patience, arguments.get("metric_for_best_model")
    asked = {
        "early_stopping_patience": patience,
        ANSWERS: settings.eval_answers,
        "metric_for_best_model": metric if answers is not None else None,
    }
    key = next((key for key, value in asked.items() if value is not None), None)
    if key is not None and str(arguments.get("eval_strategy", "no")) == "no":
        raise ValueError(
            f"{key} is {asked[key]!r}, which would have no effect: eval_strategy is 'no'. Set eval_strategy to steps "
            f"or epoch, or leave {key} out."
        )
    if metric is None and (patience is not None or arguments.get("load_best_model_at_end")):
        metric = arguments["metric_for_best_model"] = "loss"
    if metric is None:
        return
    better, given = higher_is_better(metric), arguments.get("greater_is_better")
    if given is not None and given != better:
        raise ValueError(
            f"greater_is_better is {given}, but {metric} is the better the {'higher' if better else 'lower'} it is: "
            "leave greater_is_better out."
        )
    arguments["greater_is_better"] = better


def check_evaluations(settings: Settings, answers: AnswerOptions | None) -> tuple[Metric, ...]:
    """Find what evaluations would fail at, before anything is loaded.

    Args:
        settings: of the run.
        answers: see `answers_of`.

    Returns:
        the metrics of the evaluations during training, with what they need; none without `answers`.

    Raises:
        MissingPackageError: a package is not installed.
        ValueError, OSError: in one line that names the key, if a set, file, vocabulary or WordNet is missing.
    """
    folders, options = evaluation_of(settings) or ({}, EvaluationOptions())
    for source in folders.values():
        with _told_of(EVALUATE):
            check_evaluation(source, options)
    if answers is None:
        return ()
    with _told_of(ANSWERS):
        words: Mapping[str, Any] = {name: getattr(answers, name) for name in ("tokenizer", "wordnet", "ontology")}
        return load_metrics(answers.metrics, **words)


@contextmanager
def _told_of(key: str) -> Iterator[None]:
    """Put the name of a key before what goes wrong."""
    try:
        yield
    except OSError as error:
        raise OSError(f"{key}: {error}") from error
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error
