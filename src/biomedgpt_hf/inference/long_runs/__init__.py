"""The common part of all work on large files: kept results, several processes, and one output."""
