"""PubChemQA: descriptions of compounds from PubChem's public files."""
