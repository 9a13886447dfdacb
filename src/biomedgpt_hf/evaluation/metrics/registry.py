"""All metrics, in the order in which a report shows them."""

from __future__ import annotations

import os
from collections.abc import Mapping
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
from biomedgpt_hf.evaluation.ontology import Ontology, read_ontology
from biomedgpt_hf.evaluation.text_metrics.word_pieces import SCIBERT


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
        ontology: an ontology in OBO format, for partial credit.
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
    others = (Contradictions(), ListedNames(), EnzymeNumbers(), ExactAnswers(), Safety())
    return (words, CaptionFacts(ontology), *others)
