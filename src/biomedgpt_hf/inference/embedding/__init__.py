"""Vectors of many items: in memory, or from files of any size."""
