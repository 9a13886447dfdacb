"""Run by `torchrun --nproc-per-node 2`: one rank holds a molecule or a protein, the other text; see test_trainers.py.

python -m torch.distributed.run --nproc-per-node 2 tests/modeling/two_processes.py {ddp|fsdp}
"""

import copy
import sys
from datetime import timedelta

import torch
from tiny_models import collate, make_sample, new_tokens, tiny_model
from torch import distributed
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

# What rank 0 and rank 1 hold: (molecules, proteins).
PAIRS = [((0, 1), (0, 0)), ((1, 0), (0, 0)), ((0, 1), (1, 0)), ((0, 0), (0, 0)), ((1, 1), (0, 0))]


def samples_of(pair: tuple) -> list:
    return [make_sample(*counts, seed=rank + 1) for rank, counts in enumerate(pair)]


def check_gradients(model: torch.nn.Module, wrapped: torch.nn.Module, rank: int) -> None:
    """Gradients of the wrapped model are the mean of those that each rank's batch gives alone."""
    for pair in PAIRS:
        alone = copy.deepcopy(model).train()
        for sample in samples_of(pair):
            (alone(**collate([sample], "right", 3)).loss / 2).backward()
        wrapped.train().zero_grad()
        loss = wrapped(**collate([samples_of(pair)[rank]], "right", 3)).loss
        loss.backward()
        inner = getattr(wrapped, "module", wrapped)
        for (name, parameter), expected in zip(inner.named_parameters(), alone.parameters(), strict=True):
            gradient = parameter.grad
            gradient = gradient.full_tensor() if isinstance(gradient, DTensor) else gradient
            assert (gradient is None) == (expected.grad is None), name
            if gradient is not None:
                torch.testing.assert_close(gradient, expected.grad, atol=2e-6, rtol=1e-4, msg=name)


def check_fsdp(model: torch.nn.Module, rank: int) -> None:
    sharded = copy.deepcopy(model)
    core = sharded.model
    for layer in (*core.language_model.layers, *core.protein_encoder.encoder.layer, *core.molecule_encoder.layers):
        fully_shard(layer)
    fully_shard(sharded)
    for name in ("generate", "encode_modalities"):
        register_fsdp_forward_method(sharded, name)
    assert all(isinstance(parameter, DTensor) for parameter in sharded.parameters())
    ways = ({}, {"num_beams": 3}, {"use_cache": False})
    for pair in PAIRS:  # generation is the very first call
        batch = collate([samples_of(pair)[rank]])
        for way in ways:
            expected = new_tokens(model, batch, **way)
            assert new_tokens(sharded, batch, **way, synced_gpus=True) == expected, (pair, way)
    check_gradients(model, sharded, rank)
    optimizer = torch.optim.SGD(sharded.parameters(), lr=0.1)
    optimizer.step()
    sharded.eval()
    for pair in PAIRS[:2]:
        batch = collate([samples_of(pair)[rank]])
        with torch.no_grad():
            assert sharded(**batch).logits.isfinite().all()
        assert len(new_tokens(sharded, batch, synced_gpus=True)[0]) == 6


def main() -> None:
    distributed.init_process_group("gloo", timeout=timedelta(seconds=60))
    rank, model = distributed.get_rank(), tiny_model()
    if sys.argv[1] == "ddp":
        trainable = copy.deepcopy(model)
        check_gradients(model, DistributedDataParallel(trainable), rank)
    else:
        check_fsdp(model, rank)
    distributed.barrier()
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
