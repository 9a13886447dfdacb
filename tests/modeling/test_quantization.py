"""Quantisation reaches the language model alone: encoders, projectors and the head keep their own precision."""

import inspect
from collections import Counter

import pytest
import torch
from tiny_models import GREEDY, MOLECULE, PROTEIN, new_tokens, rescale, tiny_config, tiny_model
from transformers import (
    AutoModel,
    AutoModelForMultimodalLM,
    BertConfig,
    BitsAndBytesConfig,
    LlamaConfig,
    Qwen2Config,
    TorchAoConfig,
)
from transformers.quantizers.base import HfQuantizer
from transformers.quantizers.quantizers_utils import should_convert_module
from transformers.utils import is_bitsandbytes_available, is_torchao_available, quantization_config

from biomedgpt_hf import BioMedGPTForConditionalGeneration, BioMedGPTModel, GINConfig, GINModel
from biomedgpt_hf.modeling.quantization_biomedgpt import SKIP_LISTS, exempt

KEPT = ("lm_head", "molecule_encoder", "protein_encoder", "molecule_projector", "protein_projector")
needs_bitsandbytes = pytest.mark.skipif(not is_bitsandbytes_available(), reason="bitsandbytes is not installed")
needs_torchao = pytest.mark.skipif(not is_torchao_available(), reason="torchao is not installed")


def bitsandbytes_4bit(**options) -> BitsAndBytesConfig:
    nf4 = {"bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True, "bnb_4bit_compute_dtype": torch.bfloat16}
    return BitsAndBytesConfig(load_in_4bit=True, **nf4, **options)


def bitsandbytes_8bit(**options) -> BitsAndBytesConfig:
    return BitsAndBytesConfig(load_in_8bit=True, **options)


def torchao_8bit(**options) -> TorchAoConfig:
    from torchao.quantization import Int8WeightOnlyConfig

    return TorchAoConfig(Int8WeightOnlyConfig(), **options)


def torchao_4bit(**options) -> TorchAoConfig:
    from torchao.quantization import IntxWeightOnlyConfig, PerGroup

    return TorchAoConfig(IntxWeightOnlyConfig(weight_dtype=torch.int4, granularity=PerGroup(32)), **options)


METHODS = [
    pytest.param(bitsandbytes_4bit, marks=needs_bitsandbytes, id="bitsandbytes 4-bit"),
    pytest.param(bitsandbytes_8bit, marks=needs_bitsandbytes, id="bitsandbytes 8-bit"),
    pytest.param(torchao_8bit, marks=needs_torchao, id="torchao 8-bit"),
    pytest.param(torchao_4bit, marks=needs_torchao, id="torchao 4-bit"),
]


def is_quantized(module: torch.nn.Linear) -> bool:
    return type(module) is not torch.nn.Linear or type(module.weight) is not torch.nn.Parameter


def linears(model) -> Counter:
    """How many linear layers are quantised (True) and not (False), by the part of the model that they are in."""
    named = [(name.removeprefix("model.").split(".")[0], m) for name, m in model.named_modules()]
    return Counter((part, is_quantized(m)) for part, m in named if isinstance(m, torch.nn.Linear))


def assert_only_the_language_model_is_quantized(model) -> None:
    counts = linears(model)
    assert counts["language_model", True] > 0
    assert {part for part, quantized in counts if quantized} == {"language_model"}
    assert {part for part, quantized in counts if not quantized} >= set(KEPT) - {"lm_head"}


def wide_text(config_class: type = LlamaConfig, **arguments):
    """Blocks of 64 weights, as the 4-bit formats count them, must fit into a row."""
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    return config_class(vocab_size=98, num_key_value_heads=2, pad_token_id=0, **sizes, **arguments)


@pytest.fixture(scope="module")
def exact_model() -> BioMedGPTForConditionalGeneration:
    return tiny_model(tiny_config(text_config=wide_text()))


@pytest.fixture(scope="module")
def checkpoint(exact_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint")
    exact_model.save_pretrained(folder)
    return folder


# The skip list, which needs none of the libraries.


def config_classes_with_a_skip_list() -> list[type]:
    classes = vars(quantization_config).values()
    configs = [c for c in classes if inspect.isclass(c) and issubclass(c, quantization_config.QuantizationConfigMixin)]
    return [c for c in configs if set(SKIP_LISTS) & set(inspect.signature(c.__init__).parameters)]


def test_the_names_of_skip_lists_are_all_that_transformers_has():
    """A config class with a list by another name would be passed over."""
    lists = {
        name
        for config in config_classes_with_a_skip_list()
        for name in inspect.signature(config.__init__).parameters
        if "skip" in name or "not_convert" in name
    }
    assert lists == set(SKIP_LISTS)


@pytest.mark.parametrize("listed", [None, [], ["model.language_model.layers.0"]])
@pytest.mark.parametrize("config_class", config_classes_with_a_skip_list(), ids=lambda c: c.__name__)
def test_every_config_with_a_skip_list_gets_the_names_on_top_of_its_own(config_class, listed):
    config = object.__new__(config_class)  # several classes ask for their library when they are made
    (field,) = set(SKIP_LISTS) & set(inspect.signature(config_class.__init__).parameters)
    setattr(config, field, listed)
    longer = exempt(config, KEPT)
    assert getattr(longer, field) == [*(listed or []), *KEPT]
    assert getattr(config, field) is listed
    assert type(longer) is config_class


def test_a_name_that_the_user_listed_is_not_repeated():
    assert exempt(bitsandbytes_8bit(llm_int8_skip_modules=["lm_head"]), KEPT).llm_int8_skip_modules == list(KEPT)


def test_a_config_may_be_a_dict():
    config = exempt({"quant_method": "bitsandbytes", "load_in_8bit": True}, KEPT)
    assert config.load_in_8bit
    assert config.llm_int8_skip_modules == list(KEPT)


def other_parts() -> dict:
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    return {"text_config": wide_text(Qwen2Config), "protein_config": BertConfig(vocab_size=33, **sizes)}


@pytest.mark.parametrize("parts", [{}, other_parts()], ids=["Llama, ESM", "Qwen, BERT"])
@pytest.mark.parametrize("model_class", [BioMedGPTForConditionalGeneration, BioMedGPTModel])
def test_transformers_own_matching_leaves_the_language_models_layers_alone(model_class, parts):
    """What quantisers ask, for every linear layer: the class alone knows the list, whatever the parts are."""
    with torch.device("meta"):
        model = model_class(tiny_config(**parts))
    config = exempt(bitsandbytes_8bit(llm_int8_skip_modules=["o_proj"]), model_class.modules_kept_exact())
    skipped = HfQuantizer.get_modules_to_not_convert(model, config.llm_int8_skip_modules)
    names = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
    converted = {name for name in names if should_convert_module(name, skipped)}
    assert converted == {name for name in names if "language_model." in name and not name.endswith("o_proj")}


# Loading.


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("options", "dtype"),
    [
        ({}, torch.float32),
        ({"dtype": torch.bfloat16, "device_map": "cpu"}, torch.bfloat16),
        ({"dtype": "auto", "device_map": "auto"}, torch.float32),
    ],
    ids=["defaults", "bf16 on the CPU", "everything automatic"],
)
def test_only_the_language_model_is_quantized(checkpoint, batch, method, options, dtype):
    config = method()
    before = config.to_dict()
    model = AutoModelForMultimodalLM.from_pretrained(checkpoint, quantization_config=config, **options)
    assert_only_the_language_model_is_quantized(model)
    assert config.to_dict() == before
    assert {p.dtype for name, p in model.named_parameters() if "language_model" not in name} == {dtype}
    assert all(len(row) == GREEDY["max_new_tokens"] for row in new_tokens(model, batch))


@pytest.mark.parametrize("method", METHODS)
def test_the_users_own_skip_list_counts_as_well(checkpoint, method):
    field = "llm_int8_skip_modules" if "bitsandbytes" in method.__name__ else "modules_to_not_convert"
    model = AutoModelForMultimodalLM.from_pretrained(
        checkpoint, quantization_config=method(**{field: ["model.language_model.layers.0"]})
    )
    assert_only_the_language_model_is_quantized(model)
    first, second = model.model.language_model.layers
    assert not is_quantized(first.mlp.up_proj)
    assert is_quantized(second.mlp.up_proj)


@pytest.mark.parametrize("method", METHODS)
@torch.no_grad()
def test_features_are_exact_and_placeholders_stay_masked(checkpoint, exact_model, batch, method):
    model = AutoModelForMultimodalLM.from_pretrained(checkpoint, quantization_config=method())
    exact, features = exact_model.encode_modalities(4, batch), model.encode_modalities(4, batch)
    for modality, output in exact.items():
        for ours, theirs in zip(features[modality].pooler_output, output.pooler_output, strict=True):
            torch.testing.assert_close(ours, theirs)
    logits, others = model(**batch).logits, exact_model(**batch).logits
    assert (logits[..., [MOLECULE, PROTEIN]] == -(2.0**14)).all()
    difference = (logits - others)[..., :MOLECULE].norm() / others[..., :MOLECULE].norm()
    assert 0 < difference < (0.5 if "4bit" in method.__name__ else 0.1)


@pytest.mark.parametrize("method", METHODS)
@torch.no_grad()
def test_a_model_saved_quantized_loads_quantized_and_answers_the_same(checkpoint, batch, tmp_path, method):
    """Saved before its first answer: then bitsandbytes packs 4-bit weights anew on some CPUs, and rounds scales."""
    model = AutoModelForMultimodalLM.from_pretrained(checkpoint, quantization_config=method())
    model.save_pretrained(tmp_path)
    again = AutoModelForMultimodalLM.from_pretrained(tmp_path)
    assert linears(again) == linears(model)
    assert_only_the_language_model_is_quantized(again)
    assert torch.equal(again(**batch).logits, model(**batch).logits)
    saved = again.config.quantization_config.to_dict()
    assert set(KEPT) <= set(next(saved[field] for field in SKIP_LISTS if field in saved))


@pytest.mark.parametrize("method", METHODS)
def test_the_model_without_a_head_is_quantized_likewise(checkpoint, method):
    model = AutoModel.from_pretrained(checkpoint, quantization_config=method())
    assert isinstance(model, BioMedGPTModel)
    assert_only_the_language_model_is_quantized(model)


@needs_bitsandbytes
@pytest.mark.parametrize("method", [bitsandbytes_4bit, bitsandbytes_8bit])
def test_the_model_without_a_head_loads_what_the_one_with_a_head_saved(checkpoint, tmp_path, method):
    """torchao's own files cannot be loaded under other names than they were saved under; transformers says so."""
    model = AutoModelForMultimodalLM.from_pretrained(checkpoint, quantization_config=method())
    model.save_pretrained(tmp_path)
    assert_only_the_language_model_is_quantized(AutoModel.from_pretrained(tmp_path))


@pytest.mark.parametrize("method", METHODS)
def test_other_language_models_and_encoders_are_treated_alike(tmp_path, method):
    tiny_model(tiny_config(**other_parts())).save_pretrained(tmp_path)
    assert_only_the_language_model_is_quantized(
        AutoModelForMultimodalLM.from_pretrained(tmp_path, quantization_config=method())
    )


@needs_bitsandbytes
def test_a_graph_encoder_by_itself_is_quantized_as_transformers_does_it(tmp_path):
    torch.manual_seed(0)
    rescale(GINModel(GINConfig(hidden_size=16, num_hidden_layers=2))).save_pretrained(tmp_path)
    model = AutoModel.from_pretrained(tmp_path, quantization_config=bitsandbytes_8bit())
    assert any(is_quantized(m) for m in model.modules() if isinstance(m, torch.nn.Linear))


@needs_bitsandbytes
def test_lora_trains_on_a_quantized_language_model(checkpoint, training_batch):
    peft = pytest.importorskip("peft", reason="peft is not installed")
    model = AutoModelForMultimodalLM.from_pretrained(checkpoint, quantization_config=bitsandbytes_4bit())
    model = peft.get_peft_model(model, peft.LoraConfig(target_modules=["q_proj", "v_proj"], r=2)).train()
    model(**training_batch).loss.backward()
    trained = [name for name, parameter in model.named_parameters() if parameter.grad is not None]
    assert len(trained) == 8  # two layers, two projections, two matrices
    assert all("language_model.layers" in name and "lora" in name for name in trained)
