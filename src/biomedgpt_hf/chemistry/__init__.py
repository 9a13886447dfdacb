"""What RDKit computes about a molecule, and the words to ask for it and to tell it."""
