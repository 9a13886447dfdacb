"""The cache goes by transformers' name for it, whichever version is there, and by the other name where users say it."""

import inspect

import pytest
import torch
from tiny_models import collate, make_sample, new_tokens
from transformers import DynamicCache, LlamaModel
from transformers.modeling_outputs import BaseModelOutputWithPast

from biomedgpt_hf import BioMedGPTForConditionalGeneration, BioMedGPTModel
from biomedgpt_hf.modeling.cache_naming import CACHE_NAME, CACHE_NAMES
from biomedgpt_hf.modeling.modeling_biomedgpt import BioMedGPTCausalLMOutputWithPast, BioMedGPTModelOutputWithPast


def test_the_name_is_the_one_that_language_models_take_and_return():
    assert CACHE_NAME in inspect.signature(LlamaModel.forward).parameters
    assert BaseModelOutputWithPast(**{CACHE_NAME: "a cache"}).get(CACHE_NAME) == "a cache"


@pytest.mark.parametrize("output_class", [BioMedGPTModelOutputWithPast, BioMedGPTCausalLMOutputWithPast])
def test_our_outputs_have_that_name_and_no_second_one(output_class: type):
    names = list(output_class.__dataclass_fields__)
    assert [name for name in names if name in CACHE_NAMES] == [CACHE_NAME]
    output = output_class(**{CACHE_NAME: "a cache"})
    assert list(output) == [CACHE_NAME] and output.past_key_values == "a cache"


@pytest.mark.parametrize(
    "method",
    [
        BioMedGPTForConditionalGeneration.forward,
        BioMedGPTModel.forward,
        BioMedGPTForConditionalGeneration.prepare_inputs_for_generation,
    ],
)
def test_our_signatures_say_that_name(method):
    assert [name for name in inspect.signature(method).parameters if name in CACHE_NAMES] == [CACHE_NAME]


@pytest.mark.parametrize("part", ["with a head", "without"])
@pytest.mark.parametrize("name", CACHE_NAMES)
def test_a_forward_takes_the_cache_by_any_name(shared_model, name: str, part: str):
    model = shared_model if part == "with a head" else shared_model.model
    batch = collate([make_sample(2, 1, 1)])
    with torch.no_grad():
        whole = model(**batch)[0][:, -1:]
        first = {
            key: tensor[:, :-1] if key in ("input_ids", "attention_mask") else tensor for key, tensor in batch.items()
        }
        cache = model(**first, **{name: DynamicCache(config=model.config)}).get(CACHE_NAME)
        last = model(input_ids=batch["input_ids"][:, -1:], attention_mask=batch["attention_mask"], **{name: cache})[0]
    assert torch.allclose(last, whole, atol=1e-5)


def test_generation_takes_the_cache_by_transformers_name(shared_model):
    batch = collate([make_sample(2, 1, 1)])
    cache = DynamicCache(config=shared_model.config)
    assert new_tokens(shared_model, batch, **{CACHE_NAME: cache}) == new_tokens(shared_model, batch)
    assert cache.get_seq_length() > batch["input_ids"].shape[1]


def test_two_caches_are_refused(shared_model):
    caches = {name: DynamicCache(config=shared_model.config) for name in CACHE_NAMES}
    with pytest.raises(ValueError, match=f"cache and past_key_values are two names .* pass {CACHE_NAME} alone"):
        shared_model(**collate([make_sample()]), **caches)
    caches["cache" if CACHE_NAME != "cache" else "past_key_values"] = None  # as wrappers pass on what they do not have
    shared_model(**collate([make_sample()]), **caches)
