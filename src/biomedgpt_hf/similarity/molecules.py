"""Known molecules by their fingerprints, compared by RDKit.

Two molecules are the same if they have one structure key: stereo, salts and charges are ignored.

Shape letters:  N known molecules
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from rdkit import Chem, DataStructs

from biomedgpt_hf.similarity.kinds import BITS, MORGAN, RADIUS, Molecules, digest, read_fragment
from biomedgpt_hf.similarity.ranking import IDENTICAL, SAME, Hit, best, to_hits
from biomedgpt_hf.similarity.structure_key import read_molecule, structure_key

SETTINGS = {"radius": RADIUS, "bits": BITS}
MEASURE = Molecules.measure


class MoleculeFacts(NamedTuple):
    """What a molecule is compared by.

    Attributes:
        fingerprint: Morgan fingerprint of its largest organic fragment, BITS / 8 bytes.
        key: digest of its structure key.
        identity: digest of its canonical SMILES, stereo, salts and charges included.
    """

    fingerprint: bytes
    key: int
    identity: int


def describe_molecules(molecules: Sequence[str]) -> list[MoleculeFacts | None]:
    """Return what each SMILES or InChI is compared by, None for one that RDKit cannot read."""
    return [_describe(molecule) for molecule in molecules]


def _describe(molecule: str) -> MoleculeFacts | None:
    whole, fragment = read_molecule(molecule), read_fragment(molecule)
    if whole is None or fragment is None:
        return None
    fingerprint = DataStructs.BitVectToBinaryText(MORGAN.GetFingerprint(fragment))
    return MoleculeFacts(fingerprint, digest(structure_key(molecule)), digest(Chem.MolToSmiles(whole)))


def molecule_tensors(facts: Sequence[MoleculeFacts]) -> dict[str, np.ndarray]:
    """Return what an index keeps: fingerprints uint8 [N, BITS / 8], keys and identities uint64 [N]."""
    return {
        "fingerprints": np.frombuffer(b"".join(one.fingerprint for one in facts), np.uint8).reshape(len(facts), -1),
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
        self._fingerprints = [DataStructs.CreateFromBinaryText(row.tobytes()) for row in tensors["fingerprints"]]

    def search(self, molecules: Sequence[str], k: int, exclude_same: bool) -> list[list[Hit]]:
        """Return up to k hits for each SMILES or InChI.

        The identical molecule comes first, then others with its structure key, then the most similar ones.

        Raises:
            ValueError: RDKit cannot read a molecule.
        """
        return [self._search(place, molecule, k, exclude_same) for place, molecule in enumerate(molecules)]

    def _search(self, place: int, molecule: str, k: int, exclude_same: bool) -> list[Hit]:
        facts = _describe(molecule)
        if facts is None:
            raise ValueError(
                f"RDKit cannot read molecule {place}, {molecule!r}, whose nearest known molecules are wanted. "
                "Correct the SMILES or InChI."
            )
        fingerprint = DataStructs.CreateFromBinaryText(facts.fingerprint)
        scores = np.array(DataStructs.BulkTanimotoSimilarity(fingerprint, self._fingerprints))
        same = self._keys == np.uint64(facts.key)
        scores[same] = 0 if exclude_same else SAME
        if not exclude_same:
            scores[same & (self._identities == np.uint64(facts.identity))] = IDENTICAL
        return to_hits(best(scores, k), scores)
