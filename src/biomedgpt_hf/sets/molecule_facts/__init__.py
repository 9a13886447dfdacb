"""Questions about molecules whose exact answers RDKit computes."""
