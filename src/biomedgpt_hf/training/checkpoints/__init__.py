"""Checkpoints of a run: which are complete, what is in them, and how they come to be."""

from biomedgpt_hf.training.checkpoints.folders import (
    CheckpointNotSavedError,
    DamagedCheckpointError,
    check_free_space,
    checkpoint_folders,
    is_complete,
    mark_complete,
    newest_complete,
    remove,
    remove_old,
    verify,
    why_incomplete,
)

__all__ = [
    "CheckpointNotSavedError",
    "DamagedCheckpointError",
    "check_free_space",
    "checkpoint_folders",
    "is_complete",
    "mark_complete",
    "newest_complete",
    "remove",
    "remove_old",
    "verify",
    "why_incomplete",
]
