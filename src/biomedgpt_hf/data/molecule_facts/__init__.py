"""MoleculeFacts: questions about molecules whose exact answers RDKit computes.

    biomedgpt data molecule-facts CID-SMILES.gz --output DIR
    biomedgpt data molecule-facts molecules.smi library.sdf.gz --facts formula,charge --output DIR

From any list of molecules: SMILES lines, tables with a SMILES column, SDF, or a set built here.
"""

from biomedgpt_hf.data.item_files.molecule_lists import read_molecules
from biomedgpt_hf.data.molecule_facts.builder import build, parse
from biomedgpt_hf.data.molecule_facts.facts import FACT_NAMES

__all__ = ["FACT_NAMES", "build", "parse", "read_molecules"]
