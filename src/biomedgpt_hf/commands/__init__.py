"""The commands of `biomedgpt`, one module for each task. `cli` puts them together."""
