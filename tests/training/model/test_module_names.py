"""Names of modules in a recipe are compared with the model, and a wrong one is told with the nearest."""

import pytest
import torch
from transformers import AutoModelForMultimodalLM, LlamaConfig, LlamaForCausalLM

from biomedgpt_hf import mini_checkpoint
from biomedgpt_hf.checkpoints import find_config
from biomedgpt_hf.training.memory.plan import plan_memory
from biomedgpt_hf.training.model.model_parts import train_only
from biomedgpt_hf.training.model.module_names import check_argument_names, check_lora_names
from biomedgpt_hf.training.recipe.recipe import read_recipe
from biomedgpt_hf.training.run import train


@pytest.fixture(scope="module")
def model():
    with torch.device("meta"):
        return AutoModelForMultimodalLM.from_config(find_config(str(mini_checkpoint())), trust_remote_code=False)


WRONG = {
    "modules_to_save": (
        ["molecule_projector", "molecule_projecter"],
        "'molecule_projecter', .*did you mean 'molecule_",
    ),
    "target_modules": (["q_proj", "v_porj"], "'v_porj', but no module of the model .*did you mean 'v_proj'"),
    "exclude_modules": (["protein_encoderr"], "did you mean 'protein_encoder'"),
    "target_parameters": (["q_proj.weigth"], "'q_proj.weigth'"),
    "rank_pattern": ({"q_porj": 4}, "rank_pattern is 'q_porj', a pattern that matches no .*did you mean 'q_proj'"),
    "alpha_pattern": ({"layers.99.q_proj": 4}, "matches no module"),
    "layers_to_transform": (
        [0, 99],
        r"layers_to_transform has 99, but layers with its target_modules are from 0 to \d+\.",
    ),
    "layers_pattern": ("layerz", "layers_pattern has 'layerz', but no layers have that name: did you mean 'layer"),
    "trainable_token_indices": ({"embed_token": [1]}, "did you mean 'embed_tokens'"),
}


@pytest.mark.parametrize("key", WRONG)
def test_a_name_that_no_module_has_is_refused_with_the_nearest(model, key):
    value, said = WRONG[key]
    with pytest.raises(ValueError, match=said) as error:
        check_lora_names(model, {"target_modules": ["q_proj"], key: value})
    assert f"lora.{key}" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        (r".*languag_model\..*\.(q_proj|v_proj)", "matches no module"),
        (r".*\.q_porj", "matches no module of the model: did you mean 'q_proj'"),
        (
            "q_proj",
            r"matches no module .*give a list, \[q_proj\] or --lora\.\w+ q_proj,$",
        ),  # a text is a pattern of whole paths, to PEFT too
        (r".*\.(q_proj", "is no pattern"),
    ],
)
def test_a_pattern_that_matches_nothing_is_refused(model, pattern, said):
    for key in ("target_modules", "exclude_modules"):
        with pytest.raises(ValueError, match=said):
            check_lora_names(model, {"target_modules": ["q_proj"], key: pattern})


def test_what_peft_finds_is_taken(model):
    lora = {
        "target_modules": ["q_proj", "language_model.layers.0.self_attn.v_proj"],
        "modules_to_save": ["molecule_projector", "model.protein_projector"],
        "exclude_modules": r".*protein_encoder.*",
        "layers_to_transform": [0, 1],
        "layers_pattern": "layers",
        "rank_pattern": {r"layers\.0\.self_attn\.q_proj": 4},
    }
    check_lora_names(model, lora)
    check_lora_names(model, {"target_modules": "all-linear"})
    check_lora_names(model, {"target_modules": r".*language_model\..*\.(q_proj|v_proj)"})


def test_classes_of_layers_and_modules_of_optimizers_are_looked_for_too(model):
    check_argument_names(model, {"fsdp_config": {"transformer_layer_cls_to_wrap": ["EsmLayer"]}})
    with pytest.raises(ValueError, match="'EsmLayr', but no class of layers .*did you mean 'EsmLayer'"):
        check_argument_names(model, {"fsdp_config": {"transformer_layer_cls_to_wrap": ["EsmLayr"]}})
    check_argument_names(model, {"optim_target_modules": ["q_proj", r"layers\.\d"]})
    with pytest.raises(ValueError, match="optim_target_modules is 'atn', a pattern that matches no module"):
        check_argument_names(model, {"optim_target_modules": ["atn"]})


def test_parts_that_a_model_lacks_are_named_with_those_that_it_has():
    with torch.device("meta"):
        plain = LlamaForCausalLM(LlamaConfig(hidden_size=64, num_hidden_layers=1, vocab_size=9))
    with pytest.raises(ValueError, match="trainable has 'protein_projector', but the model has no model.protein_proj"):
        train_only(plain, ["protein_projector"])


WORDS = ["--model", "mini", "--modules-to-save", "molecule_projecter"]


def test_the_plan_and_the_run_tell_it_before_weights_and_rows_are_read(tmp_path, monkeypatch):
    said = "modules_to_save has 'molecule_projecter', .*did you mean 'molecule_projector'"
    with pytest.raises(ValueError, match=said):
        plan_memory(read_recipe("lora_align", WORDS))
    monkeypatch.setattr("biomedgpt_hf.training.loading.load_model", lambda *a, **k: pytest.fail("weights were read"))
    words = [*WORDS, "--train-data", str(tmp_path / "no rows"), "--output-dir", str(tmp_path / "run"), "--use-cpu"]
    with pytest.raises(ValueError, match=said):
        train(read_recipe("lora_align", words))
