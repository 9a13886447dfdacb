"""What the splits of a set share: the same items, and similar ones."""
