"""The constant beginning of a batch: the same loss and the same gradients, and left alone where it would not be."""

from typing import Any

import pytest
import torch
from tiny_models import VOCABULARY, collate, make_sample, tiny_config, tiny_model
from transformers import (
    BitsAndBytesConfig,
    BloomConfig,
    Gemma2Config,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    OPTConfig,
    PreTrainedConfig,
    Qwen2Config,
    Qwen3Config,
)

from biomedgpt_hf import BioMedGPTForConditionalGeneration
from biomedgpt_hf.modeling.cache_naming import CACHE_NAME
from biomedgpt_hf.training.model.adapters import add_lora
from biomedgpt_hf.training.model.constant_prefix import MOST_KEPT, SHORTEST, ConstantPrefix
from biomedgpt_hf.training.model.model_parts import train_only

PROMPT = [1, *range(20, 31)]
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "pad_token_id": 0,
}
MODERN: dict[str, Any] = {**SIZES, "intermediate_size": 64, "num_key_value_heads": 2, "head_dim": 8}
LANGUAGE_MODELS = {
    "Llama": LlamaConfig(**MODERN),
    "Llama, linear RoPE": LlamaConfig(
        **MODERN, rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}
    ),
    "Qwen 2": Qwen2Config(**MODERN),
    "Qwen 2 with windows": Qwen2Config(**MODERN, use_sliding_window=True, sliding_window=64, max_window_layers=1),
    "Qwen 3": Qwen3Config(**MODERN),
    "Mistral": MistralConfig(**MODERN, sliding_window=64),
    "Gemma 2": Gemma2Config(**MODERN, sliding_window=64, query_pre_attn_scalar=8, final_logit_softcapping=None),
    "GPT-NeoX": GPTNeoXConfig(**SIZES, intermediate_size=64),
    "GPT-2": GPT2Config(**SIZES, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0),
    "OPT": OPTConfig(**SIZES, ffn_dim=64, word_embed_proj_dim=32, dropout=0.0, max_position_embeddings=256),
}
# What rows hold after the prompt: (molecules, proteins).
BATCHES = {
    "one row": [(1, 0)],
    "molecules of different lengths": [(1, 0), (1, 0), (1, 0)],
    "several molecules and proteins": [(3, 0), (1, 2), (0, 1)],
    "a row without items": [(0, 0), (2, 1), (0, 0)],
    "text alone": [(0, 0), (0, 0)],
}


def frozen(text: PreTrainedConfig | None = None, **settings: Any) -> BioMedGPTForConditionalGeneration:
    """Return a model in training, of which the language model is frozen."""
    model = tiny_model(tiny_config(**({"text_config": text} if text else {})))
    model.model.language_model.requires_grad_(False)
    model.lm_head.requires_grad_(False)
    for name, value in settings.items():
        setattr(model.model.language_model.config, name, value)
    return model.train()


def batch_of(kinds: list[tuple[int, int]], prompts: list[list[int]] | None = None, **options: Any) -> dict[str, Any]:
    """Return a batch of rows that begin with the prompt, or each with its own."""
    samples = [make_sample(*kind, seed=seed) for seed, kind in enumerate(kinds)]
    for sample, prompt in zip(samples, prompts or [PROMPT] * len(samples), strict=True):
        sample.input_ids = prompt + sample.input_ids[1:]
    return collate(samples, **{"side": "right", "labels": 2, **options})


def step(model: BioMedGPTForConditionalGeneration, batch: dict[str, Any]) -> tuple[torch.Tensor, dict[str, Any]]:
    """Return the loss and what trains with its gradients, of a model whose random state begins anew."""
    model.zero_grad()
    loss = model(**batch).loss
    loss.backward()
    return loss.detach(), {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def assert_same(model: BioMedGPTForConditionalGeneration, batch: dict[str, Any], other: dict[str, Any]) -> None:
    (loss, gradients), (expected, others) = step(model, batch), step(model, other)
    torch.testing.assert_close(loss, expected, atol=2e-6, rtol=2e-6)
    assert gradients.keys() == others.keys() and len(gradients) > 9
    for name, gradient in gradients.items():
        scale = others[name].abs().max().clamp(min=1e-3)
        torch.testing.assert_close(gradient / scale, others[name] / scale, atol=1e-4, rtol=0, msg=name)


@pytest.mark.parametrize("kinds", BATCHES.values(), ids=BATCHES)
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_loss_and_gradients_are_those_of_whole_rows(kinds: list[tuple[int, int]], attention: str):
    model, batch = frozen(_attn_implementation=attention), batch_of(kinds)
    short = ConstantPrefix(model).shorten(batch)
    assert short["input_ids"].shape[1] <= batch["input_ids"].shape[1] - len(PROMPT)
    assert_same(model, short, batch)


@pytest.mark.parametrize("name", LANGUAGE_MODELS)
def test_so_it_is_for_every_kind_of_language_model(name: str):
    model, batch = frozen(LANGUAGE_MODELS[name]), batch_of([(1, 0), (2, 1), (0, 0)])
    prefix = ConstantPrefix(model)
    assert prefix.why_not() is None
    assert CACHE_NAME in prefix.shorten(batch)
    for _ in range(2):  # once as it is read, once as it was kept
        assert_same(model, prefix.shorten(batch), batch)


def test_rows_may_begin_alike_for_a_while_and_then_differ():
    model = frozen()
    prompts = [PROMPT, PROMPT[:10] + [40, 41], PROMPT[:9] + [50]]
    batch = batch_of([(1, 0), (0, 1), (0, 0)], prompts)
    short = ConstantPrefix(model).shorten(batch)
    assert short["input_ids"].shape[1] == batch["input_ids"].shape[1] - 9
    assert_same(model, short, batch)


def test_a_label_in_the_beginning_is_still_predicted():
    model, batch = frozen(), batch_of([(0, 0), (0, 0)])
    batch["labels"][:, 10] = batch["input_ids"][:, 10]
    short = ConstantPrefix(model).shorten(batch)
    assert short["labels"].shape[1] == batch["labels"].shape[1] - 9  # the token before it predicts it
    assert (short["labels"] != -100).sum() == (batch["labels"] != -100).sum()
    assert_same(model, short, batch)


def test_in_bfloat16_the_loss_agrees_as_closely_as_its_rounding_lets_it():
    model, batch = frozen(), batch_of([(1, 0), (2, 0)])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        short = ConstantPrefix(model).shorten(batch)
        torch.testing.assert_close(model(**short).loss, model(**batch).loss, atol=5e-2, rtol=0)


@pytest.mark.parametrize(
    "change",
    [
        {"prompts": [PROMPT, [1, *range(50, 61)]]},
        {"prompts": [[1, 2, 3], [1, 2, 3]]},
        {"side": "left"},
    ],
    ids=["no common beginning", "a short one", "padding on the left"],
)
def test_a_batch_without_such_a_beginning_stays_as_it_is(change: dict[str, Any]):
    batch = batch_of([(1, 0), (2, 0)], **change)
    assert ConstantPrefix(frozen()).shorten(batch) == batch


@pytest.mark.parametrize(
    "extra", ["position_ids", "visibility_mask", "inputs_embeds", "shift_labels", "token_type_ids"]
)
def test_a_batch_that_is_laid_out_otherwise_stays_as_it_is(extra: str):
    batch = {**batch_of([(1, 0), (2, 0)]), extra: torch.zeros(2, 1)}
    assert ConstantPrefix(frozen()).shorten(batch) == batch


def test_a_batch_without_labels_stays_as_it_is():
    batch = batch_of([(1, 0), (2, 0)])
    del batch["labels"]
    assert ConstantPrefix(frozen()).shorten(batch) == batch


@pytest.mark.parametrize(
    "config",
    [
        MistralConfig(**MODERN, sliding_window=SHORTEST),
        Gemma2Config(**MODERN, sliding_window=SHORTEST, query_pre_attn_scalar=8, final_logit_softcapping=None),
        Qwen2Config(**MODERN, use_sliding_window=True, sliding_window=SHORTEST, max_window_layers=1),
    ],
    ids=["Mistral", "Gemma 2", "Qwen 2"],
)
def test_rows_longer_than_the_window_stay_as_they_are(config: PreTrainedConfig):
    batch = batch_of([(1, 0), (2, 0)])
    assert ConstantPrefix(frozen(config)).shorten(batch) == batch


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (LlamaConfig(**MODERN, attention_dropout=0.1), "at random"),
        (GPT2Config(**SIZES), "at random"),
        (BloomConfig(vocab_size=VOCABULARY, hidden_size=32, n_layer=2, n_head=4, hidden_dropout=0.0), "position"),
        (
            LlamaConfig(**MODERN, rope_parameters={"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}),
            "position",
        ),
    ],
    ids=["Llama with dropout", "GPT-2", "BLOOM", "dynamic RoPE"],
)
def test_a_language_model_that_reads_otherwise_is_left_alone(config: PreTrainedConfig, reason: str):
    model, batch = frozen(config), batch_of([(1, 0), (2, 0)])
    prefix = ConstantPrefix(model)
    assert reason in (prefix.why_not() or "")
    assert prefix.shorten(batch) == batch


def test_dropout_does_not_matter_where_the_language_model_is_in_evaluation():
    model, batch = frozen(LlamaConfig(**MODERN, attention_dropout=0.5)), batch_of([(1, 0), (2, 0)])
    prefix = ConstantPrefix(model)
    model.model.language_model.eval()
    assert_same(model, prefix.shorten(batch), batch)
    model.train()
    assert prefix.shorten(batch) == batch


def test_a_language_model_that_trains_is_left_alone():
    model, batch = frozen(), batch_of([(1, 0), (2, 0)])
    prefix = ConstantPrefix(model)
    assert CACHE_NAME in prefix.shorten(batch)
    next(model.model.language_model.parameters()).requires_grad_(True)
    assert prefix.shorten(batch) == batch


def test_adapters_checkpointing_and_evaluation_leave_batches_alone():
    batch = batch_of([(1, 0), (2, 0)])
    model = frozen()
    prefix = ConstantPrefix(model)
    assert prefix.shorten(batch) != batch
    model.eval()
    assert prefix.shorten(batch) == batch
    model.train()
    model.activation_checkpointing_enable()
    assert prefix.shorten(batch) == batch
    adapted = add_lora(frozen(), {"target_modules": ["q_proj"]}).train()
    assert ConstantPrefix(adapted).shorten(batch) == batch


def test_the_beginning_is_read_once_and_again_when_weights_change():
    model, batch = frozen(), batch_of([(1, 0), (2, 0)])
    prefix, reads = ConstantPrefix(model), []
    model.model.language_model.register_forward_hook(lambda *_: reads.append(1))
    first = prefix.shorten(batch)[CACHE_NAME]
    assert prefix.shorten(batch_of([(0, 1), (0, 0), (3, 0)]))[CACHE_NAME] is first and len(reads) == 1
    changes = [
        lambda weight: weight.mul_(0.5),
        lambda weight: setattr(weight, "data", weight.data * 2),
        lambda weight: model.load_state_dict({name: w + 0.01 for name, w in model.state_dict().items()}),
    ]
    for count, change in enumerate(changes, 2):
        with torch.no_grad():
            change(next(layer for layer in model.model.language_model.parameters() if layer.dim() == 2))
        short = prefix.shorten(batch)
        assert len(reads) == count
        assert_same(model, short, batch)
        reads[count:] = []


def test_a_step_does_not_change_what_is_kept_and_few_are_kept():
    model, batch = frozen(), batch_of([(1, 0), (2, 0)])
    prefix = ConstantPrefix(model)
    before = [layer.keys.clone() for layer in prefix.shorten(batch)[CACHE_NAME].layers]
    step(model, prefix.shorten(batch))
    after = prefix.shorten(batch)[CACHE_NAME].layers
    assert all(
        torch.equal(one, layer.keys) and not layer.keys.requires_grad for one, layer in zip(before, after, strict=True)
    )
    for other in range(MOST_KEPT + 3):
        prefix.shorten(batch_of([(1, 0), (2, 0)], [[1, 30 + other, *PROMPT]] * 2))
    assert len(prefix._kept) == MOST_KEPT


def test_a_language_model_in_four_bits_reads_its_beginning_once_too(tmp_path):
    tiny_model(tiny_config(text_config=LlamaConfig(**MODERN | {"hidden_size": 64, "head_dim": 16}))).save_pretrained(
        tmp_path
    )
    nf4 = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32)
    model = BioMedGPTForConditionalGeneration.from_pretrained(tmp_path, dtype=torch.float32, quantization_config=nf4)
    train_only(model, ["molecule_encoder", "molecule_projector", "protein_encoder", "protein_projector"])
    model.train()
    batch = batch_of([(1, 0), (2, 1)])
    short = ConstantPrefix(model).shorten(batch)
    assert CACHE_NAME in short
    assert_same(model, short, batch)
