"""Data sets: one module per builder, the row they all write, and the collator that batches it."""
