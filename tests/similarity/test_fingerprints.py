"""The bits of molecules' fingerprints."""

import pytest
from rdkit import Chem

from biomedgpt_hf.similarity.fingerprints import GENERATOR, fingerprint_bits
from biomedgpt_hf.similarity.structure_key import main_fragment


@pytest.mark.parametrize("smiles", ["CC(=O)[O-].[Na+]", "c1ccccc1CN.Cl.Cl", "O.O.OC1CCCCC1N", "CC.CCC", "[Na+].[Cl-]"])
def test_a_fragment_s_fingerprint_is_that_of_the_fragment_alone(smiles):
    fragment = main_fragment(Chem.MolFromSmiles(smiles))
    alone = Chem.MolFromSmiles(Chem.MolToSmiles(fragment))
    assert fingerprint_bits(fragment).tolist() == list(GENERATOR.GetFingerprint(alone).GetOnBits())
