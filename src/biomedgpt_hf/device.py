"""Where a model runs when nobody says so."""

import torch


def best_device() -> torch.device:
    """Return the first device that is there: cuda, mps, cpu."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")
