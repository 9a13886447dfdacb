"""All metrics, in the order in which a report shows them."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import Any

from biomedgpt_hf.chemistry.caption_statements import normalised_name
from biomedgpt_hf.evaluation.metrics.caption_facts import CaptionFacts
from biomedgpt_hf.evaluation.metrics.contradictions import Contradictions
from biomedgpt_hf.evaluation.metrics.enzyme_numbers import EnzymeNumbers
from biomedgpt_hf.evaluation.metrics.exact_answers import ExactAnswers
from biomedgpt_hf.evaluation.metrics.listed_names import ListedNames
from biomedgpt_hf.evaluation.metrics.metric import Metric
from biomedgpt_hf.evaluation.metrics.safety import Safety
from biomedgpt_hf.evaluation.metrics.words import Words
from biomedgpt_hf.evaluation.metrics.written_choices import WrittenChoices
from biomedgpt_hf.evaluation.ontology import Ontology, read_ontology
from biomedgpt_hf.evaluation.text_metrics.word_pieces import SCIBERT
from biomedgpt_hf.extras import require

# Scores that are the better the lower they are; all others the higher.
LOWER_IS_BETTER = frozenset({"contradiction_rate", "na_rate", "harmful_answered", "harmless_declined"})
NO_QUALITY = frozenset({"claims_checked", "reference_contradiction_rate"})  # scores that say nothing good or bad
EXTRA, PACKAGES = "evaluation", ("nltk", "rouge_score")  # an extra of pyproject.toml, and what `Words` needs of it


def all_metrics(
    *,
    tokenizer: str | os.PathLike | Any = SCIBERT,
    wordnet: bool = True,
    ontology: str | os.PathLike | None = None,
    processes: int | None = None,
) -> tuple[Metric, ...]:
    """Return every metric.

    Args:
        tokenizer: SciBERT's vocabulary, as `TextScorer` takes it.
        wordnet: False for METEOR without synonyms.
        ontology: an ontology such as chebi.obo, for partial credit.
        processes: how many count words where there are many texts; None is as many as there are processor cores.

    Raises:
        MissingWordNetError, MissingVocabularyError, ModuleNotFoundError: see `TextScorer`.
        SourceError, OSError: see `read_ontology`.
    """
    graded_by = read_ontology(ontology, normalised_name) if ontology is not None else None
    return _metrics(Words(tokenizer, wordnet=wordnet, processes=processes), graded_by)


def recorded_metrics(recorded: Mapping[str, Mapping[str, Any]]) -> tuple[Metric, ...]:
    """Return the metrics as they were when results were written, good for scores out of kept statistics.

    Args:
        recorded: the entry "metrics" of a `metrics.json`.
    """
    wordnet = recorded.get("words", {}).get("wordnet") is not None
    graded = recorded.get("caption_facts", {}).get("ontology_names") is not None
    return _metrics(Words(wordnet=wordnet), Ontology({}) if graded else None)


def _metrics(words: Words, ontology: Ontology | None) -> tuple[Metric, ...]:
    others = (Contradictions(), ListedNames(), EnzymeNumbers(), ExactAnswers(), WrittenChoices(), Safety())
    return (words, CaptionFacts(ontology), *others)


def load_metrics(names: Collection[str] | None = None, **options: Any) -> tuple[Metric, ...]:
    """Return metrics with everything that they need loaded, so that what is missing is told now.

    Args:
        names: of the metrics; None for all.
        options: see `all_metrics`.

    Raises:
        ValueError: there is no metric of such a name.
        MissingPackageError: a package is not installed.
        OSError: the vocabulary, WordNet or the ontology is missing.
    """
    metrics = all_metrics(**options)
    known = [metric.name for metric in metrics]
    if unknown := [name for name in names or () if name not in known]:
        raise ValueError(f"There is no metric {unknown[0]!r}: choose from {', '.join(known)}.")
    chosen = tuple(metric for metric in metrics if names is None or metric.name in names)
    for metric in chosen:
        if isinstance(metric, Words):
            for package in PACKAGES:
                require(package, EXTRA, f"The metric {metric.name!r}")
            _ = metric.scorer
    return chosen


def possible_scores(
    names: Collection[str] | None = None, *, wordnet: bool = True, graded: bool = False
) -> tuple[str, ...]:
    """Return the names of the scores that metrics can give; nothing is loaded for that.

    Args:
        names: of the metrics; None for all.
        wordnet, graded: whether METEOR has synonyms, and facts an ontology.
    """
    metrics = _metrics(Words(wordnet=wordnet), Ontology({}) if graded else None)
    return tuple(name for one in metrics if names is None or one.name in names for name in score_names(one))


def score_names(metric: Metric) -> tuple[str, ...]:
    """Return the names of a metric's scores; nothing is loaded for that."""
    return tuple(metric.scores(metric.statistics([]).sum(axis=0)))
