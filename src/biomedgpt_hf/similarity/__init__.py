"""The one engine that tells when two molecules, proteins or questions are the same, and how similar they are."""
