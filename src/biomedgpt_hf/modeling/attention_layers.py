"""What the layers of a language model see, as far as its configuration tells."""

import inspect

from torch import nn
from transformers import PreTrainedConfig

# Kinds of layers, as configurations name them, that see by the mask alone which tokens came before.
ATTENTION_LAYERS = {"full_attention", "sliding_attention", "chunked_attention"}


def other_layers(config: PreTrainedConfig) -> list[str]:
    """Return the kinds of a language model's layers that are no attention by a mask, such as state-space layers."""
    return sorted(set(getattr(config, "layer_types", None) or ()) - ATTENTION_LAYERS)


def attention_window(config: PreTrainedConfig) -> int | None:
    """Return how many tokens the most short-sighted layer sees; None where every layer sees all."""
    if not getattr(config, "use_sliding_window", True):
        return None
    windows = [getattr(config, field, None) for field in ("sliding_window", "attention_chunk_size")]
    return min((window for window in windows if window), default=None)


def takes_positions(language_model: nn.Module) -> bool:
    """Whether a language model can be told the positions of its tokens."""
    return "position_ids" in inspect.signature(language_model.forward).parameters
