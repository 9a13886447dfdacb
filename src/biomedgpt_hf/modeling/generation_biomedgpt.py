"""Generation with items in the prompt: encode once, then hand each step the features of its own placeholders."""

import inspect
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoModelForCausalLM, Cache, PreTrainedConfig
from transformers.masking_utils import create_masks_for_generate
from transformers.modeling_outputs import BaseModelOutputWithPooling

from .cache_naming import CACHE_NAME, takes_cache_by_any_name
from .modalities_biomedgpt import check_feature_counts, runs_on_several_processes

if TYPE_CHECKING:  # what the models that use this mixin are besides
    from transformers import PreTrainedModel as ModelBase
else:
    ModelBase = object


class BioMedGPTGenerationMixin(ModelBase):
    """What `generate` needs beyond text; transformers itself knows only images and videos."""

    def _maybe_prepare_encoder_kwargs_for_generation(
        self,
        inputs_tensor: torch.Tensor,
        model_kwargs: dict[str, Any],
        model_input_name: str | None,
        generation_config: Any,
    ) -> dict[str, Any]:
        """Encode the items before prefill and take the raw tensors out of every later step.

        A prompt given as embeddings gets its features at once. Otherwise `mm_encoder_outputs` goes on, with the
        features of those tokens that a kept cache does not hold yet.

        Raises:
            ValueError: if features came beside the tensors, or `generation_config` asks for what is not possible.
        """
        if getattr(generation_config, "assistant_early_exit", None) is not None:
            raise ValueError(
                f"assistant_early_exit={generation_config.assistant_early_exit} is not possible here, since the layers "
                "to leave are the language model's: pass assistant_model or prompt_lookup_num_tokens."
            )
        tensors = self.model.take_tensors(model_kwargs)
        outputs = model_kwargs.pop("mm_encoder_outputs", None)
        raw = any(tensor is not None for tensor in tensors.values())
        if raw and outputs is not None:
            raise ValueError("Pass either the items' tensors or mm_encoder_outputs, not both.")
        everywhere = runs_on_several_processes()
        if raw or (everywhere and outputs is None):
            if self.device.type != "meta":  # as for an offloaded model, whose hooks move what it gets
                tensors = {name: None if t is None else t.to(self.device) for name, t in tensors.items()}
            outputs = self.encode_modalities(len(inputs_tensor), tensors, with_dummies=everywhere)
        if not outputs:
            return model_kwargs

        embeds = inputs_tensor if model_input_name == "inputs_embeds" else None
        new = self._first_new_token(inputs_tensor, model_kwargs, generation_config)
        selected = {}
        for modality, output in outputs.items():
            mask = self.model.get_placeholder_mask(modality, inputs_tensor if embeds is None else None, embeds)
            features = list(output.pooler_output)
            # With a kept cache the features may be those of the whole conversation or of the new turn.
            whole = sum(len(feature) for feature in features) == int(mask.sum())
            given = mask if whole else mask[:, new:]
            check_feature_counts(modality, features, given)
            samples = torch.cat(features).split(given.sum(1).tolist())
            counts = mask[:, new:].sum(1).tolist()
            features = [sample[len(sample) - count :] for sample, count in zip(samples, counts, strict=True)]
            selected[modality] = BaseModelOutputWithPooling(pooler_output=features)
        if embeds is None:
            model_kwargs["mm_encoder_outputs"] = selected
        else:
            merged = self.model.merge_features(embeds[:, new:], None, selected)
            model_kwargs["inputs_embeds"] = torch.cat([embeds[:, :new], merged], dim=1)
        return model_kwargs

    def create_masks_for_generate(self, config: PreTrainedConfig, **arguments: Any) -> Any:
        """As the language model's own class makes masks for a static cache, or as transformers does for most.

        BLOOM's mask, for one, keeps two dimensions, since biases are made of it.
        """
        config = config.get_text_config()
        language_model = AutoModelForCausalLM._model_mapping.get(type(config), None)
        own = inspect.getattr_static(language_model, "create_masks_for_generate", None)
        if own is None:
            return create_masks_for_generate(config=config, **arguments)
        return own.__get__(self)(config=config, **arguments)

    def _validate_model_kwargs(self, model_kwargs: dict[str, Any]) -> None:
        """As transformers', which looks for the names of tensors in the signature of `forward`."""
        text_kwargs = dict(model_kwargs)
        self.model.take_tensors(text_kwargs)
        super()._validate_model_kwargs(text_kwargs)

    @staticmethod
    def _first_new_token(inputs_tensor: torch.Tensor, model_kwargs: dict[str, Any], generation_config: Any) -> int:
        """Index of the first token that the cache does not hold; inputs may be whole or only what is new."""
        cache, attention_mask = model_kwargs.get(CACHE_NAME), model_kwargs.get("attention_mask")
        past = cache.get_seq_length() if isinstance(cache, Cache) else 0
        length = getattr(generation_config, "_mask_length", None) if attention_mask is None else attention_mask.shape[1]
        return past if length == inputs_tensor.shape[1] else 0

    def _expand_multimodal_outputs(
        self,
        input_ids: torch.Tensor | None,
        mm_encoder_output: dict[str, BaseModelOutputWithPooling],
        expand_size: int = 1,
        inputs_embeds: torch.Tensor | None = None,
    ) -> dict[str, BaseModelOutputWithPooling]:
        """Repeats each sample's features for its beams or returned sequences."""
        return {
            modality: BaseModelOutputWithPooling(
                pooler_output=[feature for feature in output.pooler_output for _ in range(expand_size)]
            )
            for modality, output in mm_encoder_output.items()
        }

    @takes_cache_by_any_name
    def prepare_inputs_for_generation(
        self,
        input_ids: torch.Tensor,
        next_sequence_length: int | None = None,
        cache: Cache | None = None,
        attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,  # named here: `generate` looks for it
        is_first_iteration: bool | None = False,
        mm_encoder_outputs: dict[str, BaseModelOutputWithPooling] | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """As transformers', plus the features of the modalities that this step's tokens have placeholders of.

        With a cache that is the first step, for an assistant model too; without one it is every step.
        """
        model_inputs = super().prepare_inputs_for_generation(
            input_ids,
            next_sequence_length=next_sequence_length,
            attention_mask=attention_mask,
            inputs_embeds=inputs_embeds,
            is_first_iteration=is_first_iteration,
            **{CACHE_NAME: cache},
            **kwargs,
        )
        step_ids = model_inputs.get("input_ids")
        if mm_encoder_outputs and step_ids is not None:
            if cache is not None:
                mm_encoder_outputs = {
                    modality: output
                    for modality, output in mm_encoder_outputs.items()
                    if self.model.get_placeholder_mask(modality, step_ids).any()
                }
            if mm_encoder_outputs or cache is None:
                model_inputs["mm_encoder_outputs"] = mm_encoder_outputs
        return model_inputs
