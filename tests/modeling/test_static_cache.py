"""A static cache changes no token, whatever masks and states a language model's layers need."""

import pytest
import torch
from tiny_models import collate, make_sample, new_tokens, tiny_config, tiny_model
from transformers import (
    BloomConfig,
    Exaone4Config,
    FalconH1Config,
    Gemma3TextConfig,
    GptOssConfig,
    Lfm2Config,
    MistralConfig,
    MptConfig,
    PreTrainedConfig,
    Qwen2Config,
    Qwen3Config,
    SmolLM3Config,
)
from transformers.generation import CompileConfig

BODY = {"vocab_size": 98, "hidden_size": 32, "num_hidden_layers": 2, "pad_token_id": 0}
TEXT = {**BODY, "intermediate_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2}
WINDOWS = {"sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"]}
LANGUAGE_MODELS: dict[str, PreTrainedConfig] = {
    "one mask for all layers of a kind": Qwen2Config(**TEXT),
    "qwen3": Qwen3Config(**TEXT, head_dim=8),
    "smollm3": SmolLM3Config(**TEXT),
    "gemma3": Gemma3TextConfig(**TEXT, head_dim=8, **WINDOWS),
    "gpt-oss": GptOssConfig(**TEXT, head_dim=8, num_local_experts=2, num_experts_per_tok=1, **WINDOWS),
    "exaone4": Exaone4Config(**TEXT, **WINDOWS),
    "convolutions": Lfm2Config(**TEXT, layer_types=["conv", "full_attention"]),
    "a mask function of its own": FalconH1Config(
        **TEXT, head_dim=8, mamba_d_ssm=32, mamba_n_heads=4, mamba_d_state=8, mamba_n_groups=1, mamba_chunk_size=4
    ),
    "a window shorter than the cache": MistralConfig(**TEXT, sliding_window=8),
    "bloom": BloomConfig(vocab_size=98, hidden_size=32, n_layer=2, n_head=4, pad_token_id=0),
    "mpt": MptConfig(vocab_size=98, d_model=32, n_layers=2, n_heads=4, max_seq_len=64, pad_token_id=0),
}


@pytest.mark.parametrize("name", LANGUAGE_MODELS)
def test_a_static_cache_changes_no_token(name: str):
    model = tiny_model(tiny_config(text_config=LANGUAGE_MODELS[name]))
    batch = collate([make_sample(2, 0, 1), make_sample(0, 1, 2), make_sample(0, 0, 3)])
    assert new_tokens(model, batch, cache_implementation="static") == new_tokens(model, batch)


@pytest.mark.parametrize("name", ["gemma3", "bloom", "a window shorter than the cache"])
def test_steps_compile_with_these_masks_too(name: str):
    torch._dynamo.reset()
    model = tiny_model(tiny_config(text_config=LANGUAGE_MODELS[name]))
    batch = collate([make_sample(2, 0, 1), make_sample(0, 1, 2)])
    compilation = CompileConfig(fullgraph=True, backend="aot_eager", dynamic=False)
    compilation._compile_all_devices = True
    compiled = new_tokens(model, batch, cache_implementation="static", compile_config=compilation)
    torch._dynamo.reset()
    assert compiled == new_tokens(model, batch)
