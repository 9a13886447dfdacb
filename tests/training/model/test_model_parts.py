"""Which parts train, in which precision, and under which names they are saved."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from tiny_models import tiny_model

from biomedgpt_hf.training.model.adapters import add_lora
from biomedgpt_hf.training.model.model_parts import PARTS, train_in_float32, train_only, trained_counts
from biomedgpt_hf.training.model.tensor_names import saved_names

LORA = {
    "r": 2,
    "target_modules": r".*language_model\..*\.(q_proj|v_proj)",
    "modules_to_save": ["molecule_encoder", "molecule_projector", "protein_projector"],
}


@pytest.fixture
def model():
    return tiny_model()


@pytest.mark.parametrize("part", PARTS)
def test_each_part_trains_by_itself(model, part):
    train_only(model, [part])
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained and all(name.startswith(PARTS[part]) for name in trained)
    assert trained_counts(model) == {part: sum(model.get_parameter(name).numel() for name in trained)}


def test_what_is_no_part_of_the_forward_never_trains(model):
    train_only(model, PARTS)
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    assert frozen == {name for name, _ in model.named_parameters() if "contact_head" in name} and frozen


@pytest.mark.parametrize(("parts", "message"), [(["encoder"], "names 'encoder'"), ([], "nothing would be trained")])
def test_no_part_and_an_unknown_one_are_refused(model, parts, message):
    with pytest.raises(ValueError, match=message):
        train_only(model, parts)


def test_trained_parts_are_float32_with_their_statistics_and_frozen_ones_keep_their_precision(model):
    model.bfloat16()
    train_only(model, ["molecule_encoder"])
    train_in_float32(model)
    inner = model.model
    assert {tensor.dtype for tensor in inner.molecule_encoder.state_dict().values()} == {torch.float32, torch.int64}
    assert inner.molecule_projector.weight.dtype == inner.language_model.dtype == torch.bfloat16


def test_names_are_those_of_the_file_that_is_saved(model, tmp_path):
    model.save_pretrained(tmp_path)
    written = {name: list(tensor.shape) for name, tensor in load_file(tmp_path / "model.safetensors").items()}
    assert {name: list(tensor.shape) for name, tensor in saved_names(model).items()} == written


def test_so_are_those_of_an_adapter_and_of_tied_embeddings(tmp_path):
    from tiny_models import tiny_config

    config = tiny_config()
    config.tie_word_embeddings = config.text_config.tie_word_embeddings = True
    tied = tiny_model(config)
    tied.save_pretrained(tmp_path / "tied")
    assert saved_names(tied).keys() == load_file(tmp_path / "tied" / "model.safetensors").keys()
    adapted = get_peft_model(tiny_model(), LoraConfig(**LORA))
    adapted.save_pretrained(tmp_path / "adapter")
    written = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    names = saved_names(adapted)
    assert names.keys() == written.keys()
    state = adapted.state_dict()
    for name, tensor in written.items():
        torch.testing.assert_close(state[names[name].fqn], tensor)


def test_lora_trains_adapters_and_the_modules_that_are_saved_with_them():
    counts = trained_counts(add_lora(tiny_model(), LORA))
    assert counts.keys() == {"adapters", "molecule_encoder", "molecule_projector", "protein_projector"}
    assert counts["protein_projector"] == 16 * 32 + 32
