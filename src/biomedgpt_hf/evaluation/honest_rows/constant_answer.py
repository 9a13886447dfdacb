"""The best constant answer: one text for every question of a kind, chosen without looking at what is scored.

It is worth as much as the paper's 10B model on ChEBI-20. The answer is chosen among the answers of the training rows,
by its BLEU-2 (over plain words) against those of the validation rows, or of the training rows where there are none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from biomedgpt_hf.evaluation.answers import Answered
from biomedgpt_hf.evaluation.text_metrics.bleu import bleu, bleu_counts
from biomedgpt_hf.evaluation.text_metrics.ngrams import Ragged

CANDIDATES, COMPARED = 200, 400
NAME = "best constant answer"


def constant_answers(
    rows: Sequence[Answered], known: Iterable[Answered], held_out: Iterable[Answered] = (), *, seed: int = 0
) -> list[Answered]:
    """Return the rows, each with the best constant answer of its task.

    Args:
        rows: what is scored; their references are not looked at.
        known: training rows, whose answers may be given.
        held_out: validation rows, by which the answer is chosen; where a task has none, the training rows.
        seed: decides which 200 answers are tried, on which 400 rows, where there are more.
    """
    tasks = {row.task for row in rows}
    texts, judged = _by_task(known, tasks), _by_task(held_out, tasks)
    chosen = {task: best_constant(texts[task], judged.get(task) or texts[task], seed=seed) for task in texts}
    return [replace(row, answer=chosen.get(row.task, ""), error=None, log_probability=None) for row in rows]


def _by_task(rows: Iterable[Answered], tasks: set[str]) -> dict[str, list[str]]:
    texts: dict[str, list[str]] = {}
    for row in rows:
        if row.task in tasks:
            texts.setdefault(row.task, []).append(row.reference)
    return texts


def best_constant(answers: Sequence[str], references: Sequence[str], *, seed: int = 0) -> str:
    """Return the answer with the highest BLEU-2 against all references; the most frequent of equally good ones.

    Args:
        answers: at least one text.
        references: at least one text.
        seed: of the samples.
    """
    random = np.random.default_rng(seed)
    counted = Counter(answers)
    frequent = [text for text, _ in counted.most_common(CANDIDATES // 4)]
    others = [text for text in counted if text not in set(frequent)]
    drawn = random.permutation(len(others))[: CANDIDATES - len(frequent)]
    candidates = [*frequent, *(others[place] for place in drawn)]
    numbers: dict[str, int] = {}

    def words(text: str) -> list[int]:
        return [numbers.setdefault(word, len(numbers)) for word in text.lower().split()]

    compared = Ragged.of([words(references[place]) for place in random.permutation(len(references))[:COMPARED]])
    repeated = (Ragged.of([words(text)] * len(compared.lengths)) for text in candidates)
    scores = [float(bleu(bleu_counts(answer, compared).sum(axis=0), 2)) for answer in repeated]
    return candidates[int(np.argmax(scores))]
