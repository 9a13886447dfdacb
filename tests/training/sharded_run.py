"""A run by recipe with real FSDP2 on CPUs; see test_trl_runs.py.

python -m torch.distributed.run --nproc-per-node 2 tests/training/sharded_run.py RECIPE --train-data ROWS …
"""

import os
import sys

import torch
from cpu_fsdp import shard_on_cpu
from torch.distributed.tensor import DTensor

from biomedgpt_hf.training import run
from biomedgpt_hf.training.recipe.recipe import read_recipe
from biomedgpt_hf.training.trainers.run_trainer import RunTrainerMixin


def main(recipe: str, words: list[str]) -> None:
    torch.set_num_threads(1)
    shard_on_cpu()
    first = os.environ["RANK"] == "0"
    train = RunTrainerMixin.train

    def train_and_look(self: RunTrainerMixin, **options: object) -> object:
        result = train(self, **options)
        if first and all(isinstance(parameter, DTensor) for parameter in self.model.parameters()):
            sys.stdout.write("every parameter was divided\n")
        return result

    RunTrainerMixin.train = train_and_look
    result = run.train(read_recipe(recipe, words))
    if first:
        sys.stdout.write(f"{result.summary()}\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
