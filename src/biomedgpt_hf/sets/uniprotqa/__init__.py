"""Questions about proteins from UniProtKB entries."""
