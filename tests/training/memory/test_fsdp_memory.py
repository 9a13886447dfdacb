"""What FSDP2 holds unsharded: against arithmetic by hand, and against the gradients that FSDP2 really keeps."""

import pytest
import torch
from torch import distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

from biomedgpt_hf.training.memory.fsdp_memory import fsdp_memory
from biomedgpt_hf.training.recipe.recipe import read_recipe


class Layer(nn.Linear):
    """A layer, by its class."""


class Model(nn.Module):
    """Two layers and a head, the second layer frozen."""

    _no_split_modules = ["Layer"]

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([Layer(8, 8), Layer(8, 8)])
        self.head = nn.Linear(8, 4)
        self.layers[1].requires_grad_(False)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.head(x).sum()


LAYER, HEAD = 8 * 8 + 8, 8 * 4 + 4
STEPS = {"gradient_accumulation_steps": 4}
EACH = {"accelerator_config": {"gradient_accumulation_kwargs": {"sync_each_batch": True}}}


def gradients(arguments, bf16=False):
    (number,) = [n for name, n in fsdp_memory(Model(), arguments, bf16).items() if "gradients" in name]
    return number


def test_a_layers_gradients_are_unsharded_until_they_are_reduced_in_float32():
    assert gradients({}) == (4 + 4) * (LAYER + HEAD)
    assert gradients({}, bf16=True) == (2 + 4) * (LAYER + HEAD)
    assert gradients({**STEPS, **EACH}) == gradients({})


def test_all_gradients_are_unsharded_where_the_last_batch_of_a_step_alone_reduces_them():
    (name,) = [name for name in fsdp_memory(Model(), STEPS, True) if "gradients" in name]
    assert name == "gradients that FSDP keeps unsharded, all of them, until the last of 4 batches"
    assert gradients(STEPS, bf16=True) == 4 * (LAYER + HEAD) + 2 * (LAYER + HEAD)


def test_parameters_that_stay_gathered_and_other_ways_to_wrap_are_counted():
    def gathered(**config):
        return next(n for name, n in fsdp_memory(Model(), {"fsdp_config": config}, True).items() if "gathered" in name)

    assert gathered() == gathered(transformer_layer_cls_to_wrap=["Layer"]) == 2 * (2 * LAYER + HEAD)
    assert gathered(reshard_after_forward=False) == gathered(auto_wrap_policy="NO_WRAP") == 2 * (2 * LAYER + HEAD)
    assert gathered(transformer_layer_cls_to_wrap=["ModuleList"]) == 2 * (4 * LAYER + HEAD)


def test_a_recipe_has_gradients_reduced_for_each_batch_unless_it_says_otherwise():
    recipe = read_recipe("align")
    arguments, _ = recipe.adapted(8, on_cpu=False)
    assert arguments["gradient_accumulation_steps"] == 8
    assert arguments["accelerator_config"] == EACH["accelerator_config"]
    words = ["--accelerator-config.gradient_accumulation_kwargs", "{sync_each_batch: false}"]
    arguments, _ = read_recipe("align", words).adapted(8, on_cpu=False)
    assert arguments["accelerator_config"]["gradient_accumulation_kwargs"] == {"sync_each_batch": False}
    assert "accelerator_config" not in recipe.adapted(1, on_cpu=False)[0]


@pytest.fixture
def mesh(tmp_path):
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield init_device_mesh("cpu", (1,))
    distributed.destroy_process_group()


@pytest.mark.parametrize("bf16", [False, True])
def test_fsdp_2_keeps_what_is_counted(mesh, bf16):
    """As accelerate has it: the first batches without a reduction, the last one with it."""
    policy = MixedPrecisionPolicy(torch.bfloat16 if bf16 else None, torch.float32)
    model = Model()
    for layer in model.layers:
        fully_shard(layer, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)
    rows = torch.ones(2, 8, dtype=torch.bfloat16 if bf16 else torch.float32)

    model.set_requires_gradient_sync(False)
    for _ in range(2):
        model(rows).backward()
    assert unsharded(model) == 4 * (LAYER + HEAD) and not any(p.grad is not None for p in model.parameters())
    model.set_requires_gradient_sync(True)
    model(rows).backward()
    assert unsharded(model) == 0
    assert sum(p.grad.to_local().nbytes for p in model.parameters() if p.grad is not None) == 4 * (LAYER + HEAD)


def unsharded(model):
    """Bytes of the gradients that FSDP2 holds whole."""
    held = 0
    for module in (*model.layers, model):
        for parameter in module._get_fsdp_state()._fsdp_param_group.fsdp_params:
            whole = parameter.unsharded_accumulated_grad
            if whole is None and hasattr(parameter, "_unsharded_param"):
                whole = parameter._unsharded_param.grad
            held += whole.nbytes if whole is not None else 0
    return held
