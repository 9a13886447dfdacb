"""Captions of molecules from the ChEBI ontology."""
