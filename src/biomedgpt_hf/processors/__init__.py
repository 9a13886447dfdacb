"""What turns text, molecules and proteins into a batch; every file here ships with a saved checkpoint."""
