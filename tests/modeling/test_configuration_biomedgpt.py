"""Configurations: defaults, what follows from what, and what is refused."""

import pytest
from huggingface_hub.errors import StrictDataclassError
from tiny_models import tiny_config
from transformers import AutoConfig, GPT2Config, LlamaConfig

from biomedgpt_hf import BioMedGPTConfig, GINConfig
from biomedgpt_hf.modeling.cache_naming import CACHE_NAME


def test_the_default_is_llama_esm2_and_graphmvps_gin():
    config = BioMedGPTConfig()
    kinds = [part.model_type for part in (config.text_config, config.protein_config, config.molecule_config)]
    assert kinds == ["llama", "esm", "biomedgpt_gin"]
    assert (config.protein_config.position_embedding_type, config.protein_config.token_dropout) == ("rotary", True)
    assert (config.molecule_config.hidden_size, config.molecule_config.num_hidden_layers) == (300, 5)
    assert config.protein_feature_select == "full"


def test_placeholders_are_the_last_two_ids_unless_told_otherwise():
    config = tiny_config()
    assert (config.molecule_token_id, config.protein_token_id) == (96, 97)
    config = tiny_config(molecule_token_id=4, protein_token_id=3)
    assert (config.molecule_token_id, config.protein_token_id) == (4, 3)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ({"molecule_token_id": 98}, "molecule_token_id=98 lies outside the language model's vocabulary of 98"),
        ({"protein_token_id": -1}, "protein_token_id=-1 lies outside"),
        ({"molecule_token_id": 5, "protein_token_id": 5}, "both 5"),
    ],
)
def test_impossible_placeholder_ids_are_refused(ids: dict, message: str):
    with pytest.raises(ValueError, match=message):
        tiny_config(**ids)


def test_the_language_models_special_ids_and_tying_show_at_the_top():
    text = LlamaConfig(vocab_size=50, pad_token_id=3, bos_token_id=4, eos_token_id=[5, 6], tie_word_embeddings=True)
    config = tiny_config(text_config=text)
    assert (config.pad_token_id, config.bos_token_id, config.eos_token_id) == (3, 4, [5, 6])
    assert config.tie_word_embeddings
    assert not tiny_config(text_config=text, tie_word_embeddings=False).tie_word_embeddings
    assert tiny_config(text_config=GPT2Config(vocab_size=50)).tie_word_embeddings


@pytest.mark.parametrize("field", ["protein_feature_select", "molecule_token_id"])
def test_fields_of_the_wrong_kind_are_refused(field: str):
    with pytest.raises(StrictDataclassError, match=field):
        tiny_config(**{field: "some"})


def test_parts_may_be_dicts_and_a_saved_config_comes_back_equal(tmp_path):
    config = BioMedGPTConfig(
        text_config={"model_type": "qwen3", "vocab_size": 60, "hidden_size": 32},
        protein_config={"model_type": "bert", "vocab_size": 33},
        molecule_config={"feature_set": "ogb", "hidden_size": 8},
        protein_feature_select="residues",
        training={"steps": "10"},
    )
    assert config.molecule_config.atom_vocab_sizes == [120, 9, 11, 12, 9, 5, 8, 2, 2]
    config.save_pretrained(tmp_path)
    assert {**AutoConfig.from_pretrained(tmp_path).to_dict(), "_name_or_path": ""} == config.to_dict()


def test_a_feature_set_names_its_tables():
    graphmvp, ogb = GINConfig(), GINConfig(feature_set="ogb")
    assert (graphmvp.atom_vocab_sizes, graphmvp.bond_vocab_sizes) == ([120, 3], [6, 3])
    assert (ogb.bond_vocab_sizes, ogb.self_loop_features) == ([24, 6, 2], [22, 0, 0])


def test_an_own_feature_set_needs_its_tables():
    with pytest.raises(ValueError, match=r"'mine' has no published tables \(known: graphmvp, ogb\)"):
        GINConfig(feature_set="mine")
    tables = {"atom_vocab_sizes": [9, 4], "bond_vocab_sizes": [5], "self_loop_features": [4]}
    assert GINConfig(feature_set="mine", **tables).atom_vocab_sizes == [9, 4]
    with pytest.raises(ValueError, match="needs one value for each of the 2 bond features"):
        GINConfig(bond_vocab_sizes=[6, 3], self_loop_features=[4])


def test_model_outputs_that_evaluation_must_not_gather_are_named():
    assert {CACHE_NAME, "molecule_hidden_states", "protein_hidden_states"} <= set(
        BioMedGPTConfig.keys_to_ignore_at_inference
    )
