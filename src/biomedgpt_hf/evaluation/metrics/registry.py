"""All metrics, in the order in which a report shows them."""

from __future__ import annotations

import os
from typing import Any

from biomedgpt_hf.chemistry.caption_statements import normalised_name
from biomedgpt_hf.evaluation.metrics.caption_facts import CaptionFacts
from biomedgpt_hf.evaluation.metrics.contradictions import Contradictions
from biomedgpt_hf.evaluation.metrics.enzyme_numbers import EnzymeNumbers
from biomedgpt_hf.evaluation.metrics.exact_answers import ExactAnswers
from biomedgpt_hf.evaluation.metrics.listed_names import ListedNames
from biomedgpt_hf.evaluation.metrics.metric import Metric
from biomedgpt_hf.evaluation.metrics.words import Words
from biomedgpt_hf.evaluation.ontology import read_ontology
from biomedgpt_hf.evaluation.text_metrics.word_pieces import SCIBERT


def all_metrics(
    *, tokenizer: str | os.PathLike | Any = SCIBERT, wordnet: bool = True, ontology: str | os.PathLike | None = None
) -> tuple[Metric, ...]:
    """Return every metric.

    Args:
        tokenizer: SciBERT's vocabulary, as `TextScorer` takes it.
        wordnet: False for METEOR without synonyms.
        ontology: an ontology in OBO format, for partial credit.

    Raises:
        MissingWordNetError, MissingVocabularyError, ModuleNotFoundError: see `TextScorer`.
        SourceError, OSError: see `read_ontology`.
    """
    return (
        Words(tokenizer, wordnet=wordnet),
        CaptionFacts(read_ontology(ontology, normalised_name) if ontology is not None else None),
        Contradictions(),
        ListedNames(),
        EnzymeNumbers(),
        ExactAnswers(),
    )
