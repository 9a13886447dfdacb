"""PubChem's public files: annotation pages, full records and structures, and how they are joined by CID."""
