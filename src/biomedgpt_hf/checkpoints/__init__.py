"""Checkpoints as strangers may have made them: found, compared with their own weights, and loaded.

No code that lies in a checkpoint is run, and what cannot be loaded is told in one line that names the file.
"""

from biomedgpt_hf.checkpoints.faults import InvalidCheckpointError
from biomedgpt_hf.checkpoints.finding import adapter_base, find_config
from biomedgpt_hf.checkpoints.inspection import check_foreign_model, inspect_checkpoint
from biomedgpt_hf.checkpoints.loading import load_foreign_model, load_model, load_processor, load_tokenizer
from biomedgpt_hf.checkpoints.processor_faults import explain_processor
from biomedgpt_hf.checkpoints.stored_weights import shard_names

__all__ = [
    "InvalidCheckpointError",
    "adapter_base",
    "check_foreign_model",
    "explain_processor",
    "find_config",
    "inspect_checkpoint",
    "load_foreign_model",
    "load_model",
    "load_processor",
    "load_tokenizer",
    "shard_names",
]
