"""Rows that a run trains on: sets that are opened, and a look at every row before the training."""
