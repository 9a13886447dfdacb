"""A table of one's own as a set."""
