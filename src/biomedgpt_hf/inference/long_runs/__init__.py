"""What work on files of any size has in common: results that are kept, several processes, an output."""
