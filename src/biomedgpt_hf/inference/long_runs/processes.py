"""Several processes on one task, as torchrun starts them. Each works alone until the end."""

import os
from datetime import timedelta
from itertools import count

import torch
from torch import distributed

from biomedgpt_hf.device import best_device

_waits = count()


def rank() -> int:
    """Return the number of this process among all processes, from 0."""
    return int(os.environ.get("RANK", 0))


def world_size() -> int:
    """Return the number of processes."""
    return int(os.environ.get("WORLD_SIZE", 1))


def own_device(device: str | torch.device | None = None) -> str:
    """Return this process's device: the given one, or its own of the first kind that exists here."""
    chosen = str(device or best_device())
    return f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if chosen == "cuda" and world_size() > 1 else chosen


def wait_for_all() -> None:
    """Return when every process has come here, even if that takes days."""
    if world_size() == 1:
        return
    patience = timedelta(days=365)
    if distributed.is_initialized():  # by whoever trains in the same program
        distributed.barrier(distributed.new_group(timeout=patience, backend="gloo"))
        return
    # The group is made no earlier than here, since the model waits for other processes where there is a group. Each has
    # keys of its own in torchrun's store: by those of an earlier one, processes would look for partners that have gone.
    store, own, every = next(distributed.rendezvous("env://", timeout=patience))
    keys = distributed.PrefixStore(f"{__name__}/{next(_waits)}", store)
    distributed.init_process_group("gloo", store=keys, rank=own, world_size=every, timeout=patience)
    distributed.barrier()
    distributed.destroy_process_group()
