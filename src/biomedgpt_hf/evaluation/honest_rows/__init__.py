"""Rows that stand beside every score and tell what it is worth, one file each.

constant_answer   the best single answer to every question of a kind, without looking at the item
majority_answer   the most frequent one
nearest_known     what is known of the nearest item of a named memory
other_inputs      the same model, given another item, or none
published         what papers report, with its source
"""
