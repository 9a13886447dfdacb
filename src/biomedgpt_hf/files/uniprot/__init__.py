"""Entries of UniProtKB in the four formats that it is published in."""
