"""The kinds of items that are compared across a set's splits: when two are the same, and how alike two others are.

same      molecules: one structure key (stereo and salts ignored); proteins: one sequence; questions:
          the same words, whatever their case and punctuation
alike     molecules: Tanimoto similarity of Morgan fingerprints (radius 2, 2,048 bits) of the largest
          organic fragments; proteins: share of the shorter one's 5-mers that the other one has;
          questions: share of the held-out one's three-word sequences that the other one has

A kind reads a value (`read`), names it (`key`), gives a cheap number that is the same for all values
with one key (`outline`), and cuts it into the features that likeness is counted by (`features`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from rdkit import Chem

from biomedgpt_hf.rows.schema import QUESTIONS
from biomedgpt_hf.similarity.fingerprints import BITS, RADIUS, fingerprint_bits
from biomedgpt_hf.similarity.hashing import digest
from biomedgpt_hf.similarity.kmers import KMER, SIMILAR_PROTEINS, kmers, sequence_key
from biomedgpt_hf.similarity.scores import Score, containment, coverage, tanimoto
from biomedgpt_hf.similarity.shared_features import BitTable, KnownSets, Postings
from biomedgpt_hf.similarity.structure_key import main_fragment, read_molecule, skeleton, structure_key
from biomedgpt_hf.similarity.words import WORDS, plain_words, word_sequences


class ComparedKind(Protocol):
    """What can leak from one split into another.

    Attributes:
        name: the kind's name in the report, as `rows.row_items.read_item_blocks` knows it.
        thresholds: similarities from which two items are called near duplicates, in falling order.
        measure: the meaning of similarity, in words.
        score: the function that computes it.
    """

    name: str
    thresholds: tuple[float, ...]
    measure: str
    score: Score

    def read(self, value: str) -> Any:
        """Return the value in the form that the other methods take, or None if it cannot be read."""

    def outline(self, item: Any) -> int:
        """Return a number that is the same for all values with one key, in 64 bits."""

    def key(self, value: str) -> str:
        """Return the key of a readable value. Values with the same key are the same."""

    def features(self, item: Any) -> np.ndarray:
        """Return the distinct features, unsigned integers [F], at least one."""

    def known(self, sets: Sequence[np.ndarray]) -> KnownSets:
        """Return the features of some items, prepared for comparison with those of others."""


class Molecules:
    """Molecules as SMILES or InChI."""

    name = "molecules"
    thresholds: tuple[float, ...] = (0.9, 0.8, 0.7)
    measure = f"Tanimoto similarity of Morgan fingerprints (radius {RADIUS}, {BITS} bits) of the largest organic part"
    score: Score = staticmethod(tanimoto)

    def read(self, value: str) -> Chem.Mol | None:
        molecule = read_molecule(value)
        return None if molecule is None else main_fragment(molecule)

    def outline(self, item: Chem.Mol) -> int:
        return skeleton(item)

    def key(self, value: str) -> str:
        return structure_key(value)

    def features(self, item: Chem.Mol) -> np.ndarray:
        return fingerprint_bits(item)

    def known(self, sets: Sequence[np.ndarray]) -> KnownSets:
        return BitTable.of(sets, BITS)


class Proteins:
    """Proteins as amino-acid sequences."""

    name = "proteins"
    thresholds: tuple[float, ...] = (0.9, 0.5, SIMILAR_PROTEINS)
    measure = f"share of the shorter sequence's {KMER}-mers that the other one has"
    score: Score = staticmethod(containment)

    def read(self, value: str) -> str:
        return sequence_key(value)

    def outline(self, item: str) -> int:
        return digest(item)

    def key(self, value: str) -> str:
        return sequence_key(value)

    def features(self, item: str) -> np.ndarray:
        return kmers(item)

    def known(self, sets: Sequence[np.ndarray]) -> KnownSets:
        return Postings.of(sets)


class Questions:
    """Questions without a molecule or protein, as text."""

    name = QUESTIONS
    thresholds: tuple[float, ...] = (0.9, 0.7, 0.5)
    measure = f"share of the held-out question's {WORDS}-word sequences that the other one has"
    score: Score = staticmethod(coverage)

    def read(self, value: str) -> str:
        return plain_words(value)

    def outline(self, item: str) -> int:
        return digest(item)

    def key(self, value: str) -> str:
        return plain_words(value)

    def features(self, item: str) -> np.ndarray:
        return word_sequences(item)

    def known(self, sets: Sequence[np.ndarray]) -> KnownSets:
        return Postings.of(sets)


COMPARED_KINDS: tuple[ComparedKind, ...] = (Molecules(), Proteins(), Questions())
