"""When two molecules, proteins or questions are the same, and how alike two others are.

same      molecules: one structure key (stereo and salts ignored); proteins: one sequence; questions:
          the same words, whatever their case and punctuation
alike     molecules: Tanimoto similarity of Morgan fingerprints (radius 2, 2,048 bits) of the largest
          organic fragments; proteins: share of the shorter one's 5-mers that the other one has;
          questions: share of the held-out one's three-word sequences that the other one has

A kind reads a value (`read`), names it (`key`), gives a cheap number that is the same for all values
with one key (`outline`), and cuts it into the features that likeness is counted by (`features`).
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator

from biomedgpt_hf.rows import row_items
from biomedgpt_hf.similarity import nearest
from biomedgpt_hf.similarity.structure_key import largest_organic_fragment, read_molecule, structure_key

RADIUS, BITS = 2, 2048  # of the Morgan fingerprint
KMER = 5
SIMILAR_PROTEINS = 0.3  # of the shorter one's 5-mers: one cluster, where a data set is split by similarity
WORDS = 3
# What InChI never takes a bond from: it cuts metals off, and its key is blind to hydrogens' places.
BONDED = np.isin(np.arange(128), [0, 6, 7, 8, 9, 14, 15, 16, 17, 34, 35, 53])
ODD, EVEN = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)  # any large odd numbers
MORGAN = rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS, fpSize=BITS)


class Kind(Protocol):
    """What can leak from one split into another.

    Attributes:
        name: the kind's name in the report, as `rows.row_items.read_item_blocks` knows it.
        thresholds: similarities from which on two are called near duplicates, falling.
        measure: what similarity means, in words.
    """

    name: str
    thresholds: tuple[float, ...]
    measure: str

    def read(self, value: str) -> Any:
        """Return what the other methods take, or None if the value cannot be read."""

    def outline(self, item: Any) -> int:
        """Return a number that is the same for all values with one key, in 64 bits."""

    def key(self, value: str) -> str:
        """Return what a readable value is known by."""

    def features(self, item: Any) -> np.ndarray:
        """Return the distinct features, uint64 [F], at least one."""

    def index(self, sets: Sequence[np.ndarray]) -> nearest.SetIndex:
        """Return the index that finds the nearest to each of some feature sets."""


class Molecules:
    """Molecules as SMILES or InChI."""

    name = "molecules"
    thresholds: tuple[float, ...] = (0.9, 0.8, 0.7)
    measure = f"Tanimoto similarity of Morgan fingerprints (radius {RADIUS}, {BITS} bits) of the largest organic part"

    def read(self, value: str) -> Chem.Mol | None:
        return read_fragment(value)

    def outline(self, item: Chem.Mol) -> int:
        return skeleton(item)

    def key(self, value: str) -> str:
        return structure_key(value)

    def features(self, item: Chem.Mol) -> np.ndarray:
        return np.array(MORGAN.GetFingerprint(item).GetOnBits(), dtype=np.uint64)

    def index(self, sets: Sequence[np.ndarray]) -> nearest.SetIndex:
        return nearest.BitIndex(sets, nearest.tanimoto, BITS)


class Proteins:
    """Proteins as amino-acid sequences."""

    name = "proteins"
    thresholds: tuple[float, ...] = (0.9, 0.5, SIMILAR_PROTEINS)
    measure = f"share of the shorter sequence's {KMER}-mers that the other one has"

    def read(self, value: str) -> str:
        return value.upper()

    def outline(self, item: str) -> int:
        return digest(item)

    def key(self, value: str) -> str:
        return value.upper()

    def features(self, item: str) -> np.ndarray:
        return kmers(item)

    def index(self, sets: Sequence[np.ndarray]) -> nearest.SetIndex:
        return nearest.SetIndex(sets, nearest.containment)


class Questions:
    """Questions without a molecule or protein, as text."""

    name = row_items.QUESTIONS
    thresholds: tuple[float, ...] = (0.9, 0.7, 0.5)
    measure = f"share of the held-out question's {WORDS}-word sequences that the other one has"

    def read(self, value: str) -> str:
        return plain_words(value)

    def outline(self, item: str) -> int:
        return digest(item)

    def key(self, value: str) -> str:
        return plain_words(value)

    def features(self, item: str) -> np.ndarray:
        return word_sequences(item)

    def index(self, sets: Sequence[np.ndarray]) -> nearest.SetIndex:
        return nearest.SetIndex(sets, nearest.coverage)


KINDS: tuple[Kind, ...] = (Molecules(), Proteins(), Questions())


def digest(text: str) -> int:
    """Return 64 bits that stand for a text, the same on every machine."""
    raw = hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return int.from_bytes(raw, "big")


def read_fragment(molecule: str) -> Chem.Mol | None:
    """Return the largest organic fragment of a SMILES or InChI, or None if RDKit cannot read it."""
    parsed = read_molecule(molecule)
    if parsed is not None and len(Chem.GetMolFrags(parsed)) > 1:
        parsed = largest_organic_fragment(parsed)
        Chem.FastFindRings(parsed)
    return parsed


def skeleton(molecule: Chem.Mol) -> int:
    """Return a number for what structure keys compare first: which atoms there are, and which are bonded.

    Molecules with one structure key have one skeleton, so a key, ten times as slow, is only needed
    where two skeletons agree. Bond orders, charges, isotopes, stereo, hydrogens and bonds to metals
    are ignored. Found by refining each atom's number with its neighbours' (Weisfeiler and Leman).
    """
    elements = np.array([atom.GetAtomicNum() for atom in molecule.GetAtoms()])
    bonded = BONDED[elements]
    bonds = (Chem.GetAdjacencyMatrix(molecule) * bonded).astype(np.uint64)
    labels = _mixed(elements.astype(np.uint64) + ODD)
    metals = labels[~bonded & (elements != 1)].sum(keepdims=True)
    for _ in range(4):
        labels = _mixed(labels * ODD + bonds @ labels)
    return int(_mixed(labels[bonded].sum(keepdims=True) + _mixed(metals))[0])


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """Scatter numbers over all 64 bits; equal ones stay equal."""
    numbers = (numbers ^ (numbers >> np.uint64(29))) * EVEN
    return numbers ^ (numbers >> np.uint64(32))


def kmers(sequence: str) -> np.ndarray:
    """Return the distinct 5-mers of a sequence as numbers, uint64 [F], in order; a shorter sequence is one itself."""
    letters = np.frombuffer(sequence.encode("utf-8", "surrogateescape"), dtype=np.uint8).astype(np.uint64)
    words = np.zeros(max(1, len(letters) - KMER + 1), dtype=np.uint64)
    for offset in range(min(KMER, len(letters))):
        words = words << np.uint64(8) | letters[offset : offset + len(words)]
    return _distinct(words)


def plain_words(text: str) -> str:
    """Return the words of a text in lower case, one space between them; a text without words as it is."""
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold())) or text


def word_sequences(words: str) -> np.ndarray:
    """Return numbers for the distinct sequences of three words, uint64 [F]; a shorter text is one itself."""
    numbers = np.array([_word_number(word) for word in words.split()] or [digest(words)], dtype=np.uint64)
    length = min(WORDS, len(numbers))
    sequences = np.zeros(len(numbers) - length + 1, dtype=np.uint64)
    for offset in range(length):
        sequences = _mixed(sequences * ODD + numbers[offset : offset + len(sequences)])
    return _distinct(sequences)


@lru_cache(maxsize=100_000)
def _word_number(word: str) -> int:
    return digest(word)


def _distinct(numbers: np.ndarray) -> np.ndarray:
    """Return the distinct ones in order; four times as fast as `np.unique`."""
    numbers = np.sort(numbers)
    return numbers[np.concatenate([[True], numbers[1:] != numbers[:-1]])]
