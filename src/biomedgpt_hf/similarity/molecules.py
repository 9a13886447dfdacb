"""Searching known molecules by their fingerprints for those nearest to others.

Two molecules are the same if they have one structure key: stereo, salts and charges are ignored.

Shape letters:  N known molecules   F bits of one fingerprint
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from rdkit import Chem

from biomedgpt_hf.similarity.fingerprints import BITS, RADIUS, fingerprint_bits
from biomedgpt_hf.similarity.hashing import digest
from biomedgpt_hf.similarity.kinds import Molecules
from biomedgpt_hf.similarity.ranking import IDENTICAL, SAME, Hit, best, to_hits
from biomedgpt_hf.similarity.shared_features import BitTable
from biomedgpt_hf.similarity.structure_key import fragment_key, main_fragment, read_molecule

SETTINGS = {"radius": RADIUS, "bits": BITS}
MEASURE = Molecules.measure


class MoleculeFacts(NamedTuple):
    """The values by which a molecule is compared.

    Attributes:
        bits: the set bits in the fingerprint of its largest organic fragment, uint16 [F].
        key: digest of its structure key.
        identity: digest of its canonical SMILES, with stereo, salts and charges.
    """

    bits: np.ndarray
    key: int
    identity: int


def describe_molecules(molecules: Sequence[str]) -> list[MoleculeFacts | None]:
    """Return what each SMILES or InChI is compared by, None for one that RDKit cannot read."""
    return [_describe(molecule) for molecule in molecules]


def _describe(molecule: str) -> MoleculeFacts | None:
    whole = read_molecule(molecule)
    if whole is None:
        return None
    fragment = main_fragment(whole)
    return MoleculeFacts(fingerprint_bits(fragment), digest(fragment_key(fragment)), digest(Chem.MolToSmiles(whole)))


def molecule_tensors(facts: Sequence[MoleculeFacts]) -> dict[str, np.ndarray]:
    """Return the tensors that an index keeps: those of `BitTable`, and "keys" and "identities", uint64 [N]."""
    return {
        **BitTable.of([one.bits for one in facts], BITS).tensors,
        "keys": np.array([one.key for one in facts], np.uint64),
        "identities": np.array([one.identity for one in facts], np.uint64),
    }


class MoleculeSearch:
    """Finds the nearest of the known molecules.

    Args:
        tensors: see `molecule_tensors`.
    """

    def __init__(self, tensors: Mapping[str, np.ndarray]) -> None:
        self._keys, self._identities = tensors["keys"], tensors["identities"]
        self._known = BitTable(tensors)

    def search(self, molecules: Sequence[str], k: int, exclude_same: bool) -> list[list[Hit]]:
        """Return up to k hits for each SMILES or InChI.

        The identical molecule comes first, then others with its structure key, then the most similar ones.

        Raises:
            ValueError: RDKit cannot read a molecule.
        """
        asked = [_require(place, molecule) for place, molecule in enumerate(molecules)]
        hits: list[list[Hit]] = []
        for start, shared in self._known.count([one.bits for one in asked]):
            for one, counts in zip(asked[start:], shared, strict=False):
                scores = Molecules.score(counts, np.array(len(one.bits)), self._known.sizes)
                same = self._keys == np.uint64(one.key)
                scores[same] = 0 if exclude_same else SAME
                if not exclude_same:
                    scores[same & (self._identities == np.uint64(one.identity))] = IDENTICAL
                hits.append(to_hits(best(scores, k), scores))
        return hits


def _require(place: int, molecule: str) -> MoleculeFacts:
    """Return what a molecule is compared by.

    Raises:
        ValueError: RDKit cannot read it.
    """
    facts = _describe(molecule)
    if facts is None:
        raise ValueError(
            f"RDKit cannot read molecule {place}, {molecule!r}, whose nearest known molecules are wanted. "
            "Correct the SMILES or InChI."
        )
    return facts
