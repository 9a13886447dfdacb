"""Folders that are whole or absent, checksums, SQLite, manifests, workers: what every long job needs of a disk."""
