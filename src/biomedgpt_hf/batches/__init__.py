"""From rows to tensors: which rows go together, and how they are laid out."""
