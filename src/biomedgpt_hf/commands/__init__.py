"""The commands of `biomedgpt`, one module for each thing people do; `cli` puts them together."""
