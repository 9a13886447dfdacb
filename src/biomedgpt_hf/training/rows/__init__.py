"""Rows that a run trains on: sets, and a look at every row before the training."""
