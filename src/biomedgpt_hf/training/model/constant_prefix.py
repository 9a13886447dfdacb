"""The beginning that all rows of a batch share, which a frozen language model need read only once.

    prefix = ConstantPrefix(model)
    loss = model(**prefix.shorten(batch)).loss     # the loss and the gradients of model(**batch), to rounding

Before the first molecule or protein stands the same text in every row of a set (the system prompt). Keys and values of
these tokens depend on nothing that alignment trains, so they are computed once, without gradients, and kept; a step
then runs the language model over the rest of its rows alone.
"""

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from typing import Any

import torch
from torch import nn
from transformers import DynamicCache, PreTrainedConfig
from transformers.cache_utils import DynamicLayer

from biomedgpt_hf.modeling.attention_layers import attention_window, other_layers, takes_positions
from biomedgpt_hf.modeling.cache_naming import CACHE_NAME
from biomedgpt_hf.processors.prompt_tensors import IGNORE_INDEX
from biomedgpt_hf.training.model.adapters import is_peft_model

SHORTEST = 8  # tokens: below, handing the keys around costs what it saves
MOST_KEPT = 8  # prefixes: a set has one or a few; texts without items may share a beginning by chance
ATTENTION = ("sdpa", "eager")  # implementations with which equality was tested
TEXT_TENSORS = {"input_ids", "attention_mask", "labels"}
CHANCE, OTHER_HEADS = ("drop", "jitter"), ("classifier", "summary")  # words in the names of a configuration's keys
LENGTH_DEPENDENT_ROPE = ("dynamic", "longrope")  # their angles change with the length of the whole row


class ConstantPrefix:
    """Keeps what a frozen language model makes of the beginnings of batches.

    It is made anew when the language model's weights have changed, and left alone where it would not be exact:
    `why_not` tells of the model, and a batch is left as it is if it has positions or masks of its own (packing, shared
    prefixes), is padded on the left, has a common beginning of less than `SHORTEST` tokens before its first item and
    label, or is longer than the language model's window.

    Args:
        model: a `BioMedGPTForConditionalGeneration`; any other model's batches stay as they are.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model: Any = model
        self._kept: OrderedDict[tuple[int, ...], DynamicCache] = OrderedDict()
        self._weights: Hashable = None

    def why_not(self) -> str | None:
        """Return why batches stay as they are with the model as it is now; None if they are shortened."""
        if is_peft_model(self.model) or not hasattr(self.model, "placeholder_ids"):
            return "the model is no BioMedGPT, or has adapters"
        language_model = self._language_model
        config = language_model.config
        if not self.model.training:
            return "the model does not train"
        if any(parameter.requires_grad for parameter in language_model.parameters()):
            return "the language model trains"
        if any(type(p.data) is not torch.Tensor or p.is_meta for p in language_model.parameters()):
            return "the language model's weights are divided between processes, or not here"
        if _throws_dice(language_model):
            return "the language model drops out at random"
        if getattr(language_model, "is_activation_checkpointing", False):
            return "the language model's layers are checkpointed, and would drop the keys"
        if config._attn_implementation not in ATTENTION:
            return f"attention is {config._attn_implementation}"
        if others := other_layers(config):
            return f"the language model has layers of the kind {others[0]}"
        if not takes_positions(language_model) or _angles_depend_on_length(config):
            return "the language model does not read each token by its position alone"
        return None

    def shorten(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Return a batch without the beginning that its rows share, and with the keys and values of that beginning.

        Args:
            batch: the collator's; `input_ids`, `attention_mask` and `labels` int64 [B, T].

        Returns:
            Arguments for the model: `input_ids` and `labels` [B, T − p], `attention_mask` [B, T], and a cache of p
            tokens, which the forward does not change; or the batch as it is.
        """
        if not self._is_plain(batch) or self.why_not() is not None:
            return dict(batch)
        length = self._common_length(batch)
        window = attention_window(self._language_model.config)
        if length < SHORTEST or (window and batch["input_ids"].shape[1] > window):
            return dict(batch)
        cache = self._read(batch["input_ids"][0, :length])
        if cache is None:
            return dict(batch)
        rest = {name: batch[name][:, length:] for name in ("input_ids", "labels")}
        return {**batch, **rest, CACHE_NAME: cache}

    @property
    def _language_model(self) -> Any:
        return self.model.get_submodule("model.language_model")

    def _is_plain(self, batch: Mapping[str, Any]) -> bool:
        """Whether a batch holds rows of text and the tensors of their items, and nothing else."""
        tensors = getattr(getattr(self.model, "model", None), "modality_tensors", {}).values()
        known = TEXT_TENSORS.union(*tensors)
        return TEXT_TENSORS <= batch.keys() <= known and batch["attention_mask"].dim() == 2

    def _common_length(self, batch: Mapping[str, torch.Tensor]) -> int:
        """Return how many leading tokens are the same in all rows, and before every item and what is predicted."""
        ids, mask, labels = (batch[name] for name in ("input_ids", "attention_mask", "labels"))
        placeholders = ids.new_tensor(self.model.placeholder_ids)
        common = (ids == ids[:1]).all(0) & mask.bool().all(0) & ~torch.isin(ids[0], placeholders)
        unlabelled = (labels == IGNORE_INDEX).all(0)
        shared, before_labels = torch.stack([common, unlabelled]).int().cumprod(1).sum(1).tolist()
        return min(shared, before_labels - 1)  # the token before a label predicts it, and stays

    def _read(self, ids: torch.Tensor) -> DynamicCache | None:
        """Return keys and values of a beginning [p], kept or new; None for a language model that keeps others."""
        language_model = self._language_model
        weights = _state_of(language_model, ids.device)
        if weights != self._weights:
            self._kept.clear()
            self._weights = weights
        # Never a part of a longer one: what a step computes must not depend, by rounding, on steps before it.
        key = tuple(ids.tolist())
        if key not in self._kept:
            with torch.no_grad():
                embeddings = self.model.get_input_embeddings()(ids[None])
                read = {CACHE_NAME: DynamicCache()}
                outputs = language_model(inputs_embeds=embeddings, use_cache=True, **read)
            layers = outputs[CACHE_NAME].layers
            if len(layers) != language_model.config.num_hidden_layers:
                return None
            kept = DynamicCache()
            kept.layers = [KeptLayer(layer.keys, layer.values) for layer in layers]
            self._kept[key] = kept
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]


class KeptLayer(DynamicLayer):
    """Keys and values [1, heads, p, width] of one layer, which go before those of every row and never grow."""

    def __init__(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        super().__init__()
        self.lazy_initialization(keys, values)
        self.keys, self.values = keys.detach(), values.detach()

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the kept keys and values followed by new ones [B, heads, T − p, width]."""
        pairs = ((self.keys, key_states), (self.values, value_states))
        keys, values = (torch.cat([kept.expand(len(new), -1, -1, -1).to(new), new], dim=-2) for kept, new in pairs)
        return keys, values


def _state_of(language_model: nn.Module, device: torch.device) -> Hashable:
    """Return what differs after any change of weights, and between computing in one dtype and in another."""
    kind = device.type
    autocast = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None
    return autocast, tuple((weight.data_ptr(), weight._version) for weight in language_model.parameters())


def _throws_dice(language_model: Any) -> bool:
    """Whether a language model, as it stands, drops parts out at random."""
    modules = list(language_model.modules())
    if not any(module.training for module in modules):
        return False
    if any(isinstance(module, nn.modules.dropout._DropoutNd) and module.p for module in modules):
        return True
    for name, share in language_model.config.to_dict().items():
        chance = any(word in name for word in CHANCE) and not any(word in name for word in OTHER_HEADS)
        if chance and isinstance(share, float) and share > 0:
            return True
    return False


def _angles_depend_on_length(config: PreTrainedConfig) -> bool:
    """Whether the rotation of a token depends on how long the row is, and not on its own position alone."""
    rope = getattr(config, "rope_parameters", None) or {}
    of_layers = [rope, *(value for value in rope.values() if isinstance(value, dict))]
    return any(settings.get("rope_type") in LENGTH_DEPENDENT_ROPE for settings in of_layers)
