"""Ontologies: names, definitions, relations and structures of terms, from the files that people have of them."""
