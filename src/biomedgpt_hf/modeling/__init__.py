"""Configuration and networks; every file here ships with a saved checkpoint."""
