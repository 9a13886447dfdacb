"""Rows of a set that tell what is known of similar items before they ask."""
