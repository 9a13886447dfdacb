"""How the embedded checkpoint is made: `examples/train_mini.py` puts these parts together."""
