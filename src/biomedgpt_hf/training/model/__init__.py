"""The model that a run trains: which parts of it train, its adapters, and the names of its tensors."""
