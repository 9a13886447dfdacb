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
from biomedgpt_hf.similarity.nearest_bits import NearestBits
from biomedgpt_hf.similarity.ranking import Hit
from biomedgpt_hf.similarity.structure_key import fragment_key, main_fragment, read_molecule, skeleton

SETTINGS = {"radius": RADIUS, "bits": BITS}
MEASURE = Molecules.measure


class MoleculeFacts(NamedTuple):
    """The values by which a molecule is compared.

    Attributes:
        bits: the set bits in the fingerprint of its largest organic fragment, uint16 [F].
        skeleton: number of its skeleton, the same for all molecules with its structure key.
        key: digest of its structure key.
        identity: digest of its canonical SMILES, with stereo, salts and charges.
    """

    bits: np.ndarray
    skeleton: int
    key: int
    identity: int


class AskedMolecule(NamedTuple):
    """A molecule that is looked for: RDKit's molecule, its largest organic fragment, and that one's bits [F]."""

    whole: Chem.Mol
    fragment: Chem.Mol
    bits: np.ndarray


def describe_molecules(molecules: Sequence[str]) -> list[MoleculeFacts | None]:
    """Return what each SMILES or InChI is compared by, None for one that RDKit cannot read."""
    return [_describe(molecule) for molecule in molecules]


def _describe(molecule: str) -> MoleculeFacts | None:
    asked = _read(molecule)
    if asked is None:
        return None
    return MoleculeFacts(asked.bits, skeleton(asked.fragment), _key(asked), _identity(asked))


def _read(molecule: str) -> AskedMolecule | None:
    whole = read_molecule(molecule)
    if whole is None:
        return None
    fragment = main_fragment(whole)
    return AskedMolecule(whole, fragment, fingerprint_bits(fragment))


def _key(molecule: AskedMolecule) -> int:
    return digest(fragment_key(molecule.fragment))


def _identity(molecule: AskedMolecule) -> int:
    return digest(Chem.MolToSmiles(molecule.whole))


def molecule_tensors(facts: Sequence[MoleculeFacts]) -> dict[str, np.ndarray]:
    """Return the tensors that an index keeps: those of `NearestBits`, and three numbers of each molecule.

    These are "skeletons", "keys" and "identities", uint64 [N].
    """
    return {
        **NearestBits.of([one.bits for one in facts], BITS).tensors,
        "skeletons": np.array([one.skeleton for one in facts], np.uint64),
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
        self._by_skeleton = np.argsort(tensors["skeletons"], kind="stable")
        self._skeletons = tensors["skeletons"][self._by_skeleton]
        self._known = NearestBits(tensors)

    def search(self, molecules: Sequence[str], k: int, exclude_same: bool) -> list[list[Hit]]:
        """Return up to k hits for each SMILES or InChI.

        The identical molecule comes first, then others with its structure key, then the most similar ones.

        Raises:
            ValueError: RDKit cannot read a molecule.
        """
        asked = [_require(place, molecule) for place, molecule in enumerate(molecules)]
        return [self._nearest(one, k, exclude_same) for one in asked]

    def _nearest(self, asked: AskedMolecule, k: int, exclude_same: bool) -> list[Hit]:
        same, identical = self._same(asked)
        shown = [] if exclude_same else [place for place in same.tolist() if not self._known.hidden[place]][:k]
        hits = [Hit(place, 1.0, True, place in identical) for place in shown]
        places, scores = self._known.nearest(asked.bits, k - len(hits), same)
        return hits + [Hit(*found, False) for found in zip(places.tolist(), scores.tolist(), strict=True)]

    def forget(self, molecules: Sequence[str]) -> int:
        """Find these molecules, by their structure keys, no more. Return how many known ones that are.

        Raises:
            ValueError: RDKit cannot read a molecule.
        """
        before = int(self._known.hidden.sum())
        for place, molecule in enumerate(molecules):
            self._known.hidden[self._same(_require(place, molecule))[0]] = True
        return int(self._known.hidden.sum()) - before

    def _same(self, asked: AskedMolecule) -> tuple[np.ndarray, set[int]]:
        """Return the places of the molecules with this structure key, identical ones first, and which are identical.

        A key takes longer than the search, so it is computed only where a known molecule has the same skeleton.
        """
        number = np.uint64(skeleton(asked.fragment))
        start, stop = (np.searchsorted(self._skeletons, number, side) for side in ("left", "right"))
        places = self._by_skeleton[start:stop]
        if len(places):
            places = places[self._keys[places] == np.uint64(_key(asked))]
        if not len(places):
            return places, set()
        identical = self._identities[places] == np.uint64(_identity(asked))
        return places[np.argsort(~identical, kind="stable")], set(places[identical].tolist())


def _require(place: int, molecule: str) -> AskedMolecule:
    """Return a molecule that is looked for.

    Raises:
        ValueError: RDKit cannot read it.
    """
    asked = _read(molecule)
    if asked is None:
        raise ValueError(
            f"RDKit cannot read molecule {place}, {molecule!r}, whose nearest known molecules are wanted. "
            "Correct the SMILES or InChI."
        )
    return asked
