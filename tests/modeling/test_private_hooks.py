"""Hooks of transformers that are not public: each still exists with the signature that this package assumes.

When one of these fails after an upgrade, read what changed upstream before touching the expectation.
"""

import inspect

import pytest
import transformers
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    BloomForCausalLM,
    Cache,
    DynamicCache,
    GenerationConfig,
    GenerationMixin,
    MambaConfig,
    PreTrainedConfig,
    PreTrainedModel,
    ProcessorMixin,
    dynamic_module_utils,
    masking_utils,
)
from transformers.configuration_utils import SubConfigSpec
from transformers.generation import utils as generation_utils
from transformers.modeling_utils import slice_logits_to_keep
from transformers.utils.import_utils import torch_compilable_check

from biomedgpt_hf import (
    BioMedGPTConfig,
    BioMedGPTForConditionalGeneration,
    BioMedGPTModel,
    BioMedGPTProcessor,
    GINConfig,
    GINModel,
)
from biomedgpt_hf.modeling.cache_naming import CACHE_NAME

OUR_CLASSES = (
    BioMedGPTForConditionalGeneration,
    BioMedGPTModel,
    GINModel,
    BioMedGPTConfig,
    GINConfig,
    BioMedGPTProcessor,
)
OVERRIDDEN = {
    (GenerationMixin, "_maybe_prepare_encoder_kwargs_for_generation"): (
        "self, inputs_tensor, model_kwargs, model_input_name, generation_config"
    ),
    (GenerationMixin, "_expand_multimodal_outputs"): "self, input_ids, mm_encoder_output, expand_size, inputs_embeds",
    (GenerationMixin, "prepare_inputs_for_generation"): (
        f"self, input_ids, next_sequence_length, {CACHE_NAME}, attention_mask, inputs_embeds, is_first_iteration, "
        "kwargs"
    ),
    (GenerationMixin, "_validate_model_kwargs"): "self, model_kwargs",
    (PreTrainedModel, "_init_weights"): "self, module",
    (PreTrainedModel, "post_init"): "self",
    (PreTrainedModel, "resize_token_embeddings"): "self, new_num_tokens, pad_to_multiple_of, mean_resizing",
}
CALLED = {
    (PreTrainedModel, "_from_config"): "config, kwargs",
    (PreTrainedModel, "is_remote_code"): "",
    (PreTrainedModel, "should_save_on_this_rank"): "self, is_main_process",
    (dynamic_module_utils, "get_relative_import_files"): "module_file",
    (Cache, "get_seq_length"): "self, layer_idx",
    (generation_utils, "_slice_mm_encoder_output"): "output, rows",
    (masking_utils, "create_masks_for_generate"): (
        f"config, inputs_embeds, attention_mask, {CACHE_NAME}, position_ids, or_mask_function, and_mask_function, "
        "block_sequence_ids, kwargs"
    ),
}
ATTRIBUTES = {
    "_auto_class": (PreTrainedModel, PreTrainedConfig, ProcessorMixin),
    "_can_compile_fullgraph": (PreTrainedModel,),
    "_no_split_modules": (PreTrainedModel,),
    "_skip_keys_device_placement": (PreTrainedModel,),
    "_supports_attention_backend": (PreTrainedModel,),
    "_supports_flash_attn": (PreTrainedModel,),
    "_supports_flex_attn": (PreTrainedModel,),
    "_supports_sdpa": (PreTrainedModel,),
    "_tied_weights_keys": (PreTrainedModel,),
    "_tp_plan": (PreTrainedModel,),
    "input_modalities": (PreTrainedModel,),
}


def parameters(function: object) -> str:
    return ", ".join(inspect.signature(function).parameters)


@pytest.mark.parametrize(("owner", "name"), [*OVERRIDDEN, *CALLED], ids=lambda value: getattr(value, "__name__", value))
def test_a_hook_has_the_signature_that_we_assume(owner: object, name: str):
    expected = {**OVERRIDDEN, **CALLED}[owner, name]
    assert parameters(getattr(owner, name)) == expected, f"transformers {transformers.__version__} changed {name}"


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_an_attribute_that_we_set_is_still_read(name: str):
    for owner in ATTRIBUTES[name]:
        assert hasattr(owner, name), f"{owner.__name__} of transformers {transformers.__version__} has no {name}"


def test_the_lists_above_name_every_private_hook_that_we_override():
    listed = {name for _, name in OVERRIDDEN} | set(ATTRIBUTES)
    for our_class in OUR_CLASSES:
        ours = [c for c in our_class.__mro__ if c.__module__.startswith("biomedgpt_hf")]
        theirs = [c for c in our_class.__mro__ if c.__module__.startswith("transformers")]
        names = {name for c in ours for name in vars(c) if name.startswith("_") and not name.startswith("__")}
        private = {name for name in names if any(name in vars(c) for c in theirs)}
        assert private <= listed, f"{our_class.__name__} overrides {private - listed} of transformers"


def test_functions_that_are_not_documented_take_what_we_give():
    assert parameters(slice_logits_to_keep) == "hidden_states, logits_to_keep"
    assert parameters(torch_compilable_check) == "cond, msg, error_type"
    assert {"init_kwargs", "model_type"} <= set(inspect.signature(SubConfigSpec).parameters)


def test_generate_prepares_encoders_before_it_expands_the_batch_and_notes_the_masks_length():
    source = inspect.getsource(GenerationMixin.generate)
    encode, expand = source.index("_maybe_prepare_encoder_kwargs"), source.index("_expand_inputs_for_generation")
    assert source.index("generation_config._mask_length =") < encode < expand
    assert "_expand_multimodal_outputs" in inspect.getsource(GenerationMixin._expand_inputs_for_generation)
    assert "mm_encoder_outputs" in inspect.getsource(GenerationMixin._prefill)
    assert hasattr(GenerationConfig(), "suppress_tokens") and hasattr(GenerationConfig(), "assistant_early_exit")
    assert '"create_masks_for_generate"' in inspect.getsource(GenerationMixin.prepare_inputs_for_generation)


def test_a_language_models_own_class_is_found_by_its_configuration():
    mapping = AutoModelForCausalLM._model_mapping
    assert mapping.get(BloomConfig, None) is BloomForCausalLM and mapping.get(BioMedGPTConfig, None) is not None
    assert mapping.get(PreTrainedConfig, None) is None
    assert "create_masks_for_generate" in vars(BloomForCausalLM)
    assert all(DynamicCache(config=MambaConfig()).is_linear)
