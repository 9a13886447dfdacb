"""How right an answer is, 0 to 1, by the score that fits its kind of question.

That is what a confidence foretells, and what the order of answers by their confidence is judged by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from biomedgpt_hf.evaluation.answers import Answered
from biomedgpt_hf.evaluation.metrics.enzyme_numbers import EnzymeNumbers
from biomedgpt_hf.evaluation.metrics.exact_answers import ExactAnswers
from biomedgpt_hf.evaluation.metrics.listed_names import ListedNames
from biomedgpt_hf.evaluation.metrics.set_overlap import WIDTH, f1_scores
from biomedgpt_hf.evaluation.metrics.words import Words
from biomedgpt_hf.evaluation.metrics.written_choices import WrittenChoices
from biomedgpt_hf.evaluation.scoring import MetricTable
from biomedgpt_hf.evaluation.text_metrics.ngrams import Ragged
from biomedgpt_hf.evaluation.text_metrics.rouge import load_words, rouge

ENZYME_TASK = "protein_ec"  # other rows with an EC number in the reference are texts around it
ROUGE_L = "rougeL"


class Rightness(NamedTuple):
    """How right an answer is.

    Attributes:
        value: 0 to 1.
        measure: the name of the score that tells it.
    """

    value: float
    measure: str


class RougeL:
    """ROUGE-L alone, as `Words` has it, without WordNet and vocabulary."""

    name = "rouge_l"
    description = "The longest common subsequence of words (ROUGE-L)."
    fails = "Length alone moves it."
    in_chunks = True

    def applies_to(self, row: Answered) -> bool:
        """Return whether the reference is a text that an answer should be like."""
        return Words().applies_to(row)

    def statistics(self, rows: Sequence[Answered]) -> np.ndarray:
        """Return ROUGE-L of each row and a one, float64 [N, 2]."""
        words, numbers = load_words(), dict[str, int]()
        sides = [
            Ragged.of([[numbers.setdefault(word, len(numbers)) for word in words(text)] for text in texts])
            for texts in ([row.answer for row in rows], [row.reference for row in rows])
        ]
        return np.column_stack([rouge(*sides)[:, 2], np.ones(len(rows))])

    def scores(self, sums: np.ndarray) -> Mapping[str, np.ndarray]:
        """Return rougeL, [...]."""
        return {ROUGE_L: sums[..., 0] / np.maximum(sums[..., 1], 1)}

    def versions(self) -> Mapping[str, Any]:
        """Return nothing: rouge_score only splits the words."""
        return {}


METRICS = (ExactAnswers(), ListedNames(), EnzymeNumbers(), WrittenChoices(), RougeL())


def _score(name: str) -> Callable[[MetricTable], np.ndarray]:
    return lambda table: table.metric.scores(table.statistics)[name]


def _enzyme_f1(table: MetricTable) -> np.ndarray:
    """Return the F1 of the EC numbers of each row, over all their levels: a right class counts in part, [N]."""
    counts = table.statistics.reshape(len(table.rows), -1, WIDTH).sum(axis=1)
    return f1_scores(counts, "ec")["ec_f1"]


# The first of these metrics that has a row tells how right it is: metric → (name of the score, the rows' scores).
MEASURES: Mapping[str, tuple[str, Callable[[MetricTable], np.ndarray]]] = {
    ExactAnswers.name: ("exact", _score("exact")),
    ListedNames.name: ("name_f1", _score("name_f1")),
    EnzymeNumbers.name: ("ec_f1", _enzyme_f1),
    WrittenChoices.name: ("accuracy", _score("accuracy")),
    Words.name: (ROUGE_L, _score(ROUGE_L)),
    RougeL.name: (ROUGE_L, _score(ROUGE_L)),
}


def rightness_of(tables: Iterable[MetricTable]) -> dict[str, Rightness]:
    """Return how right the rows of a run are, by their ids; rows that no measure fits, such as safety's, are left out.

    Args:
        tables: the statistics of the run by each metric.
    """
    by_name = {table.metric.name: table for table in tables}
    found: dict[str, Rightness] = {}
    for name, (measure, of_rows) in MEASURES.items():
        if (table := by_name.get(name)) is None:
            continue
        for row, value in zip(table.rows, of_rows(table).tolist(), strict=True):
            if name != EnzymeNumbers.name or row.task == ENZYME_TASK:
                found.setdefault(row.id, Rightness(value, measure))
    return found


def measures_in_words(found: Iterable[Rightness]) -> str:
    """Return the names of the measures, each once."""
    return ", ".join(dict.fromkeys(one.measure for one in found))
