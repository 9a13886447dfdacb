"""An estimate of what the layers keep for the backward pass, from their sizes alone.

What layers keep was counted on transformers' Llama with sdpa attention, and `tests/training/memory/test_plan.py` counts
it again, on ESM too, which keeps less. Other decoders and encoders keep about as much.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

# Bytes that one layer keeps for each token, per unit of its width and of its inner width.
KEPT = {  # (trained, bfloat16)
    (False, False): (24, 12),
    (False, True): (16, 6),
    (True, False): (40, 16),
    (True, True): (34, 8),  # the tensor between two layers stays float32
}
KEPT_BY_ADAPTER = {False: 8, True: 6}  # per adapted matrix, dropout included; the key is whether it trains in bfloat16
# Logits, their copy in float32, its logarithms of probabilities, and the gradients of these.
BYTES_PER_LOGIT = {False: 12, True: 14}


@dataclass(frozen=True)
class Stack:
    """Layers of one kind, one after another.

    Attributes:
        layers: how many.
        width: of what flows between them.
        inner: width inside their feed-forward networks.
        trained: whether their own weights train; if not, gradients only pass through.
        adapted: matrices of a layer that have an adapter.
    """

    layers: int
    width: int
    inner: int
    trained: bool
    adapted: float = 0

    def kept(self, tokens: int, bf16: bool, checkpointed: bool) -> int:
        """Bytes kept for so many tokens; with checkpointing the layers' inputs and all of one layer."""
        per_width, per_inner = KEPT[self.trained, bf16]
        adapters = self.adapted * KEPT_BY_ADAPTER[bf16]
        layer = round(tokens * ((per_width + adapters) * self.width + per_inner * self.inner))
        if not checkpointed:
            return self.layers * layer
        return self.layers * tokens * self.width * (4 if self.trained or not bf16 else 2) + layer


@dataclass(frozen=True)
class BatchSize:
    """The largest batch that is planned for: rows of the greatest length, each with one protein of the greatest length.

    Attributes:
        rows: how many.
        tokens: of all rows together.
        residues: of all proteins together.
    """

    rows: int
    tokens: int
    residues: int


def make_stack(config: PreTrainedConfig, trained: bool, adapted: float = 0) -> Stack:
    """Return the layers of a language model or encoder, from its configuration."""
    width = config.hidden_size
    inner = getattr(config, "intermediate_size", None) or 4 * width
    return Stack(config.num_hidden_layers, width, inner, trained, adapted)


def logits_bytes(tokens: int, vocabulary: int, bf16: bool) -> int:
    """Bytes of logits, probabilities and gradients. They are computed at labels only, which all tokens may be."""
    return tokens * vocabulary * BYTES_PER_LOGIT[bf16]
