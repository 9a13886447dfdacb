"""Where a model runs."""

import torch


def best_device() -> torch.device:
    """Return the first device that is there: cuda, mps, cpu."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def check_device(device: str | torch.device) -> None:
    """Raise a ValueError unless tensors can be on a device."""
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # an AssertionError from a torch that was built without CUDA
        reason = str(error).partition("\n")[0].rstrip(".")
        raise ValueError(
            f"device is {str(device)!r}, which cannot be used here: {reason}. Choose cuda, mps or cpu as far as this "
            "machine has them, or none for the first there is."
        ) from error
