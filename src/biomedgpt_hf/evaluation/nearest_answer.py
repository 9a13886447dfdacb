"""An answer without a model: the text of the nearest known item."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from biomedgpt_hf.neighbours.evidence import WIDER, answering_first, most_alike
from biomedgpt_hf.neighbours.index import NeighbourIndex
from biomedgpt_hf.neighbours.neighbour import Neighbour, Text


def nearest_answer(
    index: NeighbourIndex,
    question: str,
    molecules: Sequence[str] = (),
    proteins: Sequence[str] = (),
    *,
    exclude_same: bool = False,
    embeddings: np.ndarray | None = None,
) -> Text | None:
    """Return the text of the nearest known item that answers a question, or None if nothing known is near.

    The nearest item is the one most similar to any of the molecules and proteins; the first of equally similar
    ones counts, and those of which the same question is answered come before others (see `answering_first`). Of its
    texts, the one whose question shares most words with this question is returned (see
    `most_alike`). A set asks each task in its own wording, so that is the answer to the same task if the item has one.

    Args:
        index: an index of items that may be known, so without those that are held out.
        question: what is asked about the items.
        molecules: SMILES or InChI.
        proteins: amino-acid sequences.
        exclude_same: leave out the items that are asked about.
        embeddings: embeddings of the proteins, if the index compares embeddings.

    Raises:
        ValueError: RDKit cannot read a molecule, a sequence is blank, or embeddings are missing.
    """
    found = index.molecules(molecules, WIDER, exclude_same=exclude_same) if molecules else []
    if proteins:
        found += index.proteins(proteins, WIDER, exclude_same=exclude_same, embeddings=embeddings)
    nearest = nearest_to_answer(question, found)
    return most_alike(question, nearest.texts) if nearest else None


def nearest_to_answer(question: str, found: Sequence[Sequence[Neighbour]]) -> Neighbour | None:
    """Return the known item whose text is the answer, or None if nothing is known.

    Args:
        question: what is asked.
        found: the nearest known items of each item, `WIDER` of them.
    """
    nearest = [first for neighbours in found for first in answering_first(question, neighbours, 1)]
    return max(nearest, key=lambda neighbour: neighbour.similarity, default=None)
