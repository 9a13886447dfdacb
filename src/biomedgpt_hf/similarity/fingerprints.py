"""Morgan fingerprints of molecules, whose common bits measure similarity."""

from __future__ import annotations

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator

RADIUS, BITS = 2, 2048
GENERATOR = rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS, fpSize=BITS)


def fingerprint_bits(fragment: Chem.Mol) -> np.ndarray:
    """Return the bits that are set in the fingerprint of a molecule, at least one, uint16 [F], in order.

    Args:
        fragment: the part that is compared, see `structure_key.main_fragment`.
    """
    return np.array(GENERATOR.GetFingerprint(fragment).GetOnBits(), dtype=np.uint16)
