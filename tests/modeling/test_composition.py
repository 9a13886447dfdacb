"""Other parts by config alone, what cannot work refused by name, and joining separate models."""

import copy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from tiny_graph_encoder import MeanGraphConfig, MeanGraphModel
from tiny_models import collate, make_sample, new_tokens, rescale, tiny_config, tiny_model
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMultimodalLM,
    BertConfig,
    BertForMaskedLM,
    BertModel,
    CohereConfig,
    EsmcConfig,
    EsmForMaskedLM,
    EsmModel,
    Gemma2Config,
    GPT2Config,
    GraniteConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MistralConfig,
    ModernBertConfig,
    OpenAIGPTConfig,
    PhiConfig,
    PhimoeConfig,
    Qwen2Config,
    Qwen3Config,
    T5Config,
    T5EncoderModel,
)

from biomedgpt_hf import BioMedGPTForConditionalGeneration, GINConfig, GINModel
from biomedgpt_hf.modeling.cache_naming import CACHE_NAME

BODY = {"vocab_size": 98, "hidden_size": 32, "num_hidden_layers": 2, "pad_token_id": 0}
TEXT = {**BODY, "intermediate_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2}
PROTEIN = {
    "vocab_size": 40,
    "hidden_size": 24,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "pad_token_id": 1,
}
PARTS = {
    "qwen2": {"text_config": Qwen2Config(**TEXT)},
    "qwen3": {"text_config": Qwen3Config(**TEXT, head_dim=8, tie_word_embeddings=True)},
    "mistral": {"text_config": MistralConfig(**TEXT, sliding_window=16)},
    "gpt2": {"text_config": GPT2Config(vocab_size=98, n_embd=32, n_layer=2, n_head=4, n_positions=64)},
    "esmc": {"protein_config": EsmcConfig(**PROTEIN)},
    "bert": {"protein_config": BertConfig(**PROTEIN)},
    "modernbert": {"protein_config": ModernBertConfig(**PROTEIN, cls_token_id=0, eos_token_id=2, bos_token_id=0)},
    "graph": {"molecule_config": MeanGraphConfig()},
    "ogb": {"molecule_config": GINConfig(feature_set="ogb", hidden_size=20, num_hidden_layers=2)},
}
SIZES = {
    "graph": {"atom_sizes": (20, 5, 4), "bond_sizes": (7,)},
    "ogb": {"atom_sizes": (118, 9, 11, 12, 9, 5, 8, 2, 2), "bond_sizes": (22, 6, 2)},
}
LORA_TARGETS = {"gpt2": r".*language_model\..*\.c_attn"}

FRESH_PROCESS = """
import sys
import torch
from pathlib import Path
from safetensors.torch import load_file, save_file
import tiny_graph_encoder
from tiny_models import new_tokens
from transformers import AutoModelForMultimodalLM
import biomedgpt_hf

for folder in Path(sys.argv[1]).iterdir():
    model = AutoModelForMultimodalLM.from_pretrained(folder)
    batch = load_file(folder / "batch.tensors")
    with torch.no_grad():
        results = {"logits": model(**batch).logits, "answers": torch.tensor(new_tokens(model, batch))}
    save_file(results, folder / "results.tensors")
"""


def kind_batch(kind: str, labels: int = 0, item_seed: int | None = None) -> dict[str, torch.Tensor]:
    sizes = SIZES.get(kind, {})
    samples = [(2, 1, 1), (0, 0, 2), (1, 0, 3)]
    samples = [make_sample(*counts, item_seed=item_seed, **(sizes if counts[0] else {})) for counts in samples]
    return collate(samples, "right" if labels else "left", labels)


@pytest.fixture(scope="module")
def composed() -> dict[str, BioMedGPTForConditionalGeneration]:
    return {kind: tiny_model(tiny_config(**copy.deepcopy(parts))) for kind, parts in PARTS.items()}


@pytest.fixture(scope="module")
def reloaded(composed, tmp_path_factory) -> dict[str, dict[str, torch.Tensor]]:
    """What each kind says in a fresh process, which loads it from disk."""
    folder = tmp_path_factory.mktemp("composed")
    for kind, model in composed.items():
        model.save_pretrained(folder / kind)
        save_file(kind_batch(kind), folder / kind / "batch.tensors")
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = {[here, *sys.path]!r}\n{FRESH_PROCESS}", str(folder)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return {kind: load_file(folder / kind / "results.tensors") for kind in composed}


@pytest.mark.parametrize("kind", PARTS)
def test_other_parts_generate_with_items(composed, kind: str):
    model, batch = composed[kind], kind_batch(kind)
    assert new_tokens(model, batch) == new_tokens(model, batch, use_cache=False)
    with torch.no_grad():
        other = model(**kind_batch(kind, item_seed=9)).logits[:, -1]
        same = (model(**batch).logits[:, -1] - other).abs().amax(-1) < 1e-3
    assert same.tolist() == [False, True, False]


@pytest.mark.parametrize("kind", PARTS)
def test_batches_of_other_parts_are_their_samples(composed, kind: str):
    model, sample = composed[kind], make_sample(1, 0, 3, **SIZES.get(kind, {}))
    with torch.no_grad():
        alone = model(**collate([sample])).logits[0]
        together = model(**kind_batch(kind, labels=3)).logits[2, : len(alone)]
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)
    assert new_tokens(model, kind_batch(kind))[2] == new_tokens(model, collate([sample]))[0]


@pytest.mark.parametrize("kind", PARTS)
def test_other_parts_come_back_in_a_fresh_process(composed, reloaded, kind: str):
    model, batch = composed[kind], kind_batch(kind)
    with torch.no_grad():
        torch.testing.assert_close(reloaded[kind]["logits"], model(**batch).logits, atol=1e-5, rtol=1e-5)
    assert reloaded[kind]["answers"].tolist() == new_tokens(model, batch)


@pytest.mark.parametrize("kind", PARTS)
def test_other_parts_learn_by_lora(composed, kind: str, tmp_path):
    lora = LoraConfig(
        target_modules=LORA_TARGETS.get(kind, r".*language_model\..*\.(q_proj|v_proj)"),
        modules_to_save=["molecule_projector", "protein_projector"],
        fan_in_fan_out=kind == "gpt2",
    )
    adapted = get_peft_model(copy.deepcopy(composed[kind]), lora).train()
    optimizer = torch.optim.SGD((p for p in adapted.parameters() if p.requires_grad), lr=0.1)
    for batch in (kind_batch(kind, labels=3), collate([make_sample(0, 0, 1)], "right", 3)):
        loss = adapted(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        assert loss.isfinite()
    adapted.eval().save_pretrained(tmp_path)
    with torch.no_grad():
        logits = adapted(**kind_batch(kind)).logits
        loaded = PeftModel.from_pretrained(copy.deepcopy(composed[kind]), tmp_path).eval()
        torch.testing.assert_close(loaded(**kind_batch(kind)).logits, logits)
        torch.testing.assert_close(loaded.merge_and_unload()(**kind_batch(kind)).logits, logits, atol=1e-4, rtol=1e-4)


def test_dummies_fit_an_encoder_of_other_features_and_leave_its_statistics_alone(composed):
    model = copy.deepcopy(composed["graph"]).train()
    assert model.model.molecule_encoder.norm.training
    before = model.model.molecule_encoder.norm.running_mean.clone()
    model(**collate([make_sample(0, 0, 1)], "right", 3)).loss.backward()
    assert model.model.molecule_encoder.norm.training
    assert torch.equal(model.model.molecule_encoder.norm.running_mean, before)
    assert model.model.molecule_projector.weight.grad is not None


# Refusals.

REFUSED = {
    "gemma2": (Gemma2Config(**TEXT, head_dim=8), r"'gemma2' changes its logits \(final_logit_softcapping=30"),
    "cohere": (CohereConfig(**TEXT), r"'cohere' changes its logits \(logit_scale=0.0625\)"),
    "granite": (GraniteConfig(**TEXT, logits_scaling=8.0), r"'granite' changes its logits \(logits_scaling=8"),
    "phi": (PhiConfig(**TEXT), "'phi' has an lm_head with a bias"),
    "phimoe": (PhimoeConfig(**TEXT, lm_head_bias=True), r"'phimoe' changes its logits \(lm_head_bias=True\)"),
    "t5": (T5Config(vocab_size=98, d_model=32, num_layers=1, num_heads=2), "'t5' is an encoder-decoder"),
    "mamba": (MambaConfig(**BODY, state_size=8), "'mamba' has no attention layer"),
}


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("way", ["config", "from_encoders"])
def test_language_models_that_cannot_be_split_are_refused_by_name(kind: str, way: str):
    text, message = REFUSED[kind]
    with pytest.raises(ValueError, match=message):
        if way == "config":
            BioMedGPTForConditionalGeneration(tiny_config(text_config=text))
        else:
            BioMedGPTForConditionalGeneration.from_encoders(text, tiny_config().protein_config)


def test_a_language_model_that_changes_its_logits_unannounced_is_found_out():
    class Scaled(LlamaForCausalLM):
        def forward(self, *args, **kwargs):
            output = super().forward(*args, **kwargs)
            output.logits = output.logits * 1.1
            return output

    language_model = rescale(Scaled(LlamaConfig(**TEXT)))
    with pytest.raises(ValueError, match=r"'llama' computes other logits than lm_head\(hidden\), by"):
        BioMedGPTForConditionalGeneration.from_encoders(language_model, tiny_config().protein_config)


def test_a_biased_head_is_found_out():
    language_model = LlamaForCausalLM(LlamaConfig(**TEXT))
    language_model.lm_head = torch.nn.Linear(32, 98)
    with pytest.raises(ValueError, match="'llama' has an lm_head with a bias"):
        BioMedGPTForConditionalGeneration.from_encoders(language_model, tiny_config().protein_config)


@pytest.mark.parametrize("name", ["protein_config", "molecule_config"])
def test_encoder_decoders_are_refused_as_encoders(name: str):
    t5 = T5Config(vocab_size=40, d_model=16, num_layers=1, num_heads=2)
    with pytest.raises(ValueError, match="encoder 't5' is an encoder-decoder"):
        BioMedGPTForConditionalGeneration(tiny_config(**{name: t5}))


@pytest.mark.parametrize("way", ["config", "from_encoders"])
@pytest.mark.parametrize(
    ("part", "config", "message"),
    [
        (
            "molecule",
            BertConfig(**PROTEIN),
            "'bert' cannot be the molecule encoder: .* not take edge_index",
        ),
        (
            "protein",
            GINConfig(),
            "'biomedgpt_gin' cannot be the protein encoder: .* not take input_ids, attention_mask",
        ),
    ],
)
def test_encoders_of_something_else_are_refused_when_built(part: str, config, message: str, way: str):
    with pytest.raises(ValueError, match=message):
        if way == "config":
            BioMedGPTForConditionalGeneration(tiny_config(**{f"{part}_config": config}))
        else:
            encoders = {"protein_encoder": BertConfig(**PROTEIN), f"{part}_encoder": config}
            BioMedGPTForConditionalGeneration.from_encoders(LlamaConfig(**TEXT), **encoders)


def test_a_language_model_without_a_cache_is_refused():
    text = OpenAIGPTConfig(vocab_size=98, n_embd=32, n_layer=2, n_head=4)
    with pytest.raises(ValueError, match=f"'openai-gpt' cannot be the language model: .* does not take {CACHE_NAME}"):
        BioMedGPTForConditionalGeneration(tiny_config(text_config=text))


def test_half_an_encoder_decoder_is_refused_for_it_could_not_be_loaded_again():
    t5 = T5EncoderModel(T5Config(vocab_size=40, d_model=16, num_layers=1, num_heads=2))
    with pytest.raises(ValueError, match="'t5'"):
        BioMedGPTForConditionalGeneration.from_encoders(LlamaConfig(**TEXT), t5)


def test_a_headless_language_model_is_refused(shared_model):
    with pytest.raises(ValueError, match="'llama' has no lm_head: pass what AutoModelForCausalLM loads"):
        BioMedGPTForConditionalGeneration.from_encoders(
            shared_model.model.language_model, shared_model.config.protein_config
        )


# from_encoders.


@pytest.fixture
def parts() -> dict:
    """A language model without placeholder rows, an ESM with its training head, a GIN."""
    torch.manual_seed(1)
    config = tiny_config()
    return {
        "language_model": rescale(LlamaForCausalLM(LlamaConfig(**{**TEXT, "vocab_size": 96}))).eval(),
        "protein_encoder": rescale(EsmForMaskedLM(config.protein_config)).eval(),
        "molecule_encoder": GINModel(config.molecule_config).eval(),
    }


def folders_of(parts: dict, folder: Path) -> dict[str, Path]:
    for name, part in parts.items():
        part.save_pretrained(folder / name)
    return {name: folder / name for name in parts}


@pytest.mark.parametrize("form", ["instances", "folders", "strings"])
def test_separate_models_are_joined_with_their_weights(parts, batch, tmp_path, form: str):
    ids, proteins = torch.arange(1, 30)[None], batch["protein_input_ids"][3]
    molecule = (batch["atom_features"][0], batch["bond_index"][0], batch["bond_features"][0])
    with torch.no_grad():
        expected = [
            parts["language_model"](ids).logits,
            parts["protein_encoder"].esm(proteins)[0],
            parts["molecule_encoder"](*molecule)[0],
        ]
    given = parts if form == "instances" else folders_of(parts, tmp_path)
    given = {name: str(part) for name, part in given.items()} if form == "strings" else given
    model = BioMedGPTForConditionalGeneration.from_encoders(**given)
    assert (model.config.molecule_token_id, model.config.protein_token_id) == (96, 97)
    assert model.config.text_config.vocab_size == 98 and not model.training
    assert not any(parameter.is_meta for parameter in model.parameters())
    assert not any(buffer.is_meta for buffer in model.buffers())
    with torch.no_grad():
        torch.testing.assert_close(model(ids).logits[..., :96], expected[0])
        torch.testing.assert_close(model.model.protein_encoder(proteins)[0], expected[1])
        torch.testing.assert_close(model.model.molecule_encoder(*molecule)[0], expected[2])
        logits = model(**batch).logits
        model.save_pretrained(tmp_path / "joined")
        loaded = AutoModelForMultimodalLM.from_pretrained(tmp_path / "joined")
        assert torch.equal(loaded(**batch).logits, logits)
    assert set(loaded.generation_config.suppress_tokens) == {96, 97}


def test_configs_give_new_weights_and_the_gin_may_be_left_out(batch):
    config = tiny_config()
    text = LlamaConfig(**{**TEXT, "vocab_size": 96})
    model = BioMedGPTForConditionalGeneration.from_encoders(text, config.protein_config)
    assert text.vocab_size == 96  # the caller's config is not touched
    assert isinstance(model.model.molecule_encoder, GINModel)
    assert model.model.molecule_encoder.config.hidden_size == 300
    assert model(**batch).logits.isfinite().all()


@pytest.mark.parametrize("ids", [(60, 61), (150, 149)])
def test_the_processor_decides_ids_and_features(parts, ids: tuple[int, int]):
    """Qwen's vocabulary has rows to spare, which are all alike: placeholders may lie inside it."""
    processor = SimpleNamespace(
        molecule_token_id=ids[0], protein_token_id=ids[1], protein_feature_select="residues", molecule_features="ogb"
    )
    language_model = parts["language_model"]
    with torch.no_grad():
        language_model.model.embed_tokens.weight[60:] = 0.5
    model = BioMedGPTForConditionalGeneration.from_encoders(
        language_model, parts["protein_encoder"], processor=processor
    )
    assert (model.config.molecule_token_id, model.config.protein_token_id) == ids
    assert model.config.text_config.vocab_size == max(96, *(i + 1 for i in ids))
    assert model.config.protein_feature_select == "residues"
    assert model.model.molecule_encoder.config.feature_set == "ogb"
    rows = model.get_input_embeddings().weight[list(ids)]
    assert rows.isfinite().all() and not torch.equal(rows[0], rows[1])
    embeds = model.get_input_embeddings()(torch.tensor([[1, *ids, 62]]))
    masks = [model.model.get_placeholder_mask(name, None, embeds)[0].tolist() for name in ("molecule", "protein")]
    assert masks == [[False, True, False, False], [False, False, True, False]]


def test_tied_language_models_stay_tied(parts, batch, tmp_path):
    language_model = rescale(
        AutoModelForCausalLM.from_config(GPT2Config(vocab_size=96, n_embd=32, n_layer=1, n_head=4))
    )
    model = BioMedGPTForConditionalGeneration.from_encoders(language_model, parts["protein_encoder"])
    assert model.lm_head.weight is model.get_input_embeddings().weight
    model.save_pretrained(tmp_path)
    loaded = BioMedGPTForConditionalGeneration.from_pretrained(tmp_path)
    assert loaded.lm_head.weight is loaded.model.language_model.wte.weight
    with torch.no_grad():
        assert torch.equal(loaded(**batch).logits, model(**batch).logits)


def test_foreign_encoders_are_joined_too(parts):
    model = BioMedGPTForConditionalGeneration.from_encoders(
        parts["language_model"], BertForMaskedLM(BertConfig(**PROTEIN)), MeanGraphModel(MeanGraphConfig())
    )
    assert model.model.protein_encoder.pooler is None
    assert model(**kind_batch("graph")).logits.isfinite().all()


def test_all_parts_get_the_language_models_type_unless_told(parts):
    parts["language_model"].to(torch.bfloat16)
    model = BioMedGPTForConditionalGeneration.from_encoders(**parts)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    model = BioMedGPTForConditionalGeneration.from_encoders(**parts, dtype=torch.float32)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_esm_loads_without_a_pooler_of_random_weights(parts, tmp_path, capfd):
    folder = folders_of({"protein_encoder": EsmModel(tiny_config().protein_config, add_pooling_layer=False)}, tmp_path)
    model = BioMedGPTForConditionalGeneration.from_encoders(parts["language_model"], folder["protein_encoder"])
    assert model.model.protein_encoder.pooler is None
    assert "pooler" not in "".join(capfd.readouterr())


def test_what_no_forward_uses_is_frozen_in_a_new_model_and_in_a_loaded_one(parts, tmp_path):
    made = BioMedGPTForConditionalGeneration.from_encoders(**parts)
    made.save_pretrained(tmp_path)
    loaded = BioMedGPTForConditionalGeneration.from_pretrained(tmp_path)
    with_info, _ = BioMedGPTForConditionalGeneration.from_pretrained(tmp_path, output_loading_info=True)
    headless = AutoModel.from_pretrained(tmp_path)
    new = BioMedGPTForConditionalGeneration(made.config)
    for model in (made, loaded, with_info, headless, new):
        frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
        assert frozen and all("contact_head" in name for name in frozen)


@pytest.mark.parametrize("kind", ["esm", "bert"])
def test_every_trained_parameter_gets_a_gradient_from_a_batch_without_items(parts, kind):
    if kind == "bert":
        parts["protein_encoder"] = BertModel(BertConfig(**PROTEIN))
    model = BioMedGPTForConditionalGeneration.from_encoders(**parts).train()
    ids = torch.tensor([[5, 6, 7, 8]])
    model(input_ids=ids, labels=ids).loss.backward()
    idle = {name for name, parameter in model.named_parameters() if parameter.requires_grad and parameter.grad is None}
    assert not idle
