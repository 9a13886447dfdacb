"""The nearest known item's text as the answer: what a look into a memory is worth, without any model.

Items of which the same question is answered come before others, as in a prompt: a memory that knows only the class of
some items would be a weak opponent otherwise.

The memory has a name, by custom the training rows of the same set, and how near the scored items are to it is told with
the score: an item that stands in the memory itself is a leak, and is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from biomedgpt_hf.evaluation.answers import Answered
from biomedgpt_hf.evaluation.nearest_answer import nearest_to_answer
from biomedgpt_hf.neighbours.evidence import WIDER, most_alike
from biomedgpt_hf.neighbours.index import NeighbourIndex
from biomedgpt_hf.neighbours.neighbour import Neighbour

NAME = "nearest known item"
MODALITIES = ("molecule", "protein")  # those that an index compares
EDGES = (0.0, 0.4, 0.6, 0.8, 1.0)  # of the bins by similarity; the same item is a bin of its own
SAME = "the same item"
NOTHING = "nothing similar"


@dataclass(frozen=True)
class NearestKnown:
    """What a memory says to each row.

    Attributes:
        answers: the rows, each with the nearest item's text that answers the most similar question.
        similarities: of the nearest item, float64 [N]; NaN for rows without items, or where nothing is similar.
        same: whether the memory holds the row's own item, bool [N].
        measure: what similarity means, in words.
        memory: what the memory is, in words.
    """

    answers: list[Answered]
    similarities: np.ndarray
    same: np.ndarray
    measure: str
    memory: str


def nearest_known(rows: Sequence[Answered], index: NeighbourIndex, memory: str) -> NearestKnown:
    """Answer each row with what is known of the nearest item.

    Args:
        rows: what is scored.
        index: the memory. It compares proteins by 5-mers.
        memory: what it is, in words.

    Raises:
        ValueError: RDKit cannot read a molecule, or the index compares embeddings.
        NeighbourIndexError: a file of the index is corrupt.
    """
    molecules, proteins = (_distinct_items(rows, modality) for modality in MODALITIES)
    found = dict(zip(molecules, index.molecules(molecules, WIDER), strict=True)) if molecules else {}
    found |= dict(zip(proteins, index.proteins(proteins, WIDER), strict=True)) if proteins else {}
    nearest = [_nearest(row, found) for row in rows]
    answers = []
    for row, neighbour in zip(rows, nearest, strict=True):
        text = most_alike(row.question, neighbour.texts) if neighbour else None
        answers.append(replace(row, answer=text.answer if text else "", error=None, log_probability=None))
    measures = dict.fromkeys(neighbour.measure for neighbour in nearest if neighbour)
    return NearestKnown(
        answers,
        np.array([neighbour.similarity if neighbour else np.nan for neighbour in nearest]),
        np.array([bool(neighbour and neighbour.same) for neighbour in nearest], dtype=bool),
        "; ".join(measures),
        memory,
    )


def _distinct_items(rows: Sequence[Answered], modality: str) -> list[str]:
    return list(dict.fromkeys(item for row in rows for item in row.items.get(modality, ())))


def _nearest(row: Answered, found: dict[str, list[Neighbour]]) -> Neighbour | None:
    of_items = [found[item] for modality in MODALITIES for item in row.items.get(modality, ())]
    return nearest_to_answer(row.question, of_items)


def bins_by_similarity(nearest: NearestKnown) -> dict[str, list[int]]:
    """Return the places of the rows in each bin of similarity, from far to near; empty bins are left out."""
    similarities = nearest.similarities
    bins = {NOTHING: np.isnan(similarities)}
    for low, high in pairwise(EDGES):
        is_last = high == EDGES[-1]
        within = (similarities >= low) & ((similarities <= high) if is_last else (similarities < high))
        bins[f"{low:.1f} to {high:.1f}"] = within & ~nearest.same
    bins[SAME] = nearest.same
    return {name: np.flatnonzero(chosen).tolist() for name, chosen in bins.items() if chosen.any()}
