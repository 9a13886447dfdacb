"""Readers of everything that people bring: records and sources, item files, tables, ontologies, UniProt entries."""
